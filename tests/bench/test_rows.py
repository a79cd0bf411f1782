# SPDX-License-Identifier: MIT
"""The benchmark measures what it says, with numbers so small that its figures mean nothing."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.main import ROWS
from tests.bench.measure import Line, ratio
from tests.support import cgroup

pytestmark = pytest.mark.bench

RUN = Path(__file__).with_name("run")
PERFORMANCE = RUN.parents[2] / "docs" / "performance.md"
MOST_SECONDS = 90


def run_tiny(name: str) -> str:
    said = subprocess.run(
        (RUN, name, "--tiny", "--json"),
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_measured(name: str) -> None:
    (row,) = json.loads(run_tiny(name))["rows"]
    assert row["lines"]


def test_every_row_is_described() -> None:
    rows = PERFORMANCE.read_text().partition("## The rows")[2].partition("## Figures")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)) == ROWS.keys()


def test_the_control_group_of_a_run_that_was_killed_is_removed() -> None:
    with subprocess.Popen(("true",)) as ended:
        pass
    name = f"{cgroup.name_for('bench').rpartition('-')[0]}-{ended.pid}"
    groups = cgroup.make(name)
    try:
        run_tiny("decide")
        assert not any(map(Path.exists, groups))
    finally:
        cgroup.remove(name)


def test_a_figure_above_its_target_is_missed() -> None:
    values = (1.79, 1.8, 1.81)
    assert [Line("", value, "x", 1.8).is_missed for value in values] == [False, False, True]


def test_ratios_are_those_of_pairs() -> None:
    """A machine that got slower halfway changes both of a pair."""
    assert ratio([20.0, 60.0, 30.0], to=[10.0, 30.0, 15.0]) == 2.0
