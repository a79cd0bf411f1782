# SPDX-License-Identifier: MIT
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from socketgate.cli import main
from socketgate.cli.top import Sample, as_table, rows
from tests.support.controlled import HANDED_OVER, counters, gate_answering
from tests.support.waiting import PATIENCE_SECONDS


def sample(at: float, handed_over: int) -> Sample:
    return Sample(at, (("sshd", counters(handed_over)),))


def test_rates_are_by_the_second() -> None:
    (row,) = rows(sample(10.0, 100), sample(12.0, 150))
    assert row == ("sshd", "*:22", "25.0", "25.0", "0.0", "2", "1", "154", "error 1")


def test_a_gate_that_is_new_has_no_rate_yet() -> None:
    (row,) = rows(Sample(10.0, ()), sample(12.0, 150))
    assert row[2] == "0.0"


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


def test_without_a_terminal_it_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with gate_answering(tmp_path, "sshd", {"Counters": counters()}):
        assert main(["top", "--gates", str(tmp_path)]) == 2
    assert "--count" in capsys.readouterr().err


def test_on_a_terminal_it_runs_until_q(tmp_path: Path) -> None:
    with gate_answering(tmp_path, "sshd", {"Counters": counters(HANDED_OVER)}):
        words = [sys.executable, "-m", "socketgate", "top", "--gates", str(tmp_path)]
        near, far = pty.openpty()
        with subprocess.Popen(
            [*words, "--seconds", "0.1"],
            stdin=far,
            stdout=far,
            stderr=far,
            env={**os.environ, "TERM": "xterm", "LINES": "24", "COLUMNS": "100"},
        ) as top:
            os.close(far)
            shown = read_until(near, b"REFUSED/s")
            os.write(near, b"q")
            read_to_the_end(near)
        os.close(near)
    assert (top.returncode, b"sshd" in shown) == (0, True)


def read_until(terminal: int, wanted: bytes) -> bytes:
    shown = b""
    while wanted not in shown or b"sshd" not in shown:
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
