# SPDX-License-Identifier: MIT
import contextlib
import json
from pathlib import Path

import pytest

from socketgate.answers import INTERFACE
from socketgate.cli import main
from socketgate.varlink import CallFailed
from tests.support.controlled import gate_answering
from tests.support.waiting import environment

DONE = {"generation": 7, "changed": True, "count": 3}
SAME = {"generation": 7, "changed": False, "count": 1}
FAILED = CallFailed(f"{INTERFACE}.ReloadFailed", {"message": "hosts.deny:1: no colon"})


def test_what_is_in_force_now_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (
        gate_answering(tmp_path, "sshd", {"Reload": DONE}),
        gate_answering(tmp_path, "smtp", {"Reload": SAME}),
    ):
        assert main(["reload", "--gates", str(tmp_path)]) == 0
    assert capsys.readouterr().out == (
        "smtp: 1 rule in force already, generation 7\nsshd: 3 rules in force, generation 7\n"
    )


def test_json_has_what_each_gate_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        gate_answering(tmp_path, "a", {"Reload": DONE}),
        gate_answering(tmp_path, "b", {"Reload": FAILED}),
    ):
        assert main(["reload", "--json", "--gates", str(tmp_path)]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert answer["a"] == {"error": None, **DONE}
    assert "hosts.deny:1: no colon" in answer["b"]["error"]


def test_errors_in_the_files_are_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with gate_answering(tmp_path, "sshd", {"Reload": FAILED}):
        assert main(["reload", "sshd", "--gates", str(tmp_path)]) == 2
    assert "hosts.deny:1: no colon" in capsys.readouterr().err


def test_one_gates_errors_keep_no_other_from_reloading(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        gate_answering(tmp_path, "a", {"Reload": FAILED}),
        gate_answering(tmp_path, "b", {"Reload": DONE}),
    ):
        assert main(["reload", "--gates", str(tmp_path)]) == 2
    assert capsys.readouterr().out == "b: 3 rules in force, generation 7\n"


def test_in_a_gates_own_unit_it_is_that_gate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        gate_answering(tmp_path, "a", {"Reload": DONE}),
        gate_answering(tmp_path, "b", {"Reload": DONE}),
        environment(RUNTIME_DIRECTORY=str(tmp_path / "b")),
    ):
        assert main(["reload", "--gates", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("b: ")


@pytest.mark.parametrize("folder", ["/run/nginx", ""])
def test_in_a_unit_that_is_no_gates_it_is_all_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    with (
        gate_answering(tmp_path, "a", {"Reload": DONE}),
        contextlib.chdir(tmp_path),
        environment(RUNTIME_DIRECTORY=folder),
    ):
        assert main(["reload", "--gates", "."]) == 0
    assert capsys.readouterr().out.startswith("a: ")


def test_without_a_gate_it_fails(tmp_path: Path) -> None:
    assert main(["reload", "--gates", str(tmp_path)]) == 3
