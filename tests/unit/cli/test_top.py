# SPDX-License-Identifier: MIT
import contextlib
import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from socketgate.cli import main
from socketgate.cli.top import Sample, as_table, rows
from tests.support.controlled import HANDED_OVER, counters, gate_answering
from tests.support.waiting import PATIENCE_SECONDS

TERMINAL = {**os.environ, "TERM": "xterm", "LINES": "24", "COLUMNS": "100"}


def sample(at: float, handed_over: int) -> Sample:
    return Sample(at, (("sshd", counters(handed_over)),))


def test_rates_are_by_the_second() -> None:
    (row,) = rows(sample(10.0, 100), sample(12.0, 150))
    assert row == ("sshd", "*:22", "25.0", "25.0", "0.0", "2", "1", "154", "error 1")


def test_a_gate_that_is_new_has_no_rate_yet() -> None:
    (row,) = rows(Sample(10.0, ()), sample(12.0, 150))
    assert row[2] == "0.0"


def test_a_gate_that_has_started_again_counts_from_nothing() -> None:
    again = counters(40)
    again["started_at"] += 100
    (row,) = rows(sample(10.0, 100), Sample(12.0, (("sshd", again),)))
    assert row[3] == "20.0"


def test_a_gate_that_gives_no_answer_is_the_last_row() -> None:
    now = Sample(12.0, (("a", "doesn't answer"), ("sshd", counters())))
    found = rows(sample(10.0, HANDED_OVER), now)
    assert [row[:2] for row in found] == [("sshd", "*:22"), ("a", "doesn't answer")]


def test_the_busiest_comes_first() -> None:
    before = Sample(0.0, (("a", counters(5)), ("b", counters(5))))
    now = Sample(1.0, (("a", counters(6)), ("b", counters(9))))
    assert [row[2] for row in rows(before, now)] == ["4.0", "1.0"]


def test_the_table_has_a_line_for_each_socket() -> None:
    assert as_table(sample(0.0, 1), sample(1.0, 1)).count("\n") == 2


def test_tables_can_be_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with gate_answering(tmp_path, "sshd", {"Counters": counters()}):
        words = ["top", "--count", "2", "--seconds", "0.1", "--gates", str(tmp_path)]
        assert main(words) == 0
    assert capsys.readouterr().out.count("sshd") == 2


def test_each_look_can_be_a_line_of_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with gate_answering(tmp_path, "sshd", {"Counters": counters()}):
        words = ["top", "--count=2", "--json", "--seconds=0.1", "--gates", str(tmp_path)]
        assert main(words) == 0
    looks = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["sockets"][0]["outcomes"]["handed-over"] for one in looks] == [HANDED_OVER] * 2


def test_json_of_a_live_screen_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["top", "--json", "--gates", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "socketgate: top --json needs --count N\n"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--seconds=abc", "'abc': write a number of seconds from 0.1 to 3600"),
        ("--seconds=nan", "'nan': write a number of seconds from 0.1 to 3600"),
        ("--seconds=0", "'0': write a number of seconds from 0.1 to 3600"),
        ("--count=-3", "'-3': write a number from 1 up"),
        ("--count=0", "'0': write a number from 1 up"),
    ],
)
def test_a_number_that_makes_no_sense_is_told_in_words(
    capsys: pytest.CaptureFixture[str], option: str, said: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["top", option])
    assert said in capsys.readouterr().err


def test_a_gate_that_does_not_run_is_not_watched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["top", "sshd", "--count=1", "--gates", str(tmp_path)]) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_without_a_terminal_it_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with gate_answering(tmp_path, "sshd", {"Counters": counters()}):
        assert main(["top", "--gates", str(tmp_path)]) == 2
    assert "--count" in capsys.readouterr().err


@contextlib.contextmanager
def on_a_terminal(folder: Path, *words: str) -> Iterator[int]:
    """`top` at work: the other end of its terminal. It ends by q, and well."""
    near, far = pty.openpty()
    command = [sys.executable, "-m", "socketgate", "top", f"--gates={folder}", *words]
    with (
        os.fdopen(near, "rb", buffering=0),
        subprocess.Popen(command, stdin=far, stdout=far, stderr=far, env=TERMINAL) as top,
    ):
        os.close(far)
        yield near
        os.write(near, b"q")
        read_to_the_end(near)
    assert top.returncode == 0


def test_on_a_terminal_it_shows_what_there_is(tmp_path: Path) -> None:
    with (
        gate_answering(tmp_path, "sshd", {"Counters": counters(HANDED_OVER)}),
        on_a_terminal(tmp_path, "--seconds=0.1") as terminal,
    ):
        shown = read_until(terminal, b"REFUSED/s", b"sshd")
    assert b"1 gate, 6 bans" in shown


def test_nobody_waits_for_the_first_screen(tmp_path: Path) -> None:
    with (
        gate_answering(tmp_path, "smtp", {"Counters": counters()}),
        on_a_terminal(tmp_path, "--seconds=3600") as terminal,
    ):
        read_until(terminal, b"1 gate,")


def test_a_gate_that_starts_meanwhile_appears(tmp_path: Path) -> None:
    with (
        gate_answering(tmp_path, "smtp", {"Counters": counters()}),
        on_a_terminal(tmp_path, "--seconds=0.1") as terminal,
    ):
        read_until(terminal, b"1 gate,")
        with gate_answering(tmp_path, "sshd", {"Counters": counters()}):
            read_until(terminal, b"sshd")  # the one more that is shown


def test_a_gate_that_restarts_is_watched_on(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        with gate_answering(tmp_path, "sshd", {"Counters": counters()}):
            terminal = stack.enter_context(on_a_terminal(tmp_path, "sshd", "--seconds=0.1"))
            read_until(terminal, b"*:22")
        (tmp_path / "sshd").rmdir()
        read_until(terminal, b"answer")
        with gate_answering(tmp_path, "sshd", {"Counters": counters()}):
            read_until(terminal, b"*:22")


def read_until(terminal: int, *wanted: bytes) -> bytes:
    shown = b""
    while any(part not in shown for part in wanted):
        ready, _, _ = select.select([terminal], [], [], PATIENCE_SECONDS)
        assert ready, shown
        shown += os.read(terminal, 4096)
    return shown


def read_to_the_end(terminal: int) -> None:
    """EIO: nobody is at the other end any more (pty(7))."""
    try:
        while os.read(terminal, 4096):
            pass
    except OSError:
        return
