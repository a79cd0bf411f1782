# SPDX-License-Identifier: MIT
"""docs/reliability.md names tests that exist, and every kind of fault test is in it."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
TEXT = (TESTS.parent / "docs" / "reliability.md").read_text()
NAMED = re.findall(r"`(?:(\w+)/)?(test_\w+)`", TEXT)


@pytest.mark.parametrize(("folder", "name"), NAMED)
def test_a_test_that_shows_a_promise_exists(folder: str, name: str) -> None:
    files = (TESTS / (folder or "fault")).rglob("test_*.py")
    assert any(f"def {name}(" in file.read_text() for file in files)


def test_the_document_names_tests() -> None:
    assert len(NAMED) > 30
