# SPDX-License-Identifier: MIT
"""The shells complete what the parser takes."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from socketgate.bans import Ban, parse_net
from socketgate.banstore import Store
from socketgate.cli import VERBS
from tests.support.verbs import options_of
from tests.support.waiting import environment

PROJECT = Path(__file__).parents[1]
FOLDER = PROJECT / "packaging" / "completions"
NAMES = ("socketgate.bash", "_socketgate", "socketgate.fish")


class Offered(Protocol):
    """What a shell offers for the last of these words."""

    def __call__(self, *words: str, cwd: Path = PROJECT) -> set[str]: ...


#: How bash splits a line by itself.
COLONS_AND_EQUALS = re.compile("([:=]+)")

ASK_BASH = """
source "$0"
COMP_WORDBREAKS=$' \\t\\n\"><=;|&(:'
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_socketgate
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def banned(tmp_path: Path) -> Iterator[None]:
    """Two nets are banned, and `socketgate` on the PATH knows it."""
    Store(tmp_path / "bans").append(
        [Ban(parse_net("192.0.2.7"), 1), Ban(parse_net("2001:db8::/64"), 2)], 1.0
    )
    config = tmp_path / "socketgate.toml"
    config.write_text(f'[bans]\nstore = "{tmp_path}/bans"\n')
    program = tmp_path / "socketgate"
    run = f'PYTHONPATH="{PROJECT}" exec "{sys.executable}" -m socketgate'
    program.write_text(f'#!/bin/sh\n{run} "$@" --config "{config}"\n')
    program.chmod(0o755)
    with environment(PATH=f"{tmp_path}:{os.environ['PATH']}"):
        yield


def said(*words: str, cwd: Path = PROJECT) -> str:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


def bash(*words: str, cwd: Path = PROJECT) -> set[str]:
    script = str(FOLDER / "socketgate.bash")
    words = tuple(
        part for word in words for part in COLONS_AND_EQUALS.split(word) if part or not word
    )
    return set(said("bash", "-c", ASK_BASH, script, "socketgate", *words, cwd=cwd).split())


def fish(*words: str, cwd: Path = PROJECT) -> set[str]:
    line = " ".join(["socketgate", *words])
    script = f"source {FOLDER}/socketgate.fish; complete -C '{line}'"
    offered = said("fish", "--no-config", "-c", script, cwd=cwd).splitlines()
    return {one.partition("\t")[0] for one in offered}


def zsh(line: str) -> str:
    """The line once Tab is pressed at its end."""
    script = PROJECT / "tests" / "support" / "zsh_completion.zsh"
    words = ("zsh", "-f", str(script), str(FOLDER), line)
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.removesuffix("\n")


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
        ("socketgate check --no-l", "socketgate check --no-lookups "),
        ("socketgate unit x --handoff ch", "socketgate unit x --handoff channel "),
        ("socketgate launch --max 3 --stde", "socketgate launch --max 3 --stderr="),
        ("socketgate import xin", "socketgate import xinetd "),
        ("socketgate ban 192.0.2.7 --daemon AL", "socketgate ban 192.0.2.7 --daemon ALL "),
        ("socketgate explain sshd 192.0.2.7 us", "socketgate explain sshd 192.0.2.7 user="),
    ],
)
def test_zsh_completes_a_line(line: str, completed: str) -> None:
    assert zsh(line) == completed


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


@pytest.mark.parametrize("word", ["--handoff=ch", "--handoff=c"])
def test_bash_completes_behind_an_equals_sign(word: str) -> None:
    assert "channel" in bash("unit", "x", word)


@pytest.mark.usefixtures("banned")
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("verb", ["unban", "bans"])
def test_what_is_banned_is_offered(shell: Offered, verb: str) -> None:
    assert shell(verb, "") == {"192.0.2.7", "2001:db8::/64"}


@pytest.mark.usefixtures("banned")
def test_bash_completes_an_address_behind_a_colon() -> None:
    """It replaces what stands behind the last one only."""
    assert bash("unban", "2001:db") == {"db8::/64"}


@pytest.mark.usefixtures("banned")
def test_zsh_completes_an_address_that_is_banned() -> None:
    assert zsh("socketgate unban 2001") == "socketgate unban 2001:db8::/64 "


@pytest.mark.parametrize("shell", SHELLS)
def test_a_daemon_may_be_all(shell: Offered) -> None:
    assert "ALL" in shell("ban", "192.0.2.7", "--daemon", "")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("verb", ["explain", "match"])
def test_behind_the_address_come_keys(shell: Offered, verb: str) -> None:
    assert shell(verb, "sshd", "192.0.2.7", "na") == {"name="}


@pytest.mark.parametrize("shell", SHELLS)
def test_an_address_cannot_be_guessed(shell: Offered) -> None:
    assert shell("explain", "sshd", "") <= {""}


@pytest.mark.parametrize("shell", SHELLS)
def test_only_one_gate_is_named(shell: Offered) -> None:
    assert shell("status", "sshd", "") <= {""}


def test_bash_counts_no_value_of_an_option_as_a_word() -> None:
    words = ("explain", "--config", "x", "--json", "sshd", "192.0.2.7", "us")
    assert bash(*words) == {"user="}


def test_bash_completes_a_program_behind_two_dashes() -> None:
    assert "/usr/bin/env" in bash("exec", "--", "/usr/bin/en")
