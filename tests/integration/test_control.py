# SPDX-License-Identifier: MIT
"""A running gate's control socket: what it answers, and that nobody can slow the gate by it."""

import contextlib
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pytest

from socketgate.answers import (
    INTERFACE,
    CountersAnswer,
    ExplainAnswer,
    ReloadAnswer,
    StatusAnswer,
)
from socketgate.backend import Listener
from socketgate.bans import Ban, parse_net
from socketgate.banstore import Store
from socketgate.varlink import CallFailed, ask, encode
from tests.support.running import RunningGate, listening

PATIENCE_SECONDS = 20.0
SETTINGS = """
[bans]
store = "{folder}/bans"
[daemon.sshd]
backend = "{folder}/backend.sock"
"""

T = TypeVar("T")


@contextlib.contextmanager
def gate_for(
    folder: Path, sock: socket.socket, *, allow: str = "", deny: str = "", settings: str = ""
) -> Iterator[RunningGate]:
    """A gate for `sshd` with a backend that takes its clients."""
    settings = SETTINGS.format(folder=folder) + settings
    with (
        Listener(folder / "backend.sock"),
        RunningGate(folder, [("sshd", sock)], allow=allow, deny=deny, settings=settings) as gate,
    ):
        yield gate


def call(gate: RunningGate, method: str, parameters: Mapping[str, object], kind: type[T]) -> T:
    path = str(gate.folder / "runtime" / "control")
    return ask(path, f"{INTERFACE}.{method}", parameters, kind, PATIENCE_SECONDS)


def come(sock: socket.socket, address: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(sock.getsockname(), PATIENCE_SECONDS, (address, 0))


def refused(gate: RunningGate, sock: socket.socket, address: str) -> None:
    with come(sock, address) as client:
        assert client.recv(1) == b""
        port = str(client.getsockname()[1])
    gate.wait_entries(1, SOCKETGATE_CLIENT_PORT=port)


def test_the_status_tells_who_was_refused_and_by_which_rule(tmp_path: Path) -> None:
    deny = "# \nALL: 127.0.0.2\nALL: 127.0.0.3\n"
    with listening() as sock, gate_for(tmp_path, sock, deny=deny) as gate:
        for address in ("127.0.0.2", "127.0.0.3", "127.0.0.3"):
            refused(gate, sock, address)
        (state,) = call(gate, "Status", {}, StatusAnswer)["gates"]
    assert [(one["line"], one["refused"]) for one in state["top_refusals"]] == [(3, 2), (2, 1)]
    assert [one["address"] for one in state["last_refused"]] == [
        "127.0.0.2",
        "127.0.0.3",
        "127.0.0.3",
    ]


def test_the_status_tells_who_was_refused_by_which_ban(tmp_path: Path) -> None:
    with listening() as sock, gate_for(tmp_path, sock) as gate:
        Store(tmp_path / "bans").append([Ban(net=parse_net("127.0.0.2"), made=1)], 1.0)
        refused(gate, sock, "127.0.0.2")
        (state,) = call(gate, "Status", {}, StatusAnswer)["gates"]
    assert [(one["ban"], one["refused"]) for one in state["top_refusals"]] == [("127.0.0.2", 1)]
    assert [(one["ban"], one["file"]) for one in state["last_refused"]] == [("127.0.0.2", None)]


def test_what_earlier_rules_have_refused_is_no_merit_of_the_present_ones(tmp_path: Path) -> None:
    with listening() as sock, gate_for(tmp_path, sock, deny="ALL: 127.0.0.2\n") as gate:
        refused(gate, sock, "127.0.0.2")
        gate.deny.write_text("ALL: 127.0.0.3\n")
        call(gate, "Reload", {}, ReloadAnswer)
        (state,) = call(gate, "Status", {}, StatusAnswer)["gates"]
    assert state["top_refusals"] == []


def test_the_counters_are_exact(tmp_path: Path) -> None:
    with listening() as sock, gate_for(tmp_path, sock, deny="ALL: 127.0.0.2\n") as gate:
        for _ in range(30):
            with come(sock, "127.0.0.2") as client:
                assert client.recv(1) == b""
        (numbers,) = call(gate, "Counters", {}, CountersAnswer)["gates"]
    assert numbers["outcomes"]["refused"] == 30


def test_a_client_that_no_backend_takes_is_told_to_be_waiting(tmp_path: Path) -> None:
    settings = "[limits]\ndrain-seconds = 1\n"
    with listening() as sock, gate_for(tmp_path, sock, settings=settings) as gate, come(sock):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (state := call(gate, "Status", {}, StatusAnswer)["gates"][0])["held"]:
            assert time.monotonic() < deadline
    assert (state["waiting"], state["backends"][0]["path"]) == (1, str(tmp_path / "backend.sock"))


def test_a_backend_s_socket_that_is_not_there_is_told_before_a_client_comes(tmp_path: Path) -> None:
    with (
        listening() as sock,
        RunningGate(tmp_path, [("sshd", sock)], settings=SETTINGS.format(folder=tmp_path)) as gate,
    ):
        (state,) = call(gate, "Status", {}, StatusAnswer)["gates"]
    path = tmp_path / "backend.sock"
    assert state["backends"][0]["trouble"] == f"{path} isn't there, or can't be seen by us"


def test_a_backend_s_socket_that_is_there_is_no_trouble(tmp_path: Path) -> None:
    with listening() as sock, gate_for(tmp_path, sock) as gate:
        (state,) = call(gate, "Status", {}, StatusAnswer)["gates"]
    assert state["backends"][0]["trouble"] is None


def test_explain_says_what_the_next_client_would_be_told(tmp_path: Path) -> None:
    deny = "ALL: 127.0.0.2\n"
    with listening() as sock, gate_for(tmp_path, sock, allow="sshd: .bad\n", deny=deny) as gate:
        parameters = {"daemon": "sshd", "address": "127.0.0.2", "name": "a.good"}
        answer = call(gate, "Explain", parameters, ExplainAnswer)
    assert (answer["verdict"], answer["line"], answer["generation"]) == ("deny", 1, 1)
    assert [(one["line"], one["matched"]) for one in answer["rules"]] == [(1, False), (1, True)]


def test_explain_knows_the_port_that_rules_may_name(tmp_path: Path) -> None:
    with listening() as sock:
        port = sock.getsockname()[1]
        with gate_for(tmp_path, sock, deny=f"{port}: ALL\n") as gate:
            parameters = {"daemon": "sshd", "address": "127.0.0.2"}
            assert call(gate, "Explain", parameters, ExplainAnswer)["verdict"] == "deny"


def test_explain_says_that_what_the_files_say_is_not_in_force(tmp_path: Path) -> None:
    with listening() as sock, gate_for(tmp_path, sock, deny="ALL: 127.0.0.2\n") as gate:
        (tmp_path / "hosts.deny").write_text("no colon\n")
        with pytest.raises(CallFailed):
            call(gate, "Reload", {}, ReloadAnswer)
        parameters = {"daemon": "sshd", "address": "127.0.0.2"}
        answer = call(gate, "Explain", parameters, ExplainAnswer)
    assert (answer["verdict"], answer["text"]) == ("deny", "ALL: 127.0.0.2")
    assert "hosts.deny:1" in str(answer["not_in_force"])


def test_explain_is_refused_for_a_daemon_that_is_not_served(tmp_path: Path) -> None:
    with listening() as sock, gate_for(tmp_path, sock) as gate, pytest.raises(CallFailed) as caught:
        call(gate, "Explain", {"daemon": "smtp", "address": "127.0.0.2"}, ExplainAnswer)
    assert caught.value.name == f"{INTERFACE}.NoSuchDaemon"


def test_a_reload_is_answered_when_the_rules_are_in_force(tmp_path: Path) -> None:
    with listening() as sock, gate_for(tmp_path, sock) as gate:
        gate.deny.write_text("ALL: 127.0.0.2\n")
        assert call(gate, "Reload", {}, ReloadAnswer)["count"] == 1
        refused(gate, sock, "127.0.0.2")


def test_a_reload_of_wrong_rules_says_what_is_wrong(tmp_path: Path) -> None:
    with listening() as sock, gate_for(tmp_path, sock) as gate:
        gate.deny.write_text("ALL ALL\n")
        with pytest.raises(CallFailed) as caught:
            call(gate, "Reload", {}, ReloadAnswer)
    assert "hosts.deny:1:1" in str(caught.value.parameters["message"])


def test_the_socket_goes_with_the_gate(tmp_path: Path) -> None:
    with listening() as sock, gate_for(tmp_path, sock) as gate:
        path = gate.folder / "runtime" / "control"
        assert path.is_socket()
    assert not path.exists()


def test_a_gate_without_a_place_for_the_socket_serves_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "runtime" / "control" / "in-the-way").mkdir(parents=True)
    with listening() as sock, gate_for(tmp_path, sock, deny="ALL: 127.0.0.2\n") as gate:
        refused(gate, sock, "127.0.0.2")
        gate.wait_entries(1, PRIORITY="4", SYSLOG_IDENTIFIER="socketgate")


def test_clients_are_served_whatever_is_done_to_the_control_socket(tmp_path: Path) -> None:
    """Half-said calls, calls without end, answers nobody takes: all at once."""
    with listening() as sock, gate_for(tmp_path, sock, deny="ALL: 127.0.0.2\n") as gate:
        with contextlib.ExitStack() as stack:
            for number in range(60):
                hostile = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                hostile.connect(str(gate.folder / "runtime" / "control"))
                status = encode({"method": f"{INTERFACE}.Status"})
                half = b'{"method": "'
                with contextlib.suppress(OSError):
                    hostile.setblocking(False)
                    hostile.send((half, b"x" * 60_000, status * 500)[number % 3])
            for _ in range(10):
                refused(gate, sock, "127.0.0.2")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                assert call(gate, "Status", {}, StatusAnswer)["pid"] == gate.pid
                return
        pytest.fail("the control socket did not come back")


def test_sockets_that_share_an_address_have_their_numbers_in_one(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0), reuse_port=True) as one,
        socket.create_server(one.getsockname(), reuse_port=True) as two,
        RunningGate(tmp_path, [("sshd", one), ("sshd", two)]) as gate,
    ):
        assert len(call(gate, "Status", {}, StatusAnswer)["gates"]) == 2
        assert len(call(gate, "Counters", {}, CountersAnswer)["gates"]) == 1


def test_a_group_that_does_not_exist_is_told_at_the_start(tmp_path: Path) -> None:
    settings = '[control]\nadmin-groups = ["no-such-group"]\n'
    with (
        listening() as sock,
        RunningGate(tmp_path, [("sshd", sock)], settings=settings) as gate,
    ):
        (entry,) = gate.wait_entries(1, PRIORITY="4", SYSLOG_IDENTIFIER="socketgate")
    assert 'control.admin-groups: there is no group "no-such-group"' in entry["MESSAGE"]


def test_that_nobody_runs_the_commands_of_the_rules_is_told_before_a_client_comes(
    tmp_path: Path,
) -> None:
    settings = f'[commands]\nsocket = "{tmp_path}/command.sock"\n'
    asked = {"daemon": "sshd", "address": "127.0.0.2"}
    with (
        listening() as sock,
        gate_for(tmp_path, sock, allow="ALL: ALL: spawn true\n", settings=settings) as gate,
    ):
        commands = call(gate, "Status", {}, StatusAnswer)["commands"]
        counters = call(gate, "Counters", {}, CountersAnswer)
        limits = call(gate, "Explain", asked, ExplainAnswer)["limits"]
        gate.allow.write_text("ALL: ALL\n")
        gate.wait_status("generation 2")
        later = call(gate, "Status", {}, StatusAnswer)["commands"]
    assert commands is not None
    assert (
        commands["trouble"]
        == f"{tmp_path}/command.sock isn't there: start the command runner there"
    )
    assert counters["commands_in_trouble"]
    assert limits[-1] == f"commands can't be run: {commands['trouble']}"
    assert later is None
