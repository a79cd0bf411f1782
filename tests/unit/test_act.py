# SPDX-License-Identifier: MIT
import asyncio
import os
import socket
import struct
import threading
from pathlib import Path

import pytest

from socketgate.accept import Connection
from socketgate.act import CannotAct, Errand, close_apart, needs_errand, set_socket_options
from socketgate.banner import BannerFiles
from socketgate.command_message import Ended
from socketgate.commands import Wanted
from socketgate.rules.keyword import CommandKind
from socketgate.rules.option import (
    Action,
    Banners,
    KeepAlive,
    Linger,
    Nice,
    RunAsUser,
    SetEnv,
    Spawn,
    Twist,
    Umask,
)
from socketgate.rules.request import Access, Need, Request
from socketgate.rules.verdict import Verdict
from tests.support.build import request
from tests.support.clients import connected, listening, listening_locally
from tests.support.waiting import PATIENCE_SECONDS

ENDED_WELL = Ended(0, "")


def option_of(connection: Connection, option: int, size: int) -> bytes:
    with socket.socket(fileno=os.dup(connection.fd)) as sock:
        return sock.getsockopt(socket.SOL_SOCKET, option, size)


def after(*actions: Action, option: int, size: int) -> tuple[list[str], bytes]:
    """What the kernel refused, and what the socket has afterwards."""
    with listening() as listener, connected(listener) as (connection, _):
        connection.verdict = Verdict(Access.ALLOW, actions=actions)
        troubles = set_socket_options(connection)
        return troubles, option_of(connection, option, size)


def test_keepalive_is_set() -> None:
    assert after(KeepAlive(), option=socket.SO_KEEPALIVE, size=4) == ([], struct.pack("i", 1))


def test_without_it_keepalive_is_off() -> None:
    assert after(Umask(0o22), option=socket.SO_KEEPALIVE, size=4) == ([], struct.pack("i", 0))


def test_linger_is_set_with_its_seconds() -> None:
    assert after(Linger(5), option=socket.SO_LINGER, size=8) == ([], struct.pack("ii", 1, 5))


def test_the_last_of_several_options_holds() -> None:
    _, value = after(Linger(5), KeepAlive(), Linger(7), option=socket.SO_LINGER, size=8)
    assert value == struct.pack("ii", 1, 7)


def test_a_connection_without_a_verdict_is_left_alone() -> None:
    with listening() as listener, connected(listener) as (connection, _):
        assert set_socket_options(connection) == []


def test_a_local_connection_takes_them_too(tmp_path: Path) -> None:
    with listening_locally(tmp_path) as listener, connected(listener) as (connection, _):
        connection.verdict = Verdict(Access.ALLOW, actions=(KeepAlive(),))
        assert set_socket_options(connection) == []


def test_a_refused_client_does_not_hold_up_the_close() -> None:
    with listening() as listener, connected(listener) as (connection, _):
        connection.verdict = Verdict(Access.DENY, actions=(Linger(5),))
        set_socket_options(connection)
        assert option_of(connection, socket.SO_LINGER, 8) == struct.pack("ii", 0, 0)


def test_a_twist_s_client_lingers_though_the_verdict_is_deny() -> None:
    with listening() as listener, connected(listener) as (connection, _):
        connection.verdict = Verdict(Access.DENY, actions=(Linger(5), Twist(b"x")))
        set_socket_options(connection)
        assert option_of(connection, socket.SO_LINGER, 8) == struct.pack("ii", 1, 5)


def test_a_refused_client_can_be_reset_by_linger_0() -> None:
    with listening() as listener, connected(listener) as (connection, _):
        connection.verdict = Verdict(Access.DENY, actions=(Linger(0),))
        set_socket_options(connection)
        assert option_of(connection, socket.SO_LINGER, 8) == struct.pack("ii", 1, 0)


@pytest.mark.parametrize("actions", [(), (Linger(0),), (Linger(5),)], ids=["none", "0", "5"])
def test_however_it_lingers_our_copy_is_closed_and_the_client_sees_the_end(
    actions: tuple[Action, ...],
) -> None:
    with listening() as listener, connected(listener) as (connection, client):
        connection.verdict = Verdict(Access.ALLOW, actions=actions)
        close_apart(connection)
        assert (connection.fd, client.recv(1)) == (-1, b"")
        for thread in threading.enumerate():
            if thread.name == "linger":
                thread.join(PATIENCE_SECONDS)


def test_without_a_thread_for_it_a_client_that_lingers_is_closed_at_once() -> None:
    """A thread would ask for a stack that no address space has room for."""
    with listening() as listener, connected(listener) as (connection, client):
        connection.verdict = Verdict(Access.ALLOW, actions=(Linger(5),))
        threading.stack_size(2**47)
        try:
            close_apart(connection)
        finally:
            threading.stack_size(0)
        assert (connection.fd, client.recv(1)) == (-1, b"")


def test_a_connection_that_is_closed_is_not_closed_again() -> None:
    with listening() as listener, connected(listener) as (connection, _):
        connection.verdict = Verdict(Access.ALLOW, actions=(Linger(5),))
        connection.close()
        close_apart(connection)


@pytest.mark.parametrize(
    ("actions", "waits"),
    [
        ((), False),
        ((KeepAlive(), Linger(5), Umask(0o22)), False),
        ((Spawn(b"x"),), True),
        ((KeepAlive(), Twist(b"x")), True),
        ((Banners(b"/x"),), True),
    ],
)
def test_only_what_must_be_waited_for_is_an_errand(
    actions: tuple[Action, ...], waits: bool
) -> None:
    assert needs_errand(actions) is waits


class Runner:
    """Keeps which commands it was given; each ends as it is told."""

    def __init__(self, ended: Ended = ENDED_WELL) -> None:
        self.given: list[Wanted] = []
        self._ended = ended

    async def __call__(self, wanted: Wanted) -> Ended:
        self.given.append(wanted)
        return self._ended


async def learn_nothing(_need: Need, request: Request) -> Request:
    """Banners of these tests ask for nothing that must be looked up."""
    return request


class Sent:
    """One errand's end: what it found, and what the client was sent."""

    def __init__(self, runner: Runner, *rounds: tuple[Action, ...]) -> None:
        with listening() as listener, connected(listener) as (connection, client):
            self.errand = Errand(connection, runner, BannerFiles(), learn_nothing)
            self.client_fd = connection.fd
            for actions in rounds:
                asyncio.run(self.errand.carry_out(actions, request()))
            connection.close()
            self.text = client.recv(1 << 16)
            self.was_told = connection.was_told


def test_commands_are_run_in_the_rule_s_order() -> None:
    runner = Runner()
    sent = Sent(runner, (Spawn(b"a"), KeepAlive(), Spawn(b"b"), Twist(b"c")))
    assert [(one.kind, one.command, one.client) for one in runner.given] == [
        (CommandKind.SPAWN, b"a", None),
        (CommandKind.SPAWN, b"b", None),
        (CommandKind.TWIST, b"c", sent.client_fd),
    ]


def test_what_was_done_is_not_done_again_when_the_rules_say_more() -> None:
    runner = Runner()
    Sent(runner, (Spawn(b"a"),), (Spawn(b"a"), Spawn(b"b")), (Spawn(b"a"), Spawn(b"b")))
    assert [one.command for one in runner.given] == [b"a", b"b"]


def test_a_command_has_what_options_before_it_set() -> None:
    """And not what comes later in the rule; in rounds as in one go."""
    first, second, third = SetEnv(b"A", b"1"), Umask(0o27), Nice(3)
    runner = Runner()
    earlier = (first, Spawn(b"a"), second)
    Sent(runner, earlier, (*earlier, RunAsUser(b"x", None), third, Twist(b"b")))
    assert [one.inherited for one in runner.given] == [(first,), (first, second, third)]


def test_a_command_is_run_for_the_client_s_address() -> None:
    runner = Runner()
    Sent(runner, (Spawn(b"a"),))
    assert [one.address for one in runner.given] == [b"127.0.0.1"]


def test_a_twisted_client_is_the_command_s() -> None:
    assert Sent(Runner(), (Twist(b"x"),)).errand.is_twisted


def test_a_command_s_own_failure_costs_the_client_nothing() -> None:
    assert Sent(Runner(Ended(1, "")), (Spawn(b"false"),)).errand.troubles == []


def test_a_command_that_the_shell_cannot_find_is_worth_a_word() -> None:
    sent = Sent(Runner(Ended(127)), (Spawn(b"no-such"),))
    assert sent.errand.troubles == ["spawn: exit status 127 (not found)"]


def test_a_command_that_could_not_be_run_refuses() -> None:
    with pytest.raises(CannotAct, match=r"^spawn: no such luck$"):
        Sent(Runner(Ended(None, "no such luck")), (Spawn(b"x"),))


def test_a_banner_is_sent(tmp_path: Path) -> None:
    (tmp_path / "sshd").write_text("hello %a\n")
    sent = Sent(Runner(), (Banners(bytes(tmp_path)),))
    assert (sent.text, sent.was_told) == (b"hello 192.0.2.7\r\n", True)


def test_no_banner_for_this_daemon_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "ftpd").write_text("hello\n")
    sent = Sent(Runner(), (Banners(bytes(tmp_path)),))
    assert (sent.text, sent.was_told, sent.errand.troubles) == (b"", False, [])


def test_a_folder_of_banners_that_is_not_there_is_worth_a_word(tmp_path: Path) -> None:
    sent = Sent(Runner(), (Banners(bytes(tmp_path / "none")),))
    assert sent.errand.troubles == [f"banners: {tmp_path}/none: No such file or directory"]
