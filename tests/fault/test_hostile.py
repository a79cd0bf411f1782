# SPDX-License-Identifier: MIT
"""The short run of tests/fault/hostile.py: nothing but declared errors."""

from pathlib import Path

import pytest

from tests.fault.hostile import SIMPLE, Target, check, check_answers, targets

COUNT = 3000
#: Readers of files: each input is written first.
SLOW_COUNT = 600
SEED = 20


def test_what_hostile_text_is_made_of_is_right(tmp_path: Path) -> None:
    """Else next to nothing gets past a reader's first look."""
    for target in targets(tmp_path).values():
        for seed in target.seeds:
            target.read(seed)


@pytest.mark.parametrize("name", SIMPLE)
def test_hostile_text_raises_what_is_declared(name: str) -> None:
    check(SIMPLE[name], COUNT, SEED)


@pytest.mark.parametrize("name", ["host-file", "kept-rules", "compiled-table"])
def test_a_hostile_file_raises_what_is_declared(tmp_path: Path, name: str) -> None:
    check(targets(tmp_path)[name], SLOW_COUNT, SEED)


def test_hostile_answers_of_a_backend_raise_nothing() -> None:
    check_answers(COUNT, SEED)


def test_a_reader_that_raises_something_else_is_found() -> None:
    def read(data: bytes) -> None:
        if b"\0" in data:
            raise KeyError(data)

    with pytest.raises(KeyError) as caught:
        check(Target(read, (b"good",), (ValueError,)), COUNT, SEED)
    assert caught.value.__notes__[0].startswith("the input: b")
