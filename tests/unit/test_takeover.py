# SPDX-License-Identifier: MIT
"""The parts of `socketgate exec`; as a whole it is tests/integration/test_exec.py's."""

import contextlib
import os
import socket
from collections.abc import Iterator

import pytest

from socketgate.takeover import (
    NOT_PERMITTED,
    UNREACHABLE,
    WRONG,
    Stopped,
    answer,
    check_gate,
    main,
    parse_options,
    peer,
    receive_client,
)
from tests.support.forked import LARGEST_NUMBER, NOBODY, as_user
from tests.support.gatestub import block, channel, client_pair


def stopped_by(words: list[str]) -> Stopped:
    with pytest.raises(Stopped) as raised:
        parse_options(words)
    return raised.value


@pytest.mark.parametrize("words", [["--", "cat", "-n"], ["cat", "-n"]])
def test_the_program_begins_at_the_first_word_that_is_no_option(words: list[str]) -> None:
    options = parse_options(words)
    assert (options.command, options.is_stderr_client) == ([b"cat", b"-n"], False)


@pytest.mark.parametrize("words", [["--stderr=client"], ["--stderr", "client"]])
def test_an_options_value_may_be_a_word_of_its_own(words: list[str]) -> None:
    assert parse_options([*words, "--", "cat"]).is_stderr_client


def test_gates_may_run_as_any_of_the_users_named() -> None:
    options = parse_options(["--gate-user=a", "--gate-user", "b", "--", "cat"])
    assert options.gate_users == ["socketgate", "a", "b"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param([], "which program?", id="nothing"),
        pytest.param(["--"], "which program?", id="no-program"),
        pytest.param(["--stderr=x", "cat"], "don't know '--stderr=x' here", id="value"),
        pytest.param(["--gate-user"], "don't know '--gate-user' here", id="no-value"),
        pytest.param(["-v", "cat"], "don't know '-v' here", id="option"),
    ],
)
def test_a_wrong_command_line_is_named_with_the_usage(words: list[str], text: str) -> None:
    stopped = stopped_by(words)
    assert str(stopped).startswith(f"{text}\nusage: socketgate exec")
    assert stopped.code == WRONG


def test_help_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: socketgate exec")


def test_a_client_comes_with_its_lines() -> None:
    with channel() as (gate, backend), client_pair() as (near, far):
        gate.hand_over(7, far, "RULE=hosts.allow:1")
        fields, fd = receive_client(backend)
        with socket.socket(fileno=fd) as client:
            assert client.getpeername() == near.getsockname()
    assert dict(fields)[b"RULE"] == b"hosts.allow:1"


def test_a_client_is_not_inherited_by_accident() -> None:
    with channel() as (gate, backend), client_pair() as (_, far):
        gate.hand_over(7, far)
        _, fd = receive_client(backend)
        inheritable = os.get_inheritable(fd)
        os.close(fd)
    assert not inheritable


def test_a_gate_of_another_version_is_refused() -> None:
    with channel() as (gate, backend), client_pair() as (_, far):
        gate.send(block(7, far).replace(b"SOCKETGATE=1", b"SOCKETGATE=2"))
        with pytest.raises(Stopped) as raised:
            receive_client(backend)
        assert (raised.value.code, gate.answer()) == (WRONG, b"REFUSE=7\n")


def test_a_client_without_lines_is_refused() -> None:
    with channel() as (gate, backend), client_pair() as (_, far):
        socket.send_fds(gate.sock, [b"\n"], [far.fileno()])
        with pytest.raises(Stopped, match="not one client"):
            receive_client(backend)
        assert gate.answer() == b"REFUSE=0\n"


def test_lines_without_a_client_are_refused() -> None:
    with channel() as (gate, backend), client_pair() as (_, far):
        gate.send(block(7, far))
        with pytest.raises(Stopped, match="not one client"):
            receive_client(backend)
        assert gate.answer() == b"REFUSE=7\n"


def test_a_gate_that_closes_first_handed_nothing_over() -> None:
    with channel() as (gate, backend):
        gate.sock.close()
        with pytest.raises(Stopped) as raised:
            receive_client(backend)
    assert raised.value.code == UNREACHABLE


def test_a_gate_that_is_gone_can_not_be_told() -> None:
    with channel() as (gate, backend):
        told = answer(backend, b"ACK=1\n")
        gate.sock.close()
        assert (told, answer(backend, b"ACK=2\n")) == (True, False)


@contextlib.contextmanager
def connection_of(uid: int) -> Iterator[socket.socket]:
    """One that this user has made."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind("")  # the kernel finds an abstract name, unix(7)
        listening.listen()
        name = listening.getsockname()

        def connect() -> str:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
                sock.connect(name)
            return "connected"

        assert as_user(uid, connect) == "connected"
        with listening.accept()[0] as sock:
            yield sock


@pytest.mark.parametrize("uid", [NOBODY, LARGEST_NUMBER])
def test_the_gate_is_known_by_the_user_who_connected(uid: int) -> None:
    with connection_of(uid) as sock:
        assert peer(sock)[1] == uid


def test_our_own_user_may_be_the_gate() -> None:
    with channel() as (_, backend):
        check_gate(backend, [])


@pytest.mark.parametrize("users", [[], ["daemon"], ["no-such-user"]])
def test_another_user_may_not(users: list[str]) -> None:
    with connection_of(NOBODY) as sock, pytest.raises(Stopped) as raised:
        check_gate(sock, users)
    assert raised.value.code == NOT_PERMITTED


def test_unless_it_is_named() -> None:
    with connection_of(NOBODY) as sock:
        check_gate(sock, ["no-such-user", "nobody"])
