# SPDX-License-Identifier: MIT
"""docs/reliability.md names tests that exist, and every kind of fault test is in it."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
TEXT = (TESTS.parent / "docs" / "reliability.md").read_text()
NAMED = re.findall(r"`(?:(\w+)/)?(test_\w+)`", TEXT)
#: Tests of this folder that show no promise: they are about the tests.
ABOUT_TESTS = {"test_reliability.py", "test_hostile.py"}


@pytest.mark.parametrize(("folder", "name"), NAMED)
def test_a_test_that_shows_a_promise_exists(folder: str, name: str) -> None:
    files = (TESTS / (folder or "fault")).rglob("test_*.py")
    assert any(f"def {name}(" in file.read_text() for file in files)


def test_every_fault_test_is_in_the_document() -> None:
    files = Path(__file__).parent.glob("test_*.py")
    texts = [path.read_text() for path in files if path.name not in ABOUT_TESTS]
    tests = {name for text in texts for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}
    assert tests - {name for _, name in NAMED} == set()
