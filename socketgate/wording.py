# SPDX-License-Identifier: MIT
"""Words of which every text for people is made, so that all of them say the same thing alike."""


def count(number: int, noun: str) -> str:
    """A number and its noun: `1 error`, `2 errors`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
