# SPDX-License-Identifier: MIT
"""The wall clock jumps under a running gate: only bans go by it.

libfaketime stands between the gate and the C library's clock_gettime(2), and reads from a file what
the time is to be. The monotonic clock is the real one; it doesn't jump.
"""

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from socketgate.backend import Listener
from socketgate.bans import Ban, parse_net
from socketgate.banstore import Store
from tests.support.running import RunningGate, listening

WAIT_SECONDS = 20.0
(LIBRARY,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
BOTH_WAYS = pytest.mark.parametrize("jump", ["+10d", "-10d"])
BANNED = "127.0.0.7"


class Clock:
    """The gate's wall clock: so far from the real one."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "clock"
        self.jump("+0")
        self.env = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def jump(self, distance: str) -> None:
        """At once; the file is never seen half-written."""
        new = self._path.with_suffix(".new")
        new.write_text(distance)
        new.rename(self._path)


@pytest.fixture
def port() -> Iterator[socket.socket]:
    with listening() as sock:
        yield sock


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


def gate_in(
    folder: Path, port: socket.socket, clock: Clock, *, deny: str = "", **env: str
) -> RunningGate:
    settings = (
        f'[bans]\nstore = "{folder}/bans"\n[daemon.test]\nbackend = "{folder}/backend.sock"\n'
    )
    return RunningGate(
        folder, [("test", port)], deny=deny, settings=settings, env={**clock.env, **env}
    )


def connect(port: socket.socket, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(port.getsockname(), WAIT_SECONDS, (source, 0))


def is_refused(port: socket.socket, source: str = "127.0.0.1") -> bool:
    """Nobody is handed over: there is no backend."""
    with connect(port, source) as client:
        client.settimeout(WAIT_SECONDS)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""
    return True


@BOTH_WAYS
def test_who_waits_for_a_backend_is_not_given_up(
    tmp_path: Path, port: socket.socket, clock: Clock, jump: str
) -> None:
    with gate_in(tmp_path, port, clock) as gate, connect(port):
        clock.jump(jump)
        with connect(port), Listener(tmp_path / "backend.sock") as backend:
            backend.settimeout(WAIT_SECONDS)
            for _ in range(2):
                backend.accept()[0].close()
            gate.wait_entries(2, SOCKETGATE_OUTCOME="handed-over")


@BOTH_WAYS
def test_the_watchdog_is_fed_on(
    tmp_path: Path, port: socket.socket, clock: Clock, jump: str
) -> None:
    with gate_in(tmp_path, port, clock, WATCHDOG_USEC="100000") as gate:
        clock.jump(jump)
        for _ in range(3):
            gate.wait_for("WATCHDOG")


@BOTH_WAYS
def test_changed_rules_are_in_force_for_the_next_client(
    tmp_path: Path, port: socket.socket, clock: Clock, jump: str
) -> None:
    with gate_in(tmp_path, port, clock) as gate:
        clock.jump(jump)
        gate.deny.write_text("ALL: ALL\n")
        assert is_refused(port)


@pytest.mark.parametrize("jump", ["-10d", "+0", "+50min"])
def test_a_ban_of_an_hour_holds(
    tmp_path: Path, port: socket.socket, clock: Clock, jump: str
) -> None:
    ban_for_an_hour(tmp_path)
    with gate_in(tmp_path, port, clock) as gate:
        clock.jump(jump)
        assert is_refused(port, BANNED)
        gate.wait_entries(1, SOCKETGATE_BAN=BANNED)


def test_a_ban_of_an_hour_is_over_when_the_clock_says_so(
    tmp_path: Path, port: socket.socket, clock: Clock
) -> None:
    ban_for_an_hour(tmp_path)
    with (
        gate_in(tmp_path, port, clock),
        Listener(tmp_path / "backend.sock") as backend,
    ):
        clock.jump("+61min")
        backend.settimeout(WAIT_SECONDS)
        with connect(port, BANNED), backend.accept()[0] as served:
            assert served.getpeername()[0] == BANNED


def ban_for_an_hour(folder: Path) -> None:
    now = int(time.time())
    Store(folder / "bans").append([Ban(parse_net(BANNED), now, until=now + 3600)], now)
