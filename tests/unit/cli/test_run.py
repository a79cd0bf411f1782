# SPDX-License-Identifier: MIT
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from socketgate.cli import ExitCode, main
from tests.support.child import Child, Sockets
from tests.support.clients import listening
from tests.support.waiting import PATIENCE_SECONDS, environment

PROJECT = Path(__file__).resolve().parents[3]


def refused(
    folder: Path, sockets: Sockets, settings: str = "", more: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """A start that must fail: exit code and all that was said."""
    (folder / "gate.toml").write_text(settings)
    words = [sys.executable, "-m", "socketgate", "run", "--config", str(folder / "gate.toml")]
    env = {"PYTHONPATH": str(PROJECT), "PYTHONWARNINGS": "error", "STATE_DIRECTORY": str(folder)}
    env |= more or {}
    with tempfile.TemporaryFile() as output:
        child = Child(words, sockets, env, output)
        try:
            code = child.wait(PATIENCE_SECONDS)
        finally:
            child.close()
        output.seek(0)
        return code, output.read().decode()


def test_without_sockets_it_says_what_to_start_and_exits_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gate.toml").touch()
    with environment(LISTEN_FDS=None, LISTEN_PID=None):
        assert main(["run", "--config", str(tmp_path / "gate.toml")]) == ExitCode.WRONG
    assert capsys.readouterr().err.startswith(
        "socketgate: systemd passed no sockets: start the .socket unit instead of the service"
    )


def test_a_wrong_setting_is_told_before_any_socket_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gate.toml").write_text("[rules]\nalow = 1\n")
    assert main(["run", "--config", str(tmp_path / "gate.toml")]) == ExitCode.WRONG
    assert capsys.readouterr().err == (
        f"socketgate: {tmp_path}/gate.toml:2: rules.alow is unknown: did you mean 'allow'?\n"
    )


def test_a_socket_that_can_t_be_served_is_one_line_and_exit_2(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        code, said = refused(tmp_path, [("sshd", sock)])
    assert (code, said.count("\n")) == (2, 1)
    assert "use ListenStream= instead of ListenDatagram=" in said


def test_rules_that_can_t_be_used_are_one_line_and_exit_2(tmp_path: Path) -> None:
    (tmp_path / "hosts.deny").write_text("sshd 192.0.2.7\n")
    rules = f'[rules]\nallow = "{tmp_path}/hosts.allow"\ndeny = "{tmp_path}/hosts.deny"\n'
    with listening() as listener:
        code, said = refused(tmp_path, [("sshd", listener.sock)], rules)
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith(f"socketgate: {tmp_path}/hosts.deny:1:")


def test_why_it_does_not_start_is_told_to_systemd(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        refused(tmp_path, [], "nonsense\n", {"NOTIFY_SOCKET": str(tmp_path / "notify")})
        manager.setblocking(False)
        assert manager.recv(4096).startswith(b"STATUS=%b/gate.toml:1" % bytes(tmp_path))
