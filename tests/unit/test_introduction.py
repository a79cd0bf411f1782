# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest

from socketgate.identify import ServerAddresses
from socketgate.introduction import introduce
from socketgate.lane import Lane
from socketgate.rules.option import (
    Action,
    KeepAlive,
    Nice,
    RunAsGroup,
    RunAsUser,
    SetEnv,
    Severity,
    Umask,
)
from socketgate.rules.request import PARANOID, UNKNOWN, Access, Fact, RulePlace, TableName
from socketgate.rules.verdict import Verdict
from tests.support.build import request
from tests.support.clients import connected, listening, listening_locally


def introduced(
    verdict: Verdict | None, facts: dict[Fact, bytes] | None = None, *, local: Path | None = None
) -> list[str]:
    """The lines about a client; its ports as CLIENT and SERVER."""
    with (
        listening_locally(local) if local else listening("::") as listener,
        connected(listener) as (connection, client),
    ):
        connection.verdict = verdict
        for fact, value in (facts or {}).items():
            connection.request = (connection.request or request()).with_fact(fact, value)
        if not local:
            connection.server = ServerAddresses(listener).of(connection)
        text = introduce(connection)
        if verdict is not None:
            connection.lane = Lane(verdict, connection.server)
            assert [introduce(connection), introduce(connection)] == [text, text]
        if not local:
            text = text.replace(b"%d\n" % client.getsockname()[1], b"CLIENT\n")
            text = text.replace(b"%d\n" % client.getpeername()[1], b"SERVER\n")
    return text.decode().splitlines()


ENDS = [
    "REMOTE_ADDR=::1", "REMOTE_PORT=CLIENT", "DAEMON=sshd", "LOCAL_ADDR=::1", "LOCAL_PORT=SERVER",
]  # fmt: skip


def test_a_client_is_introduced_by_both_ends() -> None:
    assert introduced(Verdict(Access.ALLOW)) == ENDS


def test_the_rule_is_named_by_the_file_s_own_name() -> None:
    place = RulePlace(TableName.ALLOW, "/etc/hosts.allow", 12)
    assert introduced(Verdict(Access.ALLOW, place)) == [*ENDS, "RULE=hosts.allow:12"]


def test_name_and_user_are_told_when_they_are_known() -> None:
    facts = {Fact.CLIENT_NAME: b"a.example.org", Fact.CLIENT_USER: b"eve"}
    assert introduced(Verdict(Access.ALLOW), facts) == [
        *ENDS,
        "REMOTE_HOST=a.example.org",
        "REMOTE_USER=eve",
    ]


@pytest.mark.parametrize("name", [UNKNOWN, PARANOID])
def test_a_name_that_is_not_known_is_not_told(name: bytes) -> None:
    assert introduced(Verdict(Access.ALLOW), {Fact.CLIENT_NAME: name}) == ENDS


@pytest.mark.parametrize(
    ("action", "lines"),
    [
        pytest.param(SetEnv(b"A", b"b=c"), ["SETENV=A=b=c"], id="setenv"),
        pytest.param(Umask(0o22), ["UMASK=0022"], id="umask"),
        pytest.param(Nice(-5), ["NICE=-5"], id="nice"),
        pytest.param(RunAsUser(b"www", None), ["USER=www"], id="user"),
        pytest.param(RunAsUser(b"www", b"adm"), ["USER=www", "GROUP=adm"], id="user-and-group"),
        pytest.param(RunAsGroup(b"adm"), ["GROUP=adm"], id="group"),
        pytest.param(KeepAlive(), [], id="keepalive"),
        pytest.param(Severity(None, "info"), [], id="severity"),
    ],
)
def test_an_option_for_the_program_travels_with_the_client(
    action: Action, lines: list[str]
) -> None:
    assert introduced(Verdict(Access.ALLOW, actions=(action,))) == [*ENDS, *lines]


def test_a_variable_set_twice_is_told_twice_in_order() -> None:
    actions = (SetEnv(b"A", b"1"), SetEnv(b"A", b"2"))
    assert introduced(Verdict(Access.ALLOW, actions=actions))[-2:] == ["SETENV=A=1", "SETENV=A=2"]


def test_a_local_client_has_no_remote_end(tmp_path: Path) -> None:
    assert introduced(Verdict(Access.ALLOW), local=tmp_path) == ["DAEMON=sshd"]
