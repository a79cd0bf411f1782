# SPDX-License-Identifier: MIT
"""`socketgate run` as a process: sockets, rules, files that change, signals, exit codes."""

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from socketgate.backend import Listener
from tests.support.running import RunningGate, listening

PATIENCE_SECONDS = 20.0
BACKEND = """
[daemon.sshd]
backend = "{path}"
"""


@contextlib.contextmanager
def gate_for(
    folder: Path, sock: socket.socket, *, allow: str = "", deny: str = ""
) -> Iterator[tuple[RunningGate, Listener]]:
    """A gate for `sshd`, and the backend it hands clients to."""
    path = folder / "backend.sock"
    settings = BACKEND.format(path=path)
    with (
        Listener(path) as backend,
        RunningGate(folder, [("sshd", sock)], allow=allow, deny=deny, settings=settings) as gate,
    ):
        backend.settimeout(PATIENCE_SECONDS)
        yield gate, backend


def client_of(listener: socket.socket) -> socket.socket:
    return socket.create_connection(listener.getsockname()[:2], PATIENCE_SECONDS)


def test_an_admitted_client_reaches_the_backend_as_itself(tmp_path: Path) -> None:
    with (
        listening() as sock,
        gate_for(tmp_path, sock, allow="sshd: 127.0.0.1\n", deny="ALL: ALL\n") as (_, backend),
        client_of(sock) as client,
    ):
        served, address = backend.accept()
        with served:
            assert (address, served.getpeername()) == (client.getsockname(),) * 2


def test_what_the_client_sent_before_the_handoff_arrives_unchanged(tmp_path: Path) -> None:
    sent = bytes(range(256)) * 40
    with listening() as sock, client_of(sock) as client:
        client.sendall(sent)  # before the gate exists: it waits in the kernel's queue
        client.shutdown(socket.SHUT_WR)
        with gate_for(tmp_path, sock) as (_, backend):
            served, _ = backend.accept()
            with served, served.makefile("rb") as stream:
                assert stream.read() == sent


def test_the_client_sees_the_end_when_the_backend_closes(tmp_path: Path) -> None:
    with listening() as sock, gate_for(tmp_path, sock) as (_, backend), client_of(sock) as client:
        backend.accept()[0].close()
        assert client.recv(1) == b""


def test_a_refused_client_sees_the_end_and_its_entry_names_the_rule(tmp_path: Path) -> None:
    with listening("::1") as sock, gate_for(tmp_path, sock, deny="# \nALL: ALL\n") as (gate, _):
        with client_of(sock) as client:
            port = client.getsockname()[1]
            assert client.recv(1) == b""
        (entry,) = gate.wait_entries(1, SOCKETGATE_VERDICT="deny")
    expected = {
        "MESSAGE": "refused connect from ::1 (::1)",
        "SYSLOG_IDENTIFIER": "sshd",
        "PRIORITY": "4",
        "SOCKETGATE_OUTCOME": "refused",
        "SOCKETGATE_CLIENT_ADDR": "::1",
        "SOCKETGATE_CLIENT_PORT": str(port),
        "SOCKETGATE_RULE_FILE": str(tmp_path / "hosts.deny"),
        "SOCKETGATE_RULE_LINE": "2",
    }
    assert {key: entry.get(key) for key in expected} == expected


def test_a_rule_appended_decides_the_next_connection(tmp_path: Path) -> None:
    with listening() as sock, gate_for(tmp_path, sock) as (gate, _):
        with gate.deny.open("a") as file:
            file.write("sshd: 127.0.0.1\n")
        gate.wait_status("generation 2")
        with client_of(sock) as client:
            assert client.recv(1) == b""


def test_a_broken_file_leaves_the_rules_in_force(tmp_path: Path) -> None:
    with listening() as sock, gate_for(tmp_path, sock, deny="ALL: ALL\n") as (gate, _):
        gate.deny.write_text("ALL ALL\n")
        gate.wait_status("the files have errors")
        with client_of(sock) as client:
            assert client.recv(1) == b""


def test_a_hangup_reloads_and_says_when_it_is_done(tmp_path: Path) -> None:
    with listening() as sock, gate_for(tmp_path, sock) as (gate, _):
        gate.signal(signal.SIGHUP)
        gate.wait_for("RELOADING", "1")
        assert gate.wait_for("READY") == "1"


def test_a_stop_is_announced_and_in_good_order(tmp_path: Path) -> None:
    with listening() as sock, gate_for(tmp_path, sock) as (gate, _):
        assert gate.stop() == 0
        assert gate.inbox.states[-1]["STOPPING"] == "1"


def test_a_gate_that_served_many_has_no_socket_left_of_them(tmp_path: Path) -> None:
    with listening() as sock, gate_for(tmp_path, sock) as (gate, backend):
        counts = []
        for served_count in (1, 300):
            for _ in range(served_count):
                with client_of(sock) as client:
                    backend.accept()[0].close()
                    client.recv(1)  # the end of file: nobody has a copy any more
            counts.append(sum(one.startswith("socket:") for one in gate.descriptors))
    assert counts[0] == counts[1]


def datagram() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


def accepted() -> socket.socket:
    with listening() as listener, client_of(listener):
        return listener.accept()[0]


@pytest.mark.parametrize(
    ("make", "name", "advice"),
    [
        pytest.param(datagram, "sshd", "use ListenStream=", id="datagram"),
        pytest.param(accepted, "sshd", "remove Accept=yes", id="accepted"),
        pytest.param(listening, "unknown", "add FileDescriptorName=", id="no-name"),
        pytest.param(listening, "x.socket", "FileDescriptorName=x to x.socket", id="unit-name"),
    ],
)
def test_a_socket_that_cannot_be_served_is_refused_with_what_to_change(
    tmp_path: Path, make: Callable[[], socket.socket], name: str, advice: str
) -> None:
    with make() as sock:
        code, said = RunningGate(tmp_path, [(name, sock)]).run_to_end()
    assert (code, said.count("\n"), advice in said) == (2, 1, True), said


def test_without_sockets_it_says_what_to_start_instead(tmp_path: Path) -> None:
    code, said = RunningGate(tmp_path, []).run_to_end()
    assert (code, said.count("\n"), "start the .socket unit" in said) == (2, 1, True), said


def test_a_wrong_setting_is_named_with_its_file(tmp_path: Path) -> None:
    with listening() as sock:
        gate = RunningGate(tmp_path, [("sshd", sock)], settings="[daemon.sshd]\nbackedn = 1\n")
        code, said = gate.run_to_end()
    named = str(gate.config) in said and "backend" in said
    assert (code, said.count("\n"), named) == (2, 1, True), said


def test_rules_that_cannot_be_read_at_the_first_start_keep_the_gate_down(tmp_path: Path) -> None:
    with listening() as sock:
        gate = RunningGate(tmp_path, [("sshd", sock)], deny="ALL ALL\n")
        code, said = gate.run_to_end()
    assert (code, said.count("\n"), f"{gate.deny}:1" in said) == (2, 1, True), said
