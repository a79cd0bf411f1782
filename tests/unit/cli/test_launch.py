# SPDX-License-Identifier: MIT
"""What `socketgate launch` says to mistakes; tests/integration/test_launch.py has it at work."""

from pathlib import Path

import pytest

from socketgate.cli import main

NO_SOCKET = "no socket was passed: start it by a .socket unit, or name a path"


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    return main(["launch", *words]), capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "which program? (socketgate launch -- PROGRAM ARGUMENTS)"),
        (("--",), "which program?"),
        (("--", "/no/such/program"), "'/no/such/program': no such program"),
        (("--", "true"), NO_SOCKET),
        (("--commands",), NO_SOCKET),
        (("--commands", "--", "true"), "--commands takes no program"),
        (("--listen", "/no/such/folder/x", "--", "true"), "/no/such/folder/x: No such file"),
    ],
)
def test_a_mistake_is_exit_code_2_and_says_what_to_do(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], text: str
) -> None:
    code, error = said(capsys, *words)
    assert (code, text in error) == (2, True), error


@pytest.mark.parametrize("number", ["0", "-1", "x"])
def test_a_number_of_places_is_at_least_one(
    capsys: pytest.CaptureFixture[str], number: str
) -> None:
    with pytest.raises(SystemExit):
        main(["launch", f"--max={number}", "--", "true"])
    assert "--max" in capsys.readouterr().err


def test_a_path_in_use_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    code, error = said(capsys, "--listen", str(path), "--", "true")
    assert (code, "Address already in use" in error) == (2, True), error


def test_help_shows_where_the_program_stands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["launch", "--help"])
    assert "socketgate launch [OPTION ...] -- PROGRAM [ARGUMENT ...]" in capsys.readouterr().out
