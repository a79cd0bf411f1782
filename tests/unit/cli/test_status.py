# SPDX-License-Identifier: MIT
import json
from pathlib import Path

import pytest

from socketgate.cli import main
from tests.support.controlled import gate_answering, status


def test_json_has_every_gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with gate_answering(tmp_path, "sshd", {"Status": status()}):
        assert main(["status", "--json", "--gates", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == {"sshd": {"state": "running", **status()}}


def test_one_gate_can_be_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (
        gate_answering(tmp_path, "sshd", {"Status": status("sshd")}),
        gate_answering(tmp_path, "smtp", {"Status": status("smtp")}),
    ):
        assert main(["status", "smtp", "--gates", str(tmp_path)]) == 0
    assert "sshd" not in capsys.readouterr().out


def test_a_gate_that_does_not_answer_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        gate_answering(tmp_path, "sshd", {"Status": status()}),
        gate_answering(tmp_path, "smtp", {}),
    ):
        assert main(["status", "--gates", str(tmp_path)]) == 3
    assert "● sshd" in capsys.readouterr().out


def test_without_a_gate_there_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--gates", str(tmp_path)]) == 3
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
