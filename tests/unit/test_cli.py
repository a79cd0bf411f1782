# SPDX-License-Identifier: MIT
import argparse
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from socketgate import __version__
from socketgate.cli import INTERRUPTED, VERBS, ExitCode, load_verb, main, parse
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
        pytest.param(
            ["--", "status"],
            "there is no verb '--': 'socketgate --help' lists those there are",
            id="two-dashes",
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
    program = "import sys; from socketgate.cli import parse; parse('run', []); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    of_verbs = {f"socketgate.cli.{name}" for name in VERBS.values()}
    assert of_verbs & set(done.stdout.split()) == {"socketgate.cli.run"}


def test_what_was_typed_says_what_to_run() -> None:
    arguments = parse("run", ["--config", "/x"])
    assert isinstance(arguments, argparse.Namespace)
    assert (arguments.run, arguments.config) == (load_verb("run").run, Path("/x"))


@pytest.mark.parametrize(
    ("typed_words", "found", "words"),
    [
        pytest.param("ban A --for 1m B", "net", ["A", "B"], id="ban"),
        pytest.param("ban A -- B", "net", ["A", "B"], id="after-two-dashes"),
        pytest.param("unban A --prefix 64 B", "net", ["A", "B"], id="unban"),
        pytest.param("bans --json A --origin x", "net", "A", id="bans"),
        pytest.param("match sshd --json A name=x", "words", ["sshd", "A", "name=x"], id="match"),
        pytest.param("explain sshd --json A", "words", ["sshd", "A"], id="explain"),
        pytest.param("status --json NAME --gates D", "name", "NAME", id="status"),
        pytest.param("top --count 1 NAME --json", "name", "NAME", id="top"),
        pytest.param("reload --json NAME", "name", "NAME", id="reload"),
        pytest.param("import xinetd A --json B", "files", ["A", "B"], id="import"),
        pytest.param("check --strict --no-lookups --", "strict", True, id="two-dashes-alone"),
        pytest.param("unit --listen 1 NAME --json -- P -i", "name", "NAME", id="unit"),
        pytest.param("unit N --listen 1 -- P -i --x", "program", ["P", "-i", "--x"], id="program"),
        pytest.param("launch --max 1 P -i", "command", ["P", "-i"], id="launch"),
    ],
)
def test_words_stand_before_between_and_behind_options(
    typed_words: str, found: str, words: object
) -> None:
    verb, *rest = typed_words.split()
    value = getattr(parse(verb, rest), found)
    assert ([str(one) for one in value] if isinstance(value, list) else value) == words


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
