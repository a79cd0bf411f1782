# SPDX-License-Identifier: MIT
"""Whom the gate has refused, and what refused the most: for `socketgate status`.

Bounded, whatever comes. In a flood each is only noted; they are counted a thousand at a time, or
when somebody asks.
"""

import collections
import time
from operator import itemgetter

from socketgate.accept import Connection
from socketgate.clients import Client
from socketgate.rules.verdict import Verdict

#: Rules and bans that are counted; when more have refused, the half that did least is forgotten.
MAX_CAUSES = 10_000

#: How many of the last refused clients are remembered.
LAST_REFUSED = 10

#: How many refusals are noted before they are counted, which then takes half a millisecond.
MAX_NOTED = 1024

#: What refused somebody: a rule by its file and line, or a ban by its net.
Cause = tuple[str, int] | str


class Refusals:
    """Refused clients by what refused them, and the last ones."""

    def __init__(self) -> None:
        self._counts: dict[Cause, int] = {}
        self._noted: list[Verdict | str | None] = []
        self._last: collections.deque[tuple[float, Client, Verdict | str | None]] = (
            collections.deque(maxlen=LAST_REFUSED)
        )

    def add(self, connection: Connection) -> None:
        """One more, by a ban, or by what the verdict says."""
        refused_by = connection.ban or connection.verdict
        self._last.append((time.time(), connection.client, refused_by))
        self._noted.append(refused_by)
        if len(self._noted) >= MAX_NOTED:
            self._count()

    def forget_rules(self) -> None:
        """Other rules may stand on those lines now; bans go on counting."""
        self._count()
        self._counts = {
            cause: count for cause, count in self._counts.items() if isinstance(cause, str)
        }

    def top(self, most: int) -> list[tuple[Cause, int]]:
        """What refused, and how many; the largest first."""
        self._count()
        largest = sorted(self._counts.items(), key=lambda item: (-item[1], str(item[0])))
        return largest[:most]

    def last(self) -> list[tuple[float, str, Cause | None]]:
        """The last refused clients: wall-clock time in seconds, address, what refused them."""
        return [(at, client.bare_address, _cause(by)) for at, client, by in self._last]

    def _count(self) -> None:
        noted, self._noted = self._noted, []
        counts = self._counts
        for cause in map(_cause, noted):
            if cause is not None:
                counts[cause] = counts.get(cause, 0) + 1
        if len(counts) > MAX_CAUSES:
            self._forget_half()

    def _forget_half(self) -> None:
        """Whatever refuses much from now on finds room, and what has refused the most stays."""
        largest = sorted(self._counts.items(), key=itemgetter(1), reverse=True)
        self._counts = dict(largest[: MAX_CAUSES // 2])


def _cause(refused_by: Verdict | str | None) -> Cause | None:
    """None if it was neither a rule nor a ban."""
    if not isinstance(refused_by, Verdict):
        return refused_by
    place = refused_by.place
    return None if place is None else (place.origin, place.line)
