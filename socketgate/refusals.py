# SPDX-License-Identifier: MIT
"""What refuses the most, rules and bans: for `socketgate status`. Bounded, whatever comes."""

from socketgate.rules.verdict import Verdict

#: Rules and bans that are counted; with more than so many that ever refused, later ones are not.
MAX_CAUSES = 10_000

#: What refused somebody: a rule by its file and line, or a ban by its net.
Cause = tuple[str, int] | str


class RefusalCounts:
    """Refused clients by what refused them."""

    def __init__(self) -> None:
        self._counts: dict[Cause, int] = {}

    def add(self, verdict: Verdict | None, ban: str = "") -> Cause | None:
        """One more; the answer is what refused him, None if it was neither a rule nor a ban."""
        cause: Cause
        if ban:
            cause = ban
        elif verdict is None or verdict.place is None:
            return None
        else:
            cause = (verdict.place.origin, verdict.place.line)
        count = self._counts.get(cause, 0)
        if count or len(self._counts) < MAX_CAUSES:
            self._counts[cause] = count + 1
        return cause

    def forget_rules(self) -> None:
        """Other rules may stand on those lines now; bans go on counting."""
        self._counts = {
            cause: count for cause, count in self._counts.items() if isinstance(cause, str)
        }

    def top(self, most: int) -> list[tuple[Cause, int]]:
        """What refused, and how many; the largest first."""
        largest = sorted(self._counts.items(), key=lambda item: (-item[1], str(item[0])))
        return largest[:most]
