# SPDX-License-Identifier: MIT
"""`socketgate exec` as one verb of many; what it does is socketgate.takeover's."""

import pytest

from socketgate.cli import ExitCode, main, parse
from socketgate.cli.exec import run
from socketgate.takeover import NOT_PERMITTED, UNREACHABLE, WRONG


def test_all_words_are_left_to_the_taking_over() -> None:
    arguments = parse("exec", ["sshd", "-i", "--verbose"])
    assert arguments.words == ["sshd", "-i", "--verbose"]
    assert arguments.run is run


def test_it_ends_with_the_exit_code_of_the_taking_over(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["exec"]) == ExitCode.WRONG
    assert "socketgate exec: which program?" in capsys.readouterr().err


def test_the_exit_codes_are_those_of_all_verbs() -> None:
    codes = (WRONG, UNREACHABLE, NOT_PERMITTED)
    assert codes == (ExitCode.WRONG, ExitCode.UNREACHABLE, ExitCode.NOT_PERMITTED)
