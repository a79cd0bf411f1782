# SPDX-License-Identifier: MIT
"""Ask the rules, find out what they need, ask again: the one way to a verdict."""

from collections.abc import Awaitable, Callable

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


def judge_by_known(
    table: RuleTable, request: Request, known: Known
) -> tuple[Request, Verdict | Need]:
    """The verdict as far as what is known allows one, else what must be looked up first."""
    while True:
        answer = decide(table, request)
        if isinstance(answer, Verdict):
            return request, answer
        found = known(answer, request)
        if found is None:
            return request, answer
        request = learn(request, answer, found)


async def judge(
    table: RuleTable, request: Request, known: Known, look_up: LookUp
) -> tuple[Request, Verdict, tuple[str, ...]]:
    """The verdict, whatever must be looked up for it.

    And what went wrong with lookups on the way.
    """
    notes: list[str] = []
    while True:
        request, answer = judge_by_known(table, request, known)
        if isinstance(answer, Verdict):
            return request, answer, tuple(notes)
        found = await look_up(answer, request)
        if found.note:
            notes.append(found.note)
        request = learn(request, answer, found)


def learn(request: Request, need: Need, found: Found) -> Request:
    """The request with the fact that was needed; raises AskedTwice rather than ask for ever."""
    if need.fact in request.facts:
        raise AskedTwice(str(need.fact))
    return request.with_fact(need.fact, found.answer)
