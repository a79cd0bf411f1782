# SPDX-License-Identifier: MIT
"""The shells complete what the parser takes."""

import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest

from socketgate.cli import VERBS
from tests.support.verbs import options_of

PROJECT = Path(__file__).parents[1]
FOLDER = PROJECT / "packaging" / "completions"
NAMES = ("socketgate.bash", "_socketgate", "socketgate.fish")


class Offered(Protocol):
    """What a shell offers for the last of these words."""

    def __call__(self, *words: str, cwd: Path = PROJECT) -> set[str]: ...


ASK_BASH = """
source "$0"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_socketgate
printf '%s\\n' "${COMPREPLY[@]}"
"""


def said(*words: str, cwd: Path = PROJECT) -> str:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


def bash(*words: str, cwd: Path = PROJECT) -> set[str]:
    script = str(FOLDER / "socketgate.bash")
    return set(said("bash", "-c", ASK_BASH, script, "socketgate", *words, cwd=cwd).split())


def fish(*words: str, cwd: Path = PROJECT) -> set[str]:
    line = " ".join(["socketgate", *words])
    script = f"source {FOLDER}/socketgate.fish; complete -C '{line}'"
    offered = said("fish", "--no-config", "-c", script, cwd=cwd).splitlines()
    return {one.partition("\t")[0] for one in offered}


SHELLS: list[Offered] = [bash, fish]


@pytest.mark.parametrize("name", NAMES)
def test_the_completions_are_those_of_the_parser(name: str, tmp_path: Path) -> None:
    said(sys.executable, str(FOLDER / "generate.py"), str(tmp_path))
    same = (tmp_path / name).read_text() == (FOLDER / name).read_text()
    assert same, "run packaging/completions/generate.py"


def test_shellcheck_has_nothing_to_say() -> None:
    assert said("shellcheck", "--shell=bash", str(FOLDER / "socketgate.bash")) == ""


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("socketgate met", "socketgate metrics "),
        ("socketgate check --no", "socketgate check --no-lookups "),
        ("socketgate unit x --handoff ch", "socketgate unit x --handoff channel "),
        ("socketgate launch --max 3 --stde", "socketgate launch --max 3 --stderr="),
        ("socketgate import xin", "socketgate import xinetd "),
    ],
)
def test_zsh_completes_a_line(line: str, completed: str) -> None:
    script = PROJECT / "tests" / "support" / "zsh_completion.zsh"
    words = ("zsh", "-f", str(script), str(FOLDER), line)
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"{completed}\n"


def test_zsh_can_read_its_own() -> None:
    assert said("zsh", "-n", str(FOLDER / "_socketgate")) == ""


@pytest.mark.parametrize("verb", VERBS)
def test_zsh_is_told_every_option(verb: str) -> None:
    text = (FOLDER / "_socketgate").read_text()
    block = text.partition(f"\n        {verb})\n")[2].partition(";;")[0]
    assert {option for option in options_of(verb) if f"*--{option}" in block} == options_of(verb)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_first_word_is_a_verb(shell: Offered) -> None:
    assert set(VERBS) <= shell("")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_its_options(shell: Offered, verb: str) -> None:
    offered = {one.lstrip("-") for one in shell(verb, "--")} - {"help"}
    assert offered == options_of(verb)


@pytest.mark.parametrize("shell", SHELLS)
def test_an_option_has_its_choices(shell: Offered) -> None:
    assert shell("unit", "x", "--handoff", "c") == {"channel", "connection"}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_file_is_offered_where_one_is_wanted(shell: Offered, tmp_path: Path) -> None:
    (tmp_path / "hosts.allow").touch()
    assert shell("check", "--allow", "hosts", cwd=tmp_path) == {"hosts.allow"}


@pytest.mark.parametrize("shell", SHELLS)
def test_nothing_is_offered_where_nobody_can_guess(shell: Offered, tmp_path: Path) -> None:
    (tmp_path / "hosts.allow").touch()
    assert shell("ban", "--for", "", cwd=tmp_path) <= {""}


def test_bash_completes_behind_an_equals_sign() -> None:
    assert bash("unit", "x", "--handoff", "=", "ch") == {"channel"}


def test_bash_completes_a_program_behind_two_dashes() -> None:
    assert "/usr/bin/env" in bash("exec", "--", "/usr/bin/en")
