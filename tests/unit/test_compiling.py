# SPDX-License-Identifier: MIT
"""The compiling child's program. What it compiles: test_largerules.py, test_tablefile.py."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from socketgate.compiler import CHILD
from socketgate.compiling import ENDED_SOONER, OOM_SCORE_ADJ, answer_to, raise_oom_score
from socketgate.interpreter import words_to_run
from socketgate.largerules import CompilerStarved, Order, read_answer
from tests.support.largefiles import Files

#: Enough for the interpreter; less than the rules it is to read.
ADDRESS_SPACE_BYTES, FILE_BYTES = 128 << 20, 192 << 20


def answer_of_child(order: Order, *prefix: str) -> bytes:
    """What a child says, started by the command `prefix`."""
    words = [*prefix, *words_to_run(CHILD, order.as_text())]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout


def test_the_answer_is_where_the_table_is(tmp_path: Path) -> None:
    files = Files(tmp_path)
    answer = json.loads(answer_to(files.order().as_text()))
    assert [answer["index"]] == [str(path) for path in files.cache.glob("*.json")]


def test_what_goes_wrong_is_the_answer(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.cache.rmdir()
    answer = json.loads(answer_to(files.order().as_text()))
    assert answer["trouble"].startswith("FileNotFoundError: ")


def test_an_order_of_another_version_is_answered() -> None:
    assert "trouble" in json.loads(answer_to("[]"))


def test_a_child_without_memory_is_not_to_be_replaced_by_the_gate(tmp_path: Path) -> None:
    files = Files(tmp_path)
    os.truncate(files.deny, FILE_BYTES)  # takes no room on the disk
    said = answer_of_child(files.order(), "prlimit", f"--as={ADDRESS_SPACE_BYTES}")
    with pytest.raises(CompilerStarved, match="MemoryError"):
        read_answer(said)


def test_the_child_is_ended_before_the_gate_that_started_it(tmp_path: Path) -> None:
    """Once it has answered and isn't reaped yet, it still has its score."""
    said, saying = os.pipe()
    words = words_to_run(CHILD, Files(tmp_path).order().as_text())
    child = subprocess.Popen(words, stdout=saying)
    os.close(saying)
    try:
        with os.fdopen(said, "rb") as answer:
            answer.read()
        score = int(Path(f"/proc/{child.pid}/oom_score_adj").read_text())
    finally:
        child.kill()
        child.wait()
    assert score == max(ENDED_SOONER, int(OOM_SCORE_ADJ.read_text()))


@pytest.mark.parametrize(
    ("before", "after"),
    [("-500\n", str(ENDED_SOONER)), ("0\n", str(ENDED_SOONER)), ("900\n", "900\n")],
)
def test_the_score_only_rises(tmp_path: Path, before: str, after: str) -> None:
    score = tmp_path / "score"
    score.write_text(before)
    raise_oom_score(score)
    assert score.read_text() == after


def test_where_there_is_no_score_all_is_as_before(tmp_path: Path) -> None:
    raise_oom_score(tmp_path / "none")
    assert not (tmp_path / "none").exists()
