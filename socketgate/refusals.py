# SPDX-License-Identifier: MIT
"""Which rules refuse the most: for `socketgate status`. Bounded, whatever strangers do."""

from socketgate.rules.verdict import Verdict

#: Rules that are counted; with more than so many that ever refused, later ones are not.
MAX_RULES = 10_000


class RefusalCounts:
    """Refused clients by rule: file and line."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], int] = {}

    def add(self, verdict: Verdict | None) -> None:
        """One more, if it was a rule that refused."""
        if verdict is None or verdict.place is None:
            return
        key = (verdict.place.origin, verdict.place.line)
        count = self._counts.get(key, 0)
        if count or len(self._counts) < MAX_RULES:
            self._counts[key] = count + 1

    def clear(self) -> None:
        """Begin again: other rules may stand on those lines now."""
        self._counts.clear()

    def top(self, most: int) -> list[tuple[str, int, int]]:
        """File, line, count; the largest first."""
        largest = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return [(file, line, count) for (file, line), count in largest[:most]]
