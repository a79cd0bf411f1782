# SPDX-License-Identifier: MIT
"""Ask the rules, find out what they need, ask again: the one way to a verdict."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from socketgate.lookup_values import Found
from socketgate.rules.decide import decide
from socketgate.rules.request import Need, Request
from socketgate.rules.table import RuleTable
from socketgate.rules.verdict import Verdict

#: Says a fact if it is known without asking anybody.
Known = Callable[[Need, Request], Found | None]
#: Finds out one fact. Never raises, never hangs; see socketgate.lookups.
LookUp = Callable[[Need, Request], Awaitable[Found]]


class AskedTwice(Exception):
    """The rules wanted a fact they had been told: a mistake of ours."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The rules' answer, the request with all that was found out for it, and what went wrong."""

    request: Request
    answer: Verdict | Need
    notes: tuple[str, ...] = ()

    def learn(self, need: Need, found: Found) -> "Judgement":
        """One fact richer; raises AskedTwice rather than ask for ever."""
        if need.fact in self.request.facts:
            raise AskedTwice(str(need.fact))
        request = self.request.with_fact(need.fact, found.answer)
        notes = (*self.notes, found.note) if found.note else self.notes
        return replace(self, request=request, notes=notes)


def judge_by_known(table: RuleTable, request: Request, known: Known) -> Judgement:
    """The verdict if what is known allows one, else what must be looked up first."""
    return _go_on(table, Judgement(request, decide(table, request)), known)


async def judge(
    table: RuleTable, judgement: Judgement, known: Known, look_up: LookUp
) -> tuple[Verdict, Judgement]:
    """The verdict, whatever must be looked up for it; goes on where `judge_by_known` ended."""
    while not isinstance(need := judgement.answer, Verdict):
        found = await look_up(need, judgement.request)
        learned = judgement.learn(need, found)
        answered = replace(learned, answer=decide(table, learned.request))
        judgement = _go_on(table, answered, known)
    return need, judgement


def _go_on(table: RuleTable, judgement: Judgement, known: Known) -> Judgement:
    while isinstance(need := judgement.answer, Need):
        found = known(need, judgement.request)
        if found is None:
            return judgement
        learned = judgement.learn(need, found)
        judgement = replace(learned, answer=decide(table, learned.request))
    return judgement
