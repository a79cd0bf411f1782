# SPDX-License-Identifier: MIT
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from socketgate.accept import Connection
from socketgate.act import CannotAct, RunCommand, run_nothing
from socketgate.command_message import Ended
from socketgate.commands import Wanted
from socketgate.config import Limits, RulesConfig
from socketgate.hearing import Hearing, so_far
from socketgate.identify import build_request
from socketgate.judge import judge_by_known
from socketgate.lookup_values import Found, Shares
from socketgate.reload import RulesInForce
from socketgate.rules.option import Banners, Severity, Spawn
from socketgate.rules.request import (
    UNKNOWN,
    Access,
    CommandStatus,
    Fact,
    Lookup,
    Need,
    Request,
    RulePlace,
    TableName,
)
from socketgate.rules.verdict import Verdict
from socketgate.stations import Stations
from tests.support.clients import connected, listening
from tests.support.waiting import Calls, Happenings, play

LookUp = Callable[[Need, Request], Awaitable[Found]]


class Answers:
    """What stands for the lookups; keeps what it was asked."""

    def __init__(self, answers: dict[Lookup, Found]) -> None:
        self._answers = answers
        self.asked: list[Lookup] = []

    async def look_up(self, need: Need, _request: Request) -> Found:
        self.asked.append(need.fact)
        return self._answers[need.fact]


async def never(_need: Need, _request: Request) -> Found:
    await asyncio.Event().wait()
    return Found(b"never")


class Heard:
    """A client who was heard, by these rules of hosts.deny: what has become known of it."""

    def __init__(
        self,
        folder: Path,
        deny: str,
        look_up: LookUp,
        *,
        run_command: RunCommand = run_nothing,
        seconds: float = 30,
    ) -> None:
        self.verdict: Verdict | None = None
        self.trouble = ""
        self.said = Happenings[str]()
        (folder / "hosts.deny").write_text(deny)
        with listening() as listener, connected(listener) as (self.connection, _):
            play(self._hear(folder, look_up, run_command, seconds))

    async def _hear(
        self, folder: Path, look_up: LookUp, run_command: RunCommand, seconds: float
    ) -> None:
        rules = RulesInForce(
            RulesConfig(allow=folder / "hosts.allow", deny=folder / "hosts.deny"),
            None,
            on_change=Calls(),
            on_settled=Calls(),
        )
        stations = stations_with(rules, look_up, run_command)
        hearing = Hearing(self.connection, stations, self.said)
        hearing._seconds_left = seconds
        first = judge_by_known(rules.table, build_request(self.connection), knows_nothing)
        try:
            self.verdict = await hearing.judge(rules.table, first)
            await hearing.carry_out(self.verdict.actions)
        except CannotAct as error:
            self.trouble = str(error)
        await rules.close()

    @property
    def notes(self) -> tuple[str, ...]:
        return self.connection.lookup_notes


def knows_nothing(_need: Need, _request: Request) -> Found | None:
    return None


def stations_with(rules: RulesInForce, look_up: LookUp, run_command: RunCommand) -> Stations:
    return Stations(
        rules=rules,
        look_for_changes=Calls(),
        known=knows_nothing,
        look_up=look_up,
        deciding=Shares(10, 10),
        limits=Limits(),
        run_command=run_command,
    )


NAMED = Answers({Fact.CLIENT_NAME: Found(b"a.example.org", "name: odd")}).look_up


def test_what_was_looked_up_decides_and_is_kept(tmp_path: Path) -> None:
    heard = Heard(tmp_path, "ALL: .example.org\n", NAMED)
    assert heard.verdict is not None
    assert heard.verdict.access is Access.DENY
    assert heard.connection.request is not None
    assert heard.connection.request.facts == {Fact.CLIENT_NAME: b"a.example.org"}


def refused_by_a_spawn(folder: Path) -> Connection:
    """A command fails while the rules still want to know something."""
    rule = "ALL: .example.org: severity auth.err: spawn /bin/x: rfc931\n"
    heard = Heard(folder, f"# first\n{rule}", NAMED)
    assert heard.trouble == "spawn: there is no command runner"
    return heard.connection


def test_until_there_is_a_verdict_a_client_is_denied_by_the_rule_that_asks(tmp_path: Path) -> None:
    place = RulePlace(TableName.DENY, str(tmp_path / "hosts.deny"), 2)
    assert refused_by_a_spawn(tmp_path).verdict == Verdict(
        Access.DENY, place, (Severity("auth", "err"), Spawn(b"/bin/x"))
    )


def test_what_was_learned_before_a_verdict_is_kept(tmp_path: Path) -> None:
    connection = refused_by_a_spawn(tmp_path)
    assert connection.request is not None
    assert connection.request.facts[Fact.CLIENT_NAME] == b"a.example.org"
    assert connection.lookup_notes == ("name: odd",)


def test_while_no_rule_has_matched_none_has_denied() -> None:
    assert so_far(Need(Fact.CLIENT_NAME)) == Verdict(Access.DENY)


@pytest.mark.parametrize("seconds", [0.01, 0], ids=["too-slow", "no-time-left"])
def test_past_the_connections_time_the_name_is_unknown(tmp_path: Path, seconds: float) -> None:
    heard = Heard(tmp_path, "ALL: UNKNOWN: deny\n", never, seconds=seconds)
    assert heard.verdict is not None
    assert heard.verdict.access is Access.DENY
    assert heard.connection.request is not None
    assert heard.connection.request.facts == {Fact.CLIENT_NAME: UNKNOWN}
    assert heard.notes == ("name: decide-seconds are over",)


def test_what_earlier_lookups_took_is_missing_for_later_ones(tmp_path: Path) -> None:
    heard = Heard(tmp_path, "ALL: UNKNOWN: rfc931 60\n", never, seconds=0.01)
    assert heard.notes == ("name: decide-seconds are over", "user: decide-seconds are over")


def test_a_command_takes_its_own_time(tmp_path: Path) -> None:
    answers = Answers({CommandStatus(b"/bin/x"): Found(0)})
    heard = Heard(tmp_path, "ALL: ALL: aclexec /bin/x\n", answers.look_up, seconds=0)
    assert heard.verdict is not None
    assert heard.notes == ()


def banner_for(folder: Path, text: str) -> Banners:
    (folder / "sshd").write_text(text)
    return Banners(bytes(folder))


def test_a_banner_and_the_rules_ask_for_a_user_once(tmp_path: Path) -> None:
    banner_for(tmp_path, "hello %u\n")
    answers = Answers({Fact.CLIENT_USER: Found(b"bob", "user: odd")})
    heard = Heard(tmp_path, f"ALL: ALL: banners {tmp_path}: rfc931\n", answers.look_up)
    assert (answers.asked, heard.notes) == ([Fact.CLIENT_USER], ("user: odd",))


def test_what_went_wrong_with_a_banners_lookup_is_noted(tmp_path: Path) -> None:
    banner_for(tmp_path, "hello %u\n")
    heard = Heard(tmp_path, f"ALL: ALL: banners {tmp_path}\n", never, seconds=0)
    assert heard.notes == ("user: decide-seconds are over",)


def test_what_was_done_for_a_need_is_not_done_again_for_the_verdict(tmp_path: Path) -> None:
    given: list[bytes] = []

    async def run(wanted: Wanted) -> Ended:
        given.append(wanted.command)
        return Ended(0, "")

    answers = Answers({Fact.CLIENT_USER: Found(b"bob")})
    rule = "ALL: ALL: spawn /bin/a: rfc931: spawn /bin/b\n"
    Heard(tmp_path, rule, answers.look_up, run_command=run)
    assert given == [b"/bin/a", b"/bin/b"]


def test_a_banner_that_is_missing_is_said_though_a_later_option_refuses(tmp_path: Path) -> None:
    heard = Heard(tmp_path, f"ALL: ALL: banners {tmp_path}/none: spawn /bin/x\n", NAMED)
    assert heard.said.seen == [f"banners: {tmp_path}/none: No such file or directory"]
    assert heard.trouble == "spawn: there is no command runner"
