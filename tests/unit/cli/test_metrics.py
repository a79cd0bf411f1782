# SPDX-License-Identifier: MIT
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from socketgate.cli import main
from socketgate.cli.gates import running_gates
from socketgate.cli.metrics import read_gates
from socketgate.metrics import Silence

PROJECT = Path(__file__).resolve().parents[3]


def without_the_library(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command where prometheus_client can't be imported."""
    (tmp_path / "prometheus_client.py").write_text("raise ImportError\n")
    return subprocess.run(
        [sys.executable, "-m", "socketgate", *words],
        env={"PYTHONPATH": f"{tmp_path}:{PROJECT}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("words", [[], ["--output=/nowhere/x.prom"], ["--serve"]])
def test_without_the_library_it_says_what_to_install(tmp_path: Path, words: list[str]) -> None:
    done = without_the_library(tmp_path, "metrics", f"--gates={tmp_path}", *words)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "install python3-prometheus-client" in done.stderr


def test_without_the_library_there_is_help(tmp_path: Path) -> None:
    done = without_the_library(tmp_path, "--help")
    assert (done.returncode, done.stderr) == (0, "")


def test_without_gates_nothing_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", f"--gates={tmp_path}"]) == 0
    assert capsys.readouterr().out.startswith("# HELP socketgate_up ")


def test_a_file_is_written(tmp_path: Path) -> None:
    assert main(["metrics", f"--gates={tmp_path}", f"--output={tmp_path}/x.prom"]) == 0
    assert (tmp_path / "x.prom").read_text().startswith("# HELP socketgate_up ")


def test_a_folder_that_is_not_there_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "no" / "x.prom"
    assert main(["metrics", f"--gates={tmp_path}", f"--output={path}"]) == 2
    said = f"socketgate: --output {path}: No such file or directory\n"
    assert capsys.readouterr().err == said


def test_without_passed_sockets_there_is_nothing_to_serve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["metrics", "--serve", f"--gates={tmp_path}"]) == 2
    assert "enable --now socketgate-metrics.socket" in capsys.readouterr().err


def test_a_gate_that_was_killed_is_down(tmp_path: Path) -> None:
    (tmp_path / "sshd").mkdir()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "sshd" / "control"))  # and nobody listens
        assert read_gates(running_gates(tmp_path)) == {"sshd": Silence.DOWN}
