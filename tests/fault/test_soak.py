# SPDX-License-Identifier: MIT
"""A short soak: no wrong answer, nobody lost beyond those a killed backend had, nothing grown."""

import subprocess
from pathlib import Path

SOAK = Path(__file__).with_name("soak")


def test_a_short_soak_ends_well() -> None:
    ended = subprocess.run(
        [SOAK, "--minutes", "0.25"], check=False, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
