# SPDX-License-Identifier: MIT
"""Two minutes of soak: no wrong answer, nobody lost but with a killed backend, nothing grown."""

import subprocess
from pathlib import Path

SOAK = Path(__file__).with_name("soak")
MINUTES = 2
#: For start and end.
MORE_SECONDS = 60


def test_a_soak_ends_well() -> None:
    words = [str(SOAK), "--minutes", str(MINUTES)]
    seconds = 60 * MINUTES + MORE_SECONDS
    ended = subprocess.run(words, check=False, capture_output=True, text=True, timeout=seconds)
    assert ended.returncode == 0, ended.stdout + ended.stderr
