# SPDX-License-Identifier: MIT
import argparse
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from socketgate import __version__
from socketgate.cli import INTERRUPTED, VERBS, ExitCode, build_parser, load_verb, main
from tests.support.verbs import options_of

PROJECT = Path(__file__).resolve().parents[2]
#: A program started in the background would else ignore it.
DEFAULT_SIGINT = ["env", "--default-signal=INT"]


def typed(*words: str) -> subprocess.CompletedProcess[str]:
    """The command as a user types it."""
    return subprocess.run(
        [sys.executable, "-m", "socketgate", *words],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


def exit_of(words: list[str]) -> int | str | None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    return caught.value.code


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_says_in_one_line_what_it_does(name: str) -> None:
    assert "\n" not in load_verb(name).HELP
    assert load_verb(name).HELP


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_its_own_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of([name, "--help"]) == 0
    assert f"socketgate {name}" in capsys.readouterr().out


def test_every_verb_that_may_use_a_pager_can_do_without() -> None:
    paging = {name for name in VERBS if hasattr(load_verb(name), "show")}
    assert paging == {name for name in VERBS if "no-pager" in options_of(name)}


def test_the_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of(["--help"]) == 0
    words = capsys.readouterr().out.split()
    assert [name for name in VERBS if name not in words] == []


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of(["--version"]) == 0
    assert capsys.readouterr().out == f"socketgate {__version__}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["statsu"], "there is no verb 'statsu': did you mean 'status'?", id="near"),
        pytest.param(
            ["qqq"], "there is no verb 'qqq': 'socketgate --help' lists those there are", id="far"
        ),
        pytest.param([], "which verb? 'socketgate --help' lists them", id="none"),
    ],
)
def test_a_verb_that_is_none_is_one_line_with_what_to_type_next(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(words) == ExitCode.WRONG
    assert capsys.readouterr().err == f"socketgate: {said}\n"


def test_a_mistake_in_the_arguments_is_one_line_with_what_to_type_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert exit_of(["status", "--nothing"]) == ExitCode.WRONG
    said = "unrecognized arguments: --nothing: 'socketgate status --help' says more"
    assert capsys.readouterr().err == f"socketgate status: {said}\n"


def test_only_the_typed_verb_s_module_is_loaded() -> None:
    parser = build_parser(["run"])
    with pytest.raises(SystemExit):
        parser.parse_args(["unit"])


def test_a_parser_knows_what_to_run() -> None:
    arguments = build_parser(["run"]).parse_args(["run", "--config", "/x"])
    assert isinstance(arguments, argparse.Namespace)
    assert (arguments.verb, arguments.config) == ("run", Path("/x"))


def test_the_exit_codes_are_the_contract_s() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "DENIED": 1,
        "WRONG": 2,
        "UNREACHABLE": 3,
        "NOT_PERMITTED": 4,
    }


def test_an_error_for_the_admin_is_one_line_and_exit_code_2() -> None:
    ended = typed("run", "--config", "/none.toml")
    assert (ended.returncode, ended.stdout, ended.stderr) == (
        2,
        "",
        "socketgate: /none.toml: can't be read: No such file or directory\n",
    )


def test_the_installed_command_is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--config", "/none.toml"]) == ExitCode.WRONG
    assert capsys.readouterr().err == (
        "socketgate: /none.toml: can't be read: No such file or directory\n"
    )


def test_ctrl_c_ends_a_command_without_a_word() -> None:
    words = [*DEFAULT_SIGINT, sys.executable, "-m", "socketgate", "match", "--jsonl"]
    files = ["--allow=/none", "--deny=/none", "--config=/dev/null"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*words, *files], cwd=PROJECT, stdin=pipe, stdout=pipe, stderr=pipe
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b'{"daemon": "sshd", "addr": "192.0.2.7"}\n')
        process.stdin.flush()
        process.stdout.readline()  # now it waits for more
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert (process.returncode, said) == (INTERRUPTED, b"")
