# SPDX-License-Identifier: MIT
"""The benchmark measures what it says, with numbers so small that its figures mean nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.main import ROWS
from tests.bench.measure import Line, ratio

pytestmark = pytest.mark.bench

RUN = Path(__file__).with_name("run")
MOST_SECONDS = 90


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_measured(name: str) -> None:
    words = (RUN, name, "--tiny", "--json")
    said = subprocess.run(
        words,
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    (row,) = json.loads(said.stdout)["rows"]
    assert row["lines"]


def test_a_figure_above_its_target_is_missed() -> None:
    values = (1.79, 1.8, 1.81)
    assert [Line("", value, "x", 1.8).is_missed for value in values] == [False, False, True]


def test_ratios_are_those_of_pairs() -> None:
    """A machine that got slower halfway changes both of a pair."""
    assert ratio([20.0, 60.0, 30.0], to=[10.0, 30.0, 15.0]) == 2.0
