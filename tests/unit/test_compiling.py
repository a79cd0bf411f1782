# SPDX-License-Identifier: MIT
"""The compiling child's program. What it compiles: test_largerules.py, test_tablefile.py."""

import json
from pathlib import Path

from socketgate.compiling import answer_to
from tests.support.largefiles import Files


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
