# SPDX-License-Identifier: MIT
"""Something made once for each verdict: texts that all its connections have in common."""

from typing import Generic, TypeVar

from socketgate.rules.verdict import Verdict

T = TypeVar("T")

#: So many are kept. The rules keep as many verdicts ready; others are new for each connection.
MAX_KEPT = 10_000


class PerVerdict(Generic[T]):
    """One value for each verdict object; a few that the rules no longer give may be among them."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Verdict, T]] = {}

    def get(self, verdict: Verdict) -> T | None:
        """What is kept for this very verdict."""
        kept = self._kept.get(id(verdict))
        return kept[1] if kept is not None else None

    def keep(self, verdict: Verdict, value: T) -> T:
        """Keep it; with the verdict itself, so that no other gets its id meanwhile."""
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[id(verdict)] = (verdict, value)
        return value
