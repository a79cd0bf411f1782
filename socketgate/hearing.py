# SPDX-License-Identifier: MIT
"""What a connection needs that can't be decided at once: lookups and commands, in the rules' order.

    judge ──Need──▶ what options have said so far is done ─▶ look up ─▶ judge, until a verdict

What is learned is on the connection at once, so that its entry has it whatever ends the connection.
Until there is a verdict it is denied, with what the options of the rule have said by then.
"""

import asyncio
from collections.abc import Callable, Sequence

from socketgate.accept import Connection
from socketgate.act import Errand
from socketgate.judge import Judgement, judge
from socketgate.lookup_values import Found
from socketgate.lookups import unanswered
from socketgate.rules.option import Action
from socketgate.rules.request import Access, CommandStatus, Lookup, Need, Request
from socketgate.rules.table import RuleTable
from socketgate.rules.verdict import Verdict
from socketgate.stations import Stations

#: What a note says of a lookup for which the connection had no time left.
OUT_OF_TIME = "decide-seconds are over"


def so_far(need: Need) -> Verdict:
    """What holds while something is being found out: deny, by the rule that wants to know it."""
    return Verdict(Access.DENY, need.rule, need.actions)


class Hearing:
    """One connection's."""

    def __init__(
        self, connection: Connection, stations: Stations, report: Callable[[str], None]
    ) -> None:
        """`report(text)`: what went wrong with an option and costs the client nothing."""
        self.connection = connection
        self._report = report
        self._errand = Errand(connection, stations.run_command, stations.banners, self._learn)
        self._stations = stations
        #: What was looked up for it: a banner and the rules don't ask for the same fact twice.
        self._found: dict[Lookup, Found] = {}
        #: For its lookups, all of them together.
        self._seconds_left = float(stations.limits.decide_seconds)

    async def judge(self, table: RuleTable, judgement: Judgement) -> Verdict:
        """The rules' verdict, after all that it takes. Raises CannotAct."""
        verdict, judgement = await judge(table, judgement, self._known, self._ask)
        self.connection.request = judgement.request
        return verdict

    @property
    def is_twisted(self) -> bool:
        """Whether the client is a command's now."""
        return self._errand.is_twisted

    async def carry_out(self, actions: Sequence[Action]) -> None:
        """Do what is left of these. Raises CannotAct."""
        try:
            await self._errand.carry_out(actions, self.connection.request)
        finally:
            while self._errand.troubles:
                self._report(self._errand.troubles.pop(0))

    async def _ask(self, need: Need, request: Request) -> Found:
        """Before the rules may ask for more, what they have said so far is done."""
        connection, store = self.connection, self._stations.store
        connection.request, connection.verdict = request, so_far(need)
        if need.actions:
            store.let_go(connection)
        await self.carry_out(need.actions)
        with store.while_looking_up(connection):
            return await self._find_out(need, request)

    async def _learn(self, need: Need, request: Request) -> Request:
        """For a banner: what the client is told about himself, the journal knows as well."""
        found = await self._find_out(need, request)
        self.connection.request = learned = request.with_fact(need.fact, found.answer)
        return learned

    async def _find_out(self, need: Need, request: Request) -> Found:
        return self._known(need, request) or await self._look_up(need, request)

    def _known(self, need: Need, request: Request) -> Found | None:
        found = self._found.get(need.fact) or self._stations.known(need, request)
        if found is not None:
            self._note(found)
        return found

    async def _look_up(self, need: Need, request: Request) -> Found:
        """Find it out. Commands have a deadline of their own, and count for no other."""
        if isinstance(need.fact, CommandStatus):
            found = await self._stations.look_up(need, request)
        else:
            found = await self._look_up_in_time(need, request)
        self._found[need.fact] = found
        self._note(found)
        return found

    async def _look_up_in_time(self, need: Need, request: Request) -> Found:
        if self._seconds_left <= 0:
            return unanswered(need.fact, OUT_OF_TIME)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._seconds_left):
                return await self._stations.look_up(need, request)
        except TimeoutError:
            return unanswered(need.fact, OUT_OF_TIME)
        finally:
            self._seconds_left -= loop.time() - began

    def _note(self, found: Found) -> None:
        notes = self.connection.lookup_notes
        if found.note and found.note not in notes:
            self.connection.lookup_notes = (*notes, found.note)
