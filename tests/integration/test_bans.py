# SPDX-License-Identifier: MIT
"""Bans from the command to the next connection of every gate."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from socketgate.bans import Ban, parse_net
from socketgate.banstore import Store
from tests.support.running import PROJECT, RunningGate, listening

PATIENCE_SECONDS = 20.0
BANNED = "127.0.0.7"
SETTINGS = """
[bans]
store = "{store}"
never-ban = ["127.0.0.9"]
"""
#: All refused clients of these tests are refused by a ban, or by this.
DENY = "ALL: ALL\n"
REFUSED_BY_RULE, REFUSED_BY_BAN = "102", "10d"


@contextlib.contextmanager
def gate_with(folder: Path, sock: socket.socket, store: Path) -> Iterator[RunningGate]:
    folder.mkdir(exist_ok=True)
    settings = SETTINGS.format(store=store)
    with RunningGate(folder, [("sshd", sock)], deny=DENY, settings=settings) as gate:
        yield gate


def socketgate(gate: RunningGate, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line, as a process of its own."""
    command = [sys.executable, "-m", "socketgate", *words, "--config", str(gate.config)]
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    env.pop("SSH_CONNECTION", None)
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def come(gate: RunningGate, sock: socket.socket, address: str = BANNED) -> str:
    """Be refused, coming from an address. The answer: by what, the end of the message id."""
    with socket.create_connection(sock.getsockname(), PATIENCE_SECONDS, (address, 0)) as client:
        port = client.getsockname()[1]
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""
    (entry,) = gate.wait_entries(1, SOCKETGATE_CLIENT_PORT=str(port))
    assert (entry["SOCKETGATE_VERDICT"], entry["SOCKETGATE_OUTCOME"]) == ("deny", "refused")
    return entry["MESSAGE_ID"][-3:]


def test_a_ban_is_in_force_for_the_next_connection(tmp_path: Path) -> None:
    with listening() as sock, gate_with(tmp_path, sock, tmp_path / "bans") as gate:
        assert come(gate, sock) == REFUSED_BY_RULE
        assert socketgate(gate, "ban", BANNED).returncode == 0
        assert come(gate, sock) == REFUSED_BY_BAN


def test_it_is_over_with_unban(tmp_path: Path) -> None:
    with listening() as sock, gate_with(tmp_path, sock, tmp_path / "bans") as gate:
        socketgate(gate, "ban", BANNED)
        assert socketgate(gate, "unban", BANNED).returncode == 0
        assert come(gate, sock) == REFUSED_BY_RULE


def test_it_is_over_when_its_time_is(tmp_path: Path) -> None:
    """The clock is the store's: a ban that was made an hour ago, for an hour."""
    store, now = Store(tmp_path / "bans"), int(time.time())
    store.append([Ban(net=parse_net(BANNED), made=now - 3600, until=now)], now - 3600)
    with listening() as sock, gate_with(tmp_path, sock, store.path) as gate:
        assert come(gate, sock) == REFUSED_BY_RULE


def test_every_gate_has_it(tmp_path: Path) -> None:
    with (
        listening() as one,
        listening() as other,
        gate_with(tmp_path / "one", one, tmp_path / "bans") as first,
        gate_with(tmp_path / "other", other, tmp_path / "bans") as second,
    ):
        socketgate(first, "ban", BANNED)
        assert [come(first, one), come(second, other)] == [REFUSED_BY_BAN] * 2


def test_a_gate_that_starts_later_has_it_too(tmp_path: Path) -> None:
    with listening() as sock:
        with gate_with(tmp_path / "first", sock, tmp_path / "bans") as gate:
            socketgate(gate, "ban", BANNED)
        with gate_with(tmp_path / "second", sock, tmp_path / "bans") as gate:
            assert come(gate, sock) == REFUSED_BY_BAN


def test_a_ban_for_another_daemon_does_not_count(tmp_path: Path) -> None:
    with listening() as sock, gate_with(tmp_path, sock, tmp_path / "bans") as gate:
        socketgate(gate, "ban", BANNED, "--daemon", "smtp")
        assert come(gate, sock) == REFUSED_BY_RULE


def test_whom_the_configuration_spares_no_ban_concerns(tmp_path: Path) -> None:
    with listening() as sock, gate_with(tmp_path, sock, tmp_path / "bans") as gate:
        socketgate(gate, "ban", "127.0.0.0/24")
        assert [come(gate, sock, f"127.0.0.{last}") for last in (8, 9)] == [
            REFUSED_BY_BAN,
            REFUSED_BY_RULE,
        ]


def test_a_client_of_a_dual_stack_socket_is_banned_by_its_ipv4_address(tmp_path: Path) -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as sock:
        with gate_with(tmp_path, sock, tmp_path / "bans") as gate:
            socketgate(gate, "ban", BANNED)
            port = sock.getsockname()[1]
            client = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS, (BANNED, 0))
            with client:
                assert client.recv(1) == b""
            (entry,) = gate.wait_entries(1, SOCKETGATE_BAN=BANNED)
        assert entry["SOCKETGATE_CLIENT_ADDR"] == BANNED


def test_the_entry_names_the_net(tmp_path: Path) -> None:
    with listening() as sock, gate_with(tmp_path, sock, tmp_path / "bans") as gate:
        socketgate(gate, "ban", "127.0.0.0/24")
        come(gate, sock)
        (entry,) = gate.wait_entries(1, SOCKETGATE_BAN="127.0.0.0/24")
        assert entry["MESSAGE"] == f"refused connect from {BANNED} ({BANNED})"
        assert "SOCKETGATE_RULE_FILE" not in entry


def test_a_damaged_store_is_said_in_the_journal_and_the_rest_counts(tmp_path: Path) -> None:
    store = Store(tmp_path / "bans")
    store.append([Ban(net=parse_net(BANNED), made=1)], 1.0)
    with store.path.open("a") as file:
        file.write("rubbish\n")
    with listening() as sock, gate_with(tmp_path, sock, store.path) as gate:
        assert come(gate, sock) == REFUSED_BY_BAN
        (entry,) = gate.wait_entries(1, PRIORITY="3")
        assert "1 damaged line left out" in entry["MESSAGE"]


@pytest.mark.parametrize("count", [100_000])
def test_a_hundred_thousand_bans_are_no_burden(tmp_path: Path, count: int) -> None:
    """What is banned last is in force as soon as what is banned first."""
    nets = (parse_net(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(count))
    store = Store(tmp_path / "bans")
    store.append([Ban(net=net, made=1) for net in nets], 1.0)
    with listening() as sock, gate_with(tmp_path, sock, store.path) as gate:
        assert come(gate, sock) == REFUSED_BY_RULE
        assert socketgate(gate, "ban", BANNED).returncode == 0
        assert come(gate, sock) == REFUSED_BY_BAN
