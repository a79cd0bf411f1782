# SPDX-License-Identifier: MIT
"""The kernel is short of descriptors or memory: clients wait, and are served when that is over.

The errors are the kernel's answers to the running gate's real calls; strace(1) has it give them.
"""

import contextlib
import errno
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from socketgate.accept import SHORT_OF
from socketgate.backend import Listener
from tests.fault.injected import answered
from tests.support.running import RunningGate, listening

WAIT_SECONDS = 20.0
DENY_ALL = "ALL: ALL\n"
CLIENTS = 20


def errors(*numbers: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("error", numbers, ids=lambda number: errno.errorcode[number])


@pytest.fixture
def port() -> Iterator[socket.socket]:
    with listening() as sock:
        yield sock


def gate_in(
    folder: Path, port: socket.socket, deny: str = "", *, limits: str = "", settings: str = ""
) -> RunningGate:
    """`limits` and `settings` are lines of [limits] and of [daemon.test]."""
    backend = f'backend = "{folder}/backend.sock"'
    settings = f"[limits]\n{limits}\n[daemon.test]\n{backend}\n{settings}\n"
    return RunningGate(folder, [("test", port)], deny=deny, settings=settings)


@contextlib.contextmanager
def clients(port: socket.socket, count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(port.getsockname(), WAIT_SECONDS))
            for _ in range(count)
        ]


@contextlib.contextmanager
def greeting(path: Path, count: int) -> Iterator[None]:
    """A backend that says hello to so many."""

    def greet() -> None:
        for _ in range(count):
            with backend.accept()[0] as client:
                client.sendall(b"hello")

    with Listener(path) as backend:
        backend.settimeout(WAIT_SECONDS)
        thread = threading.Thread(target=greet)
        thread.start()
        try:
            yield
        finally:
            thread.join()


def assert_settled(gate: RunningGate) -> None:
    """Everything that came so far has been looked at: a hangup is answered in its turn."""
    gate.signal(signal.SIGHUP)
    gate.wait_for("RELOADING")
    gate.wait_for("READY")


def socket_count(gate: RunningGate) -> int:
    return sum(one.startswith("socket:") for one in gate.descriptors)


def assert_greeted(waiting: list[socket.socket]) -> None:
    assert [client.recv(5, socket.MSG_WAITALL) for client in waiting] == [b"hello"] * len(waiting)


@errors(errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
def test_who_can_t_be_accepted_waits_in_the_kernel_s_queue(
    tmp_path: Path, port: socket.socket, error: int
) -> None:
    why = f"{os.strerror(error)} ({SHORT_OF[error]})"
    text = f"test: accept: {why}; clients wait in the kernel's queue"
    with gate_in(tmp_path, port, DENY_ALL) as gate:
        with answered(gate.pid, "accept4", error), clients(port, CLIENTS) as waiting:
            gate.wait_entries(1, MESSAGE=text)
            waiting[0].settimeout(0)
            with pytest.raises(BlockingIOError):
                waiting[0].recv(1)
        gate.wait_entries(CLIENTS, SOCKETGATE_OUTCOME="refused")
        assert len(gate.wait_entries(1, MESSAGE=text)) == 1


@errors(errno.ENOSPC, errno.ENOMEM)
def test_a_listener_that_can_t_be_watched_is_tried_again(
    tmp_path: Path, port: socket.socket, error: int
) -> None:
    """Of the gate's calls the first is for the backend, the next for the listener again."""
    text = f"test: epoll_ctl: {os.strerror(error)}; clients wait in the kernel's queue"
    with (
        gate_in(tmp_path, port, limits="held-connections = 1") as gate,
        clients(port, 1) as first,
        contextlib.ExitStack() as stack,
    ):
        assert_settled(gate)
        with answered(gate.pid, "epoll_ctl", error, when="2+"):
            stack.enter_context(greeting(tmp_path / "backend.sock", 2))
            assert_greeted(first)
            gate.wait_entries(1, MESSAGE=text)
            second = stack.enter_context(clients(port, 1))
        assert_greeted(second)


@errors(errno.ENOSPC, errno.ENOMEM)
def test_a_command_runner_that_can_t_be_watched_is_out_of_reach(
    tmp_path: Path, port: socket.socket, error: int
) -> None:
    reason = f"epoll_ctl: {os.strerror(error)}"
    settings = f'[commands]\nsocket = "{tmp_path}/command.sock"'
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as runner,
        gate_in(tmp_path, port, "ALL: ALL: spawn true\n", settings=settings) as gate,
        contextlib.ExitStack() as stack,
    ):
        runner.bind(f"{tmp_path}/command.sock")
        runner.listen()
        assert_settled(gate)  # from here on it watches its listener
        stack.enter_context(answered(gate.pid, "epoll_ctl", error, when="1"))
        [client] = stack.enter_context(clients(port, 1))
        assert client.recv(1) == b""
        [entry] = gate.wait_entries(1, SOCKETGATE_OUTCOME="refused")
        assert entry["SOCKETGATE_LOOKUP"].endswith(f"the command runner can't be reached: {reason}")


@errors(errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.EPERM)
def test_a_client_s_own_error_holds_up_no_other(
    tmp_path: Path, port: socket.socket, error: int
) -> None:
    with (
        gate_in(tmp_path, port, DENY_ALL) as gate,
        answered(gate.pid, "accept4", error, when="1"),
        clients(port, 2) as found,
    ):
        assert [client.recv(1) for client in found] == [b"", b""]


@errors(errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS)
def test_who_can_t_be_sent_to_the_backend_waits(
    tmp_path: Path, port: socket.socket, error: int
) -> None:
    with (
        gate_in(tmp_path, port) as gate,
        greeting(tmp_path / "backend.sock", CLIENTS),
        contextlib.ExitStack() as stack,
    ):
        with answered(gate.pid, "sendmsg", error):
            waiting = stack.enter_context(clients(port, CLIENTS))
            assert_settled(gate)
        assert_greeted(waiting)
        gate.wait_entries(CLIENTS, SOCKETGATE_OUTCOME="handed-over")


@pytest.mark.parametrize("mode", ["channel", "connection"])
def test_a_client_whose_message_is_too_long_for_the_kernel_costs_no_other(
    tmp_path: Path, port: socket.socket, mode: str
) -> None:
    with (
        gate_in(tmp_path, port, settings=f'handoff = "{mode}"') as gate,
        greeting(tmp_path / "backend.sock", 1),
    ):
        before = socket_count(gate)
        with answered(gate.pid, "sendmsg", errno.EMSGSIZE, when="1"), clients(port, 1) as denied:
            assert denied[0].recv(1) == b""
        with clients(port, 1) as served:
            assert_greeted(served)
        gate.wait_entries(1, SOCKETGATE_OUTCOME="error")
        gate.wait_entries(1, SOCKETGATE_OUTCOME="handed-over")
        assert socket_count(gate) <= before + (mode == "channel")


@errors(errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
def test_a_backend_that_can_t_be_connected_to_is_tried_again(
    tmp_path: Path, port: socket.socket, error: int
) -> None:
    text = f"test: {tmp_path}/backend.sock: {os.strerror(error)}, trying again"
    with (
        gate_in(tmp_path, port) as gate,
        greeting(tmp_path / "backend.sock", CLIENTS),
        contextlib.ExitStack() as stack,
    ):
        with answered(gate.pid, "socket", error):
            waiting = stack.enter_context(clients(port, CLIENTS))
            gate.wait_entries(1, MESSAGE=text)
        assert_greeted(waiting)


@errors(errno.ENOBUFS, errno.ENOMEM)
def test_entries_that_can_t_be_sent_are_written_later(
    tmp_path: Path, port: socket.socket, error: int
) -> None:
    with gate_in(tmp_path, port, DENY_ALL) as gate:
        with answered(gate.pid, "sendto", error), clients(port, CLIENTS) as found:
            assert [client.recv(1) for client in found] == [b""] * CLIENTS
        gate.wait_entries(CLIENTS, SOCKETGATE_OUTCOME="refused")
