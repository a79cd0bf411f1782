# SPDX-License-Identifier: MIT
"""A pytest plugin that writes down how many tests had which outcome, for runner.py.

`pytest -p tests.support.tally --tally FILE`: one JSON object, outcome to count.
"""

import json
from pathlib import Path

import pytest

#: pytest's words for outcomes that count; the others are about the run, not about tests.
OUTCOMES = ("passed", "failed", "error", "skipped", "xfailed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --tally."""
    parser.addoption("--tally", type=Path, help="write the counts of outcomes to this file")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Write the counts."""
    path = config.getoption("--tally")
    if isinstance(path, Path):
        stats = terminalreporter.stats
        path.write_text(json.dumps({word: len(stats.get(word, [])) for word in OUTCOMES}))
