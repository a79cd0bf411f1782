# SPDX-License-Identifier: MIT
"""How spans of time are written: `1h 30min`, as systemd writes them."""

#: The largest first.
SPANS = (("w", 7 * 86400), ("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def span(seconds: float) -> str:
    """How long, in the two largest units; less than a second is one."""
    left = max(int(seconds), 1)
    words: list[str] = []
    for name, size in SPANS:
        if left >= size and len(words) < 2:
            words.append(f"{left // size}{name}")
            left %= size
    return " ".join(words)
