# SPDX-License-Identifier: MIT
"""What refuses the most, rules and bans: for `socketgate status`. Bounded, whatever comes."""

from operator import itemgetter

from socketgate.rules.verdict import Verdict

#: Rules and bans that are counted; when more have refused, the half that did least is forgotten.
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
        if not count and len(self._counts) >= MAX_CAUSES:
            self._forget_half()
        self._counts[cause] = count + 1
        return cause

    def forget_rules(self) -> None:
        """Other rules may stand on those lines now; bans go on counting."""
        self._counts = {
            cause: count for cause, count in self._counts.items() if isinstance(cause, str)
        }

    def _forget_half(self) -> None:
        """Whatever refuses much from now on finds room, and what has refused the most stays."""
        largest = sorted(self._counts.items(), key=itemgetter(1), reverse=True)
        self._counts = dict(largest[: MAX_CAUSES // 2])

    def top(self, most: int) -> list[tuple[Cause, int]]:
        """What refused, and how many; the largest first."""
        largest = sorted(self._counts.items(), key=lambda item: (-item[1], str(item[0])))
        return largest[:most]
