# SPDX-License-Identifier: MIT
import socket
import tempfile
from pathlib import Path

import pytest

from socketgate.answers import INTERFACE, Reload
from socketgate.cli.gates import Gate, find_gate, running_gates
from socketgate.errors import ConfigError, GateUnreachable, NotPermitted, SocketgateError
from socketgate.varlink import SERVICE, CallFailed
from tests.support.controlled import gate_answering, status
from tests.support.forked import as_nobody
from tests.support.waiting import environment


def dead_socket(folder: Path, name: str) -> None:
    """What a killed gate leaves."""
    (folder / name).mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(str(folder / name / "control"))


def test_gates_are_found_by_their_folders(tmp_path: Path) -> None:
    for name in ("sshd", "+shared"):
        dead_socket(tmp_path, name)
    (tmp_path / "empty").mkdir()
    assert [gate.name for gate in running_gates(tmp_path)] == ["+shared", "sshd"]


def own_gates() -> list[str]:
    """The gates that are found when there is one in the user's own folder."""
    with tempfile.TemporaryDirectory() as own, environment(XDG_RUNTIME_DIR=own):
        (Path(own) / "socketgate").mkdir()
        dead_socket(Path(own) / "socketgate", "by-hand")
        return [gate.name for gate in running_gates(None)]


def test_a_user_finds_the_gates_of_his_own() -> None:
    assert "by-hand" in as_nobody(lambda: str(own_gates()))


def test_root_finds_none_in_the_folder_of_who_has_called_su() -> None:
    assert "by-hand" not in own_gates()


def test_without_the_folder_there_is_no_gate(tmp_path: Path) -> None:
    assert running_gates(tmp_path / "nothing") == []


def test_a_gate_is_found_by_its_name(tmp_path: Path) -> None:
    dead_socket(tmp_path, "sshd")
    assert find_gate("sshd", tmp_path).name == "sshd"


def test_a_gate_of_several_daemons_is_found_by_each(tmp_path: Path) -> None:
    dead_socket(tmp_path, "dead")
    with gate_answering(tmp_path, "+shared", {"Status": status("sshd", "smtp")}):
        assert find_gate("smtp", tmp_path).name == "+shared"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ssdh", "did you mean 'sshd'"),
        ("socketgate@sshd.service", "did you mean 'sshd'"),
        ("sshd.socket", "did you mean 'sshd'"),
        ("xyz", "'socketgate status' shows those there are"),
    ],
)
def test_a_gate_that_is_not_there_is_unreachable(tmp_path: Path, name: str, said: str) -> None:
    dead_socket(tmp_path, "sshd")
    with pytest.raises(GateUnreachable, match=said):
        find_gate(name, tmp_path)


def test_a_gate_of_another_version_is_to_be_restarted(tmp_path: Path) -> None:
    with (
        gate_answering(tmp_path, "sshd", {"Status": {"version": "0.0.1"}}),
        pytest.raises(GateUnreachable, match="as another version does: restart it"),
    ):
        find_gate("sshd", tmp_path).status()


def test_without_any_gate_it_is_said_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(GateUnreachable, match="'socketgate unit xyz' makes one"):
        find_gate("xyz", tmp_path)


@pytest.mark.parametrize("name", ["a/b", "", "sshd@", "-x", "ALL"])
def test_what_no_gate_can_be_called_is_no_gate_that_is_missing(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="can't be the name of a gate: "):
        find_gate(name, tmp_path)


def test_a_gate_that_does_not_run_is_unreachable(tmp_path: Path) -> None:
    dead_socket(tmp_path, "sshd")
    with pytest.raises(GateUnreachable, match="isn't running"):
        find_gate("sshd", tmp_path).status()


def test_a_path_that_is_too_long_for_a_socket_is_said_to_be(tmp_path: Path) -> None:
    gate = Gate("sshd", tmp_path / ("x" * 108))
    with pytest.raises(GateUnreachable, match="the gate sshd: AF_UNIX path too long"):
        gate.status()


@pytest.mark.parametrize(
    ("failure", "kind", "said"),
    [
        pytest.param(
            CallFailed(f"{SERVICE}.PermissionDenied"), NotPermitted, "only root", id="permission"
        ),
        pytest.param(
            CallFailed(f"{INTERFACE}.NoSuchDaemon", {"daemon": "x"}),
            ConfigError,
            "doesn't serve x",
            id="daemon",
        ),
        pytest.param(
            CallFailed(f"{SERVICE}.InvalidParameter", {"parameter": "address"}),
            ConfigError,
            "address: ",
            id="parameter",
        ),
        pytest.param(
            CallFailed(f"{INTERFACE}.ReloadFailed", {"message": "hosts.deny:1: no"}),
            ConfigError,
            "hosts.deny:1: no; the gate sshd keeps",
            id="rules",
        ),
        pytest.param(
            CallFailed("org.example.Strange"), GateUnreachable, "org.example.Strange", id="other"
        ),
    ],
)
def test_what_a_gate_refuses_is_said_in_words(
    tmp_path: Path, failure: CallFailed, kind: type[SocketgateError], said: str
) -> None:
    with gate_answering(tmp_path, "sshd", {"Ask": failure}), pytest.raises(kind, match=said):
        find_gate("sshd", tmp_path).ask("Ask", {}, Reload)
