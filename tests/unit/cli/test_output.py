# SPDX-License-Identifier: MIT
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from socketgate.cli import output
from socketgate.cli.output import Paint, Tone, pager_words, paint_for, printable
from tests.support import commands

CHECKOUT = Path(__file__).parents[3]
LONG = "from socketgate.cli.output import show; show('text\\n' * 3)"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "is_terminal", "is_on"),
    [
        pytest.param({}, True, True, id="a-terminal"),
        pytest.param({}, False, False, id="a-pipe"),
        pytest.param({"NO_COLOR": "1"}, True, False, id="NO_COLOR"),
        pytest.param({"NO_COLOR": ""}, True, True, id="an-empty-NO_COLOR-is-none"),
        pytest.param({"TERM": "dumb"}, True, False, id="a-dumb-terminal"),
        pytest.param({"SYSTEMD_COLORS": "0"}, True, False, id="SYSTEMD_COLORS-off"),
        pytest.param({"SYSTEMD_COLORS": "1"}, False, True, id="SYSTEMD_COLORS-on"),
        pytest.param({"SYSTEMD_COLORS": "1", "NO_COLOR": "1"}, True, True, id="systemd-wins"),
    ],
)
def test_colour_is_for_terminals_unless_the_environment_says_otherwise(
    environ: dict[str, str], is_terminal: bool, is_on: bool
) -> None:
    stream = Terminal() if is_terminal else io.StringIO()
    assert paint_for(stream, environ) == Paint(is_on)


def test_paint_ends_where_it_is_put() -> None:
    assert Paint(is_on=True)(Tone.BAD, "denied") == "\033[0;1;31mdenied\033[0m"


def test_no_paint_leaves_the_text_alone() -> None:
    assert Paint(is_on=False)(Tone.BAD, "denied") == "denied"


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        pytest.param({}, ["less"], id="less-if-nothing-is-said"),
        pytest.param({"PAGER": "more -s"}, ["more", "-s"], id="PAGER"),
        pytest.param({"SYSTEMD_PAGER": "most", "PAGER": "more"}, ["most"], id="systemd-first"),
        pytest.param({"SYSTEMD_PAGER": "", "PAGER": "more"}, [], id="an-empty-one-is-none"),
        pytest.param({"PAGER": "cat"}, [], id="cat-is-none"),
        pytest.param({"PAGER": "less '"}, [], id="a-quotation-mark-too-many"),
    ],
)
def test_the_environment_names_the_pager(environ: dict[str, str], words: list[str]) -> None:
    assert pager_words(environ) == words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param(b"ALL: ALL", "ALL: ALL", id="plain"),
        pytest.param("ü\t漢".encode(), "ü\t漢", id="letters-and-tabs"),
        pytest.param(b"\x1b[31m", "\\x1b[31m", id="escape"),
        pytest.param(b"\xff", "\\xff", id="no-utf-8"),
        pytest.param("\u202e", "\\u202e", id="right-to-left-override"),
        pytest.param("\ud800", "\\ud800", id="lone-surrogate"),
    ],
)
def test_foreign_text_cannot_speak_to_the_terminal(text: bytes | str, shown: str) -> None:
    assert printable(text) == shown


def test_a_table_has_aligned_columns() -> None:
    rows = [("sshd", "12"), ("漢", "3")]
    assert output.table(("DAEMON", "N"), rows, Paint(is_on=False)) == (
        "DAEMON N\nsshd   12\n漢     3\n"
    )


def test_fields_are_aligned_at_their_colons_and_empty_ones_left_out() -> None:
    pairs = [("Rule", ["a", "b"]), ("Facts", ["c"]), ("Options", [])]
    assert output.fields(pairs) == " Rule: a\n       b\nFacts: c\n"


def test_json_keeps_bytes_that_are_no_utf8() -> None:
    text = b"\xff".decode("utf-8", "surrogateescape")
    assert json.loads(output.json_text(text)) == text


def on_a_terminal(program: str, **environ: str) -> str:
    """What a program in Python writes to its terminal."""
    outer, inner = pty.openpty()
    try:
        result = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env=commands.environment({"TERM": "xterm", **environ}),
            cwd=CHECKOUT,
        )
        os.close(inner)
        shown = b"".join(iter(lambda: read(outer), b""))
        assert result.wait(timeout=60) == 0
    finally:
        os.close(outer)
    return shown.decode().replace("\r\n", "\n")


def read(terminal: int) -> bytes:
    """What comes next; nothing when nobody has the other end any more (EIO, pty(7))."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def test_on_a_terminal_the_pager_shows_it() -> None:
    assert on_a_terminal(LONG, SYSTEMD_PAGER="tr t T") == "TexT\n" * 3


def test_without_a_pager_it_is_printed() -> None:
    program = LONG.replace(")", ", by_pager=False)")
    assert on_a_terminal(program, SYSTEMD_PAGER="tr t T") == "text\n" * 3


def test_a_pager_that_is_not_there_is_done_without() -> None:
    assert on_a_terminal(LONG, SYSTEMD_PAGER="no-such-pager-here") == "text\n" * 3


def test_a_pager_that_ends_early_is_no_error() -> None:
    assert on_a_terminal(LONG, SYSTEMD_PAGER="head -n 1") == "text\n"


def test_in_a_pipe_there_is_no_pager() -> None:
    result = subprocess.run(
        [sys.executable, "-c", LONG],
        env=commands.environment({"SYSTEMD_PAGER": "tr t T"}),
        stdout=subprocess.PIPE,
        check=True,
        cwd=CHECKOUT,
    )
    assert result.stdout == b"text\n" * 3


def test_what_the_locale_has_no_letter_for_is_escaped() -> None:
    result = subprocess.run(
        [sys.executable, "-c", "from socketgate.cli.output import write; write('\u25cf \u00e9')"],
        env=commands.environment({"PYTHONIOENCODING": "latin-1"}),
        stdout=subprocess.PIPE,
        check=True,
        cwd=CHECKOUT,
    )
    assert result.stdout == b"\\u25cf \xe9"


def test_a_disk_that_is_full_is_one_line_and_exit_code_2() -> None:
    rules = ("--allow=/dev/null", "--deny=/dev/null")
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "socketgate", "match", *rules, "sshd", "192.0.2.7"],
            env=commands.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            cwd=CHECKOUT,
        )
    said = b"socketgate: standard output: No space left on device\n"
    assert (result.returncode, result.stderr) == (2, said)


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = subprocess.run(
            [sys.executable, "-c", LONG],
            env=commands.environment(),
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
            cwd=CHECKOUT,
        )
    finally:
        os.close(writing)
    assert (result.returncode, result.stderr) == (0, b"")
