# SPDX-License-Identifier: MIT
"""Descriptors run out, journald doesn't read, clients flood: the gate serves on, stays small."""

import contextlib
import errno
import resource
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from socketgate.accept import SHORT_OF
from socketgate.backend import Listener
from tests.support.running import RunningGate, listening

WAIT_SECONDS = 20.0
DENY_ALL = "ALL: ALL\n"
#: linger(2): close sends a reset.
RESET = struct.pack("ii", 1, 0)
#: How much a flood may add to the gate's memory, in KiB; the allocator keeps some of what it had.
FEW_KIB = 4096


@pytest.fixture
def port() -> Iterator[socket.socket]:
    with listening() as sock:
        yield sock


def settings(folder: Path, limits: str = "") -> str:
    return f'[limits]\n{limits}\n[daemon.test]\nbackend = "{folder}/backend.sock"\n'


def memory_kib(gate: RunningGate) -> int:
    text = Path(f"/proc/{gate.pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0])


def assert_settled(gate: RunningGate) -> None:
    """Everything that came so far is done: a hangup is answered in its turn."""
    gate.signal(signal.SIGHUP)
    gate.wait_for("RELOADING")
    gate.wait_for("READY")


def connect_and_reset(port: socket.socket) -> None:
    with socket.create_connection(port.getsockname(), WAIT_SECONDS) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def connect_and_read(port: socket.socket) -> bytes:
    with socket.create_connection(port.getsockname(), WAIT_SECONDS) as client:
        try:
            return client.recv(1)
        except ConnectionResetError:
            return b""


def test_out_of_descriptors_nobody_is_lost_and_backends_are_still_reached(
    tmp_path: Path, port: socket.socket
) -> None:
    """80 clients, 80 descriptors, a backend that comes late: all are served."""
    prefix = ("prlimit", "--nofile=80:80", "--")
    with (
        RunningGate(tmp_path, [("test", port)], settings=settings(tmp_path), prefix=prefix) as gate,
        contextlib.ExitStack() as stack,
    ):
        clients = [
            stack.enter_context(socket.create_connection(port.getsockname(), WAIT_SECONDS))
            for _ in range(80)
        ]
        assert_settled(gate)
        with Listener(tmp_path / "backend.sock") as backend:
            backend.settimeout(WAIT_SECONDS)
            for _ in clients:
                backend.accept()[0].close()
        assert [client.recv(1) for client in clients] == [b""] * 80


def test_a_machine_out_of_descriptors_is_waited_for(tmp_path: Path, port: socket.socket) -> None:
    """EMFILE from accept(2): said once, and the clients wait in the kernel's queue meanwhile."""
    with RunningGate(tmp_path, [("test", port)], deny=DENY_ALL) as gate:
        before = resource.prlimit(gate.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(gate.pid, resource.RLIMIT_NOFILE, (5, before[1]))
        with socket.create_connection(port.getsockname(), WAIT_SECONDS) as client:
            error = f"Too many open files ({SHORT_OF[errno.EMFILE]})"
            gate.wait_entries(
                1, MESSAGE=f"test: accept: {error}; clients wait in the kernel's queue"
            )
            resource.prlimit(gate.pid, resource.RLIMIT_NOFILE, before)
            assert client.recv(1) == b""


def test_a_journald_that_does_not_read_holds_up_nobody(tmp_path: Path, port: socket.socket) -> None:
    """Its socket is full after a few entries; the others are kept, then counted."""
    many = settings(tmp_path, "refusals-logged = 100000\nrefusals-logged-total = 100000")
    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        journald.bind(str(path))
        journald.settimeout(WAIT_SECONDS)
        with RunningGate(
            tmp_path,
            [("test", port)],
            deny=DENY_ALL,
            settings=many,
            env={"SOCKETGATE_JOURNAL_SOCKET": str(path)},
        ) as gate:
            for _ in range(12_000):
                assert connect_and_read(port) == b""
            assert_settled(gate)
            while b"journal entries could not be written" not in journald.recv(1 << 16):
                pass


def test_ten_thousand_clients_that_reset_leave_nothing_behind(
    tmp_path: Path, port: socket.socket
) -> None:
    with (
        RunningGate(tmp_path, [("test", port)], settings=settings(tmp_path)) as gate,
        Listener(tmp_path / "backend.sock") as backend,
    ):
        backend.settimeout(WAIT_SECONDS)
        end = threading.Event()
        server = threading.Thread(target=close_all_of, args=(backend, end))
        server.start()
        try:
            for _ in range(2000):
                connect_and_reset(port)
            assert_settled(gate)
            descriptors, memory = len(gate.descriptors), memory_kib(gate)
            for _ in range(10_000):
                connect_and_reset(port)
            gate.wait_entries(12_000, SYSLOG_IDENTIFIER="test")
            assert len(gate.descriptors) <= descriptors + 1
            assert memory_kib(gate) <= memory + FEW_KIB
        finally:
            end.set()
            connect_and_reset(port)
            server.join()


def close_all_of(backend: Listener, end: threading.Event) -> None:
    while not end.is_set():
        backend.accept()[0].close()


def test_a_flood_of_refused_clients_leaves_nothing_behind(
    tmp_path: Path, port: socket.socket
) -> None:
    with RunningGate(tmp_path, [("test", port)], deny=DENY_ALL) as gate:
        for _ in range(2000):
            connect_and_read(port)
        assert_settled(gate)
        descriptors, memory = len(gate.descriptors), memory_kib(gate)
        for _ in range(20_000):
            connect_and_read(port)
        assert_settled(gate)
        assert len(gate.descriptors) == descriptors
        assert memory_kib(gate) <= memory + FEW_KIB


def test_clients_that_wait_for_a_command_leave_room_for_others(
    tmp_path: Path, port: socket.socket
) -> None:
    """A slow-loris of rules: as many as may wait do, the next is told so, another is served."""
    limits = settings(tmp_path, "deciding-connections = 8")
    rules = "test: 127.0.0.2: spawn sleep 60: allow\n"
    with (
        RunningGate(tmp_path, [("test", port)], allow=rules, settings=limits) as gate,
        contextlib.ExitStack() as stack,
    ):
        for _ in range(9):
            client = socket.create_connection(port.getsockname(), WAIT_SECONDS, ("127.0.0.2", 0))
            stack.enter_context(client)
        gate.wait_entries(1, SOCKETGATE_OUTCOME="over-limit")
        with Listener(tmp_path / "backend.sock") as backend:
            backend.settimeout(WAIT_SECONDS)
            with socket.create_connection(port.getsockname(), WAIT_SECONDS) as other:
                served, address = backend.accept()
                served.close()
                assert address == other.getsockname()
        gate.signal(signal.SIGKILL)
        gate.wait_exit()
