# SPDX-License-Identifier: MIT
"""Backends that die, stall, lie or aren't there: no client is lost that wasn't taken over."""

import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.backendstub import BackendStub, Peer
from tests.support.child import Child
from tests.support.running import PROJECT, RunningGate, listening

WAIT_SECONDS = 20.0

#: A backend of its own process: says hello, one client after the other.
GREETER = """\
import subprocess
import sys
from socketgate.backend import Listener
with Listener(sys.argv[1]) as listener:
    print("ready", flush=True)
    while True:
        client, _ = listener.accept()
        with client:
            client.sendall(b"hello")
"""

#: Answers of a backend, as long as they may be and without end.
TALKER = """\
import os, sys
answers = b"BATCH=1\\n" * 8000
for number in range(1_000_000):
    os.write(1, answers)
    if number == 100:
        print("began", file=sys.stderr, flush=True)
"""


def settings(folder: Path, *names: str, limits: str = "") -> str:
    paths = ", ".join(f'"{folder}/{name}"' for name in names or ("backend.sock",))
    return f"[limits]\n{limits}\n[daemon.test]\nbackend = [{paths}]\n"


@pytest.fixture
def port() -> Iterator[socket.socket]:
    with listening() as sock:
        yield sock


@contextlib.contextmanager
def clients(port: socket.socket, count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(port.getsockname(), WAIT_SECONDS))
            for _ in range(count)
        ]


def serve(peer: Peer, count: int) -> None:
    """Take over so many, and let each see the end."""
    left = count
    while left:
        for client in peer.take():
            peer.answer(f"ACK={client.id}")
            client.sock.close()
            left -= 1


def serve_one(peer: Peer) -> tuple[str, int]:
    """Take over the next; the answer is its address."""
    (client,) = peer.take()
    peer.answer(f"ACK={client.id}")
    address: tuple[str, int] = client.sock.getpeername()
    return address


def assert_all_see_the_end(found: list[socket.socket]) -> None:
    assert [client.recv(1) for client in found] == [b""] * len(found)


@contextlib.contextmanager
def greeter(path: Path) -> Iterator[Child]:
    with tempfile.TemporaryFile() as output:
        env = {"PYTHONPATH": str(PROJECT)}
        child = Child([sys.executable, "-c", GREETER, str(path)], [], env, output)
        try:
            deadline = time.monotonic() + WAIT_SECONDS
            while not path.exists():
                assert time.monotonic() < deadline, "the backend did not start"
            yield child
        finally:
            child.close()
            path.unlink(missing_ok=True)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"\x00\xff\xfe nonsense \x80", id="binary-noise"),
        pytest.param(b"ACK=999999\n", id="acknowledges-what-it-never-got"),
        pytest.param(b"REFUSE=999999\n", id="refuses-what-it-never-got"),
        pytest.param(b"BATCH=0\n", id="wants-no-clients-at-a-time"),
        pytest.param(b"BATCH=99999\n", id="wants-too-many-at-a-time"),
        pytest.param(b"A" * 60_000, id="talks-too-much"),
    ],
)
def test_a_backend_that_answers_nonsense_costs_no_client(
    tmp_path: Path, port: socket.socket, answer: bytes
) -> None:
    with (
        BackendStub(tmp_path / "backend.sock") as backend,
        RunningGate(tmp_path, [("test", port)], settings=settings(tmp_path)) as gate,
        clients(port, 3) as waiting,
    ):
        with backend.accept() as peer:
            peer.take()
            peer.answer(answer)
            while not peer.is_closed():  # what else was under way to it
                pass
        with backend.accept() as peer:
            serve(peer, 3)
            assert_all_see_the_end(waiting)
            gate.wait_entries(3, SOCKETGATE_OUTCOME="handed-over")


def test_a_backend_that_never_stops_talking_holds_up_nobody(
    tmp_path: Path, port: socket.socket
) -> None:
    with (
        BackendStub(tmp_path / "backend.sock") as backend,
        RunningGate(
            tmp_path, [("test", port)], deny="ALL: 127.0.0.9\n", settings=settings(tmp_path)
        ) as gate,
        clients(port, 1),
    ):
        with backend.accept() as peer:
            peer.take()
            with talking(peer.sock):
                for _ in range(10):
                    assert is_refused(port, "127.0.0.9")
        with backend.accept() as peer:
            serve(peer, 1)
            gate.wait_entries(1, SOCKETGATE_OUTCOME="handed-over")


@contextlib.contextmanager
def talking(sock: socket.socket) -> Iterator[None]:
    """A process writes there, faster than anybody reads."""
    sock.setblocking(True)
    words = [sys.executable, "-c", TALKER]
    with subprocess.Popen(words, stdout=sock.fileno(), stderr=subprocess.PIPE) as talker:
        try:
            assert talker.stderr is not None
            assert talker.stderr.readline() == b"began\n"
            yield
        finally:
            talker.kill()
            talker.communicate()


def is_refused(port: socket.socket, address: str) -> bool:
    """Whether a client from there sees the end."""
    with socket.create_connection(port.getsockname(), WAIT_SECONDS, (address, 0)) as client:
        return client.recv(1) == b""


def test_a_backend_that_dies_with_clients_leaves_them_to_the_next(
    tmp_path: Path, port: socket.socket
) -> None:
    limits = settings(tmp_path)
    with (
        RunningGate(tmp_path, [("test", port)], settings=limits) as gate,
        clients(port, 20) as waiting,
    ):
        for _ in range(3):
            with BackendStub(tmp_path / "backend.sock") as backend, backend.accept() as peer:
                peer.take()
        with BackendStub(tmp_path / "backend.sock") as backend, backend.accept() as peer:
            serve(peer, 20)
            assert_all_see_the_end(waiting)
            gate.wait_entries(20, SOCKETGATE_OUTCOME="handed-over")


def test_a_backend_that_dies_in_the_middle_of_a_message_has_whom_it_took(
    tmp_path: Path, port: socket.socket
) -> None:
    """It gets a message of several clients, takes some over, and is gone."""
    with (
        BackendStub(tmp_path / "backend.sock") as first,
        RunningGate(tmp_path, [("test", port)], settings=settings(tmp_path)) as gate,
        clients(port, 1),
        first.accept() as peer,
    ):
        peer.answer("BATCH=16")
        serve(peer, 1)
        gate.wait_entries(1, SOCKETGATE_OUTCOME="handed-over")
        gate.signal(signal.SIGSTOP)
        with clients(port, 16) as waiting:
            gate.signal(signal.SIGCONT)
            message = peer.take()
            peer.answer(f"ACK={message[5].id}")
            served = [client.sock.getpeername() for client in message[:6]]
            peer.close()
            with first.accept() as second:
                served += [serve_one(second) for _ in range(10)]
            assert sorted(served) == sorted(client.getsockname() for client in waiting)


def socket_count(gate: RunningGate) -> int:
    """A thread that keeps a copy of the rules has files open at any time, but no socket."""
    return sum(text.startswith("socket:") for text in gate.descriptors)


def test_a_stopped_backend_serves_everybody_once_it_goes_on(
    tmp_path: Path, port: socket.socket
) -> None:
    """More clients than the gate holds: the others wait in the kernel's queue."""
    limits = settings(tmp_path, limits="held-connections = 16")
    with (
        greeter(tmp_path / "backend.sock") as backend,
        RunningGate(tmp_path, [("test", port)], settings=limits) as gate,
    ):
        backend.signal(signal.SIGSTOP)
        before = socket_count(gate)
        with clients(port, 200) as waiting:
            waiting[0].settimeout(0)
            gate.signal(signal.SIGHUP)
            gate.wait_for("RELOADING")
            gate.wait_for("READY")
            assert socket_count(gate) <= before + 16 + 1
            with pytest.raises(BlockingIOError):
                waiting[0].recv(1)
            waiting[0].settimeout(WAIT_SECONDS)
            backend.signal(signal.SIGCONT)
            assert [client.recv(5) for client in waiting] == [b"hello"] * 200


def test_a_backend_killed_with_a_full_queue_costs_nobody(
    tmp_path: Path, port: socket.socket
) -> None:
    path = tmp_path / "backend.sock"
    with (
        RunningGate(tmp_path, [("test", port)], settings=settings(tmp_path)),
        greeter(path) as first,
    ):
        first.signal(signal.SIGSTOP)
        with clients(port, 100) as waiting:
            first.signal(signal.SIGKILL)
            first.wait(WAIT_SECONDS)
            path.unlink()
            with greeter(path):
                assert [client.recv(5) for client in waiting] == [b"hello"] * 100


def test_of_two_backends_one_that_dies_costs_nothing(tmp_path: Path, port: socket.socket) -> None:
    both = settings(tmp_path, "a.sock", "b.sock")
    with (
        BackendStub(tmp_path / "a.sock") as bad,
        BackendStub(tmp_path / "b.sock") as good,
        RunningGate(tmp_path, [("test", port)], settings=both) as gate,
        clients(port, 2) as waiting,
    ):
        with bad.accept() as peer:
            peer.take()
            bad.close()
        with good.accept() as peer:
            serve(peer, 2)
            assert_all_see_the_end(waiting)
            gate.wait_entries(2, SOCKETGATE_OUTCOME="handed-over")


def test_a_backend_that_is_never_there_ends_in_an_outcome_that_says_so(
    tmp_path: Path, port: socket.socket
) -> None:
    limits = settings(tmp_path, limits="handoff-seconds = 1")
    with (
        RunningGate(tmp_path, [("test", port)], settings=limits) as gate,
        clients(port, 3) as waiting,
    ):
        gate.wait_entries(3, SOCKETGATE_OUTCOME="backend-unavailable")
        assert_all_see_the_end(waiting)


def test_a_backend_that_never_acknowledges_does_not_get_the_clients_twice(
    tmp_path: Path, port: socket.socket
) -> None:
    """Past the deadline the channel is closed: who was given up can't be taken over any more."""
    limits = settings(tmp_path, limits="handoff-seconds = 1")
    with (
        BackendStub(tmp_path / "backend.sock") as backend,
        RunningGate(tmp_path, [("test", port)], settings=limits) as gate,
        clients(port, 1) as _,
        backend.accept() as peer,
    ):
        peer.take()
        gate.wait_entries(1, SOCKETGATE_OUTCOME="backend-unavailable")
        assert peer.is_closed()
