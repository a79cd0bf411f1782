# SPDX-License-Identifier: MIT
"""Clients that connect and close as fast as they can: the gate stays small, others are served.

FLOOD_SECONDS=60 python -m pytest -m fault tests/fault/test_flood.py
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault.soaking import (
    MORE_DESCRIPTORS,
    MORE_KIB,
    descriptors_in_the_end,
    descriptors_of,
    memory_of,
)
from tests.support.running import PROJECT, RunningGate, listening

FLOOD_SECONDS = float(os.environ.get("FLOOD_SECONDS", "5"))
WARM_UP_SECONDS = 2.0
WAIT_SECONDS = 30.0

#: Connects and closes, from many addresses: one alone would run out of ports.
FLOOD = """\
import itertools, socket, sys, time
port, net, end = int(sys.argv[1]), sys.argv[2], time.monotonic() + float(sys.argv[3])
for number in itertools.count(1):
    with socket.socket() as client:
        client.bind((f"{net}.{number % 250 + 1}", 0))
        client.connect(("127.0.0.1", port))
    if time.monotonic() > end:
        break
print(number)
"""

#: Greets whom it gets; most have gone.
BACKEND = """\
import contextlib, sys
from socketgate.backend import Listener
with Listener(sys.argv[1]) as listener:
    print("ready", flush=True)
    while True:
        with listener.accept()[0] as client, contextlib.suppress(OSError):
            client.sendall(b"hello")
"""

#: Takes all there is, and keeps nothing.
JOURNALD = """\
import socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
    sock.bind(sys.argv[1])
    print("ready", flush=True)
    while True:
        sock.recv(65536)
"""


@contextlib.contextmanager
def running(script: str, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """A Python program, killed at the end if it hasn't ended."""
    command = [sys.executable, "-c", script, *words]
    env = {"PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as program:
        try:
            yield program
        finally:
            program.kill()


@contextlib.contextmanager
def serving(script: str, path: Path) -> Iterator[None]:
    with running(script, str(path)) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        yield


@contextlib.contextmanager
def gate_under_test(folder: Path, port: socket.socket) -> Iterator[RunningGate]:
    with (
        serving(JOURNALD, folder / "entries.sock"),
        serving(BACKEND, folder / "backend.sock"),
        RunningGate(
            folder,
            [("test", port)],
            deny="test: 127.0.2.\n",
            settings=f'[daemon.test]\nbackend = "{folder}/backend.sock"\n',
            env={"SOCKETGATE_JOURNAL_SOCKET": str(folder / "entries.sock")},
        ) as gate,
    ):
        yield gate


@pytest.fixture
def port() -> Iterator[socket.socket]:
    with listening() as sock:
        yield sock


def flood(port: socket.socket, seconds: float) -> int:
    """Admitted and refused clients; each other client meanwhile is served. How many there were."""
    number = str(port.getsockname()[1])
    with (
        running(FLOOD, number, "127.0.1", str(seconds)) as admitted,
        running(FLOOD, number, "127.0.2", str(seconds)) as refused,
    ):
        while any(program.poll() is None for program in (admitted, refused)):
            assert greeting(port) == b"hello"
        return count_of(admitted, refused)


def count_of(*programs: "subprocess.Popen[str]") -> int:
    return sum(int(program.communicate(timeout=WAIT_SECONDS)[0]) for program in programs)


def greeting(port: socket.socket) -> bytes:
    with socket.create_connection(port.getsockname(), WAIT_SECONDS) as client:
        return client.recv(5, socket.MSG_WAITALL)


def assert_settled(gate: RunningGate, most: int) -> None:
    """Everything that came so far is done: a hangup is answered in its turn, descriptors are few.

    Who is gone may still be on his way to a backend that is slower than the gate.
    """
    gate.signal(signal.SIGHUP)
    gate.wait_for("RELOADING")
    gate.wait_for("READY")
    assert descriptors_in_the_end(gate, most) <= most


def test_a_flood_at_full_speed_leaves_nothing_behind_and_keeps_nobody_out(
    tmp_path: Path, port: socket.socket
) -> None:
    with gate_under_test(tmp_path, port) as gate:
        assert greeting(port) == b"hello"
        most = descriptors_of(gate) + MORE_DESCRIPTORS
        flood(port, WARM_UP_SECONDS)
        assert_settled(gate, most)
        memory = memory_of(gate)
        count = flood(port, FLOOD_SECONDS)
        assert_settled(gate, most)
        print(f"{count} clients; {memory} KiB, then {memory_of(gate)} KiB")  # noqa: T201  # with -s
        assert memory_of(gate) <= memory + MORE_KIB
