# SPDX-License-Identifier: MIT
import asyncio

import pytest

from socketgate.judge import AskedTwice, Judgement, judge, judge_by_known
from socketgate.lookup_values import Found
from socketgate.rules.request import Access, Fact, Need, Request
from socketgate.rules.verdict import Verdict
from tests.support.build import request, table

BY_NAME = table("sshd: .example.org\n", "ALL: ALL\n")
BY_NAME_AND_USER = table("sshd: .example.org\nsshd: root@ALL\n", "ALL: ALL\n")


class Answers:
    """Knows some facts at once, finds others out; keeps what it was asked."""

    def __init__(
        self, known: dict[Fact, Found] | None = None, found: dict[Fact, Found] | None = None
    ) -> None:
        self._known, self._found = known or {}, found or {}
        self.asked: list[str] = []

    def known(self, need: Need, _request: Request) -> Found | None:
        assert isinstance(need.fact, Fact)
        self.asked.append(f"known {need.fact.value}")
        return self._known.get(need.fact)

    async def look_up(self, need: Need, _request: Request) -> Found:
        assert isinstance(need.fact, Fact)
        await asyncio.sleep(0)
        self.asked.append(f"look up {need.fact.value}")
        return self._found[need.fact]


def named(name: bytes, note: str = "") -> dict[Fact, Found]:
    return {Fact.CLIENT_NAME: Found(name, note)}


def access_of(judgement: Judgement) -> Access:
    assert isinstance(judgement.answer, Verdict)
    return judgement.answer.access


def test_an_address_rule_asks_nothing() -> None:
    answers = Answers()
    rules = table("sshd: 192.0.2.7\n", "ALL: ALL\n")
    judgement = judge_by_known(rules, request(), answers.known)
    assert (access_of(judgement), answers.asked) == (Access.ALLOW, [])


def test_a_known_fact_needs_no_waiting() -> None:
    judgement = judge_by_known(BY_NAME, request(), Answers(named(b"a.example.org")).known)
    assert access_of(judgement) is Access.ALLOW


def test_a_fact_that_was_used_is_in_the_request() -> None:
    judgement = judge_by_known(BY_NAME, request(), Answers(named(b"a.example.org")).known)
    assert judgement.request.facts == {Fact.CLIENT_NAME: b"a.example.org"}


def test_a_fact_that_is_not_known_is_what_is_needed() -> None:
    judgement = judge_by_known(BY_NAME, request(), Answers().known)
    assert judgement.answer == Need(Fact.CLIENT_NAME)


def judged(answers: Answers) -> tuple[Verdict, Judgement]:
    """The whole way, waiting included."""
    judgement = judge_by_known(BY_NAME_AND_USER, request(), answers.known)
    return asyncio.run(judge(BY_NAME_AND_USER, judgement, answers.known, answers.look_up))


def test_what_is_found_out_decides() -> None:
    verdict, _ = judged(Answers(found=named(b"a.example.org")))
    assert verdict.access is Access.ALLOW


def test_each_fact_is_looked_up_once_and_no_sooner_than_needed() -> None:
    answers = Answers(known=named(b"a.example.net"), found={Fact.CLIENT_USER: Found(b"root")})
    judged(answers)
    assert answers.asked == ["known client name", "known client user", "look up client user"]


def test_a_known_fact_after_one_that_was_looked_up_needs_no_more_waiting() -> None:
    answers = Answers(known={Fact.CLIENT_USER: Found(b"root")}, found=named(b"a.example.net"))
    verdict, _ = judged(answers)
    assert (verdict.access, answers.asked) == (
        Access.ALLOW,
        ["known client name", "look up client name", "known client user"],
    )


def test_what_went_wrong_with_lookups_is_told_in_order() -> None:
    answers = Answers(
        known=named(b"unknown", "name: timed out"),
        found={Fact.CLIENT_USER: Found(b"unknown", "user: refused")},
    )
    verdict, judgement = judged(answers)
    assert (verdict.access, judgement.notes) == (
        Access.DENY,
        ("name: timed out", "user: refused"),
    )


def test_rules_that_ask_for_the_same_fact_again_are_stopped() -> None:
    need, found = Need(Fact.CLIENT_NAME), Found(b"a.example.org")
    told = Judgement(request(), need).learn(need, found)
    with pytest.raises(AskedTwice):
        told.learn(need, found)
