# SPDX-License-Identifier: MIT
"""What the kernel is asked for when a program is started: strace(1) tells."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
START_TRUE = """\
import os
from socketgate.program import parse_fields
from socketgate.spawn import Command

start = Command(["true"]).prepare(parse_fields({block!r}), 1)
os.waitpid(start(), 0)
"""


def children_made(tmp_path: Path, block: bytes) -> list[str]:
    """Calls that make a child for a client of these lines; threads are none."""
    trace = tmp_path / "trace"
    calls = "trace=fork,vfork,clone,clone3"
    strace = ["strace", "-f", "-qq", "-o", str(trace), "-e", "signal=none", "-e", calls]
    words = [*strace, sys.executable, "-c", START_TRUE.format(block=block)]
    subprocess.run(words, cwd=PROJECT, check=True)
    made = trace.read_text().splitlines()
    return [call for call in made if "resumed>" not in call and "CLONE_THREAD" not in call]


@pytest.mark.parametrize("block", [b"", b"UMASK=0027\n", b"NICE=1\n", b"UMASK=0027\nNICE=1\n"])
def test_a_program_is_started_without_a_copy_of_our_memory(tmp_path: Path, block: bytes) -> None:
    (call,) = children_made(tmp_path, block)
    assert "vfork(" in call or "CLONE_VFORK" in call


def test_a_child_that_becomes_another_user_has_a_memory_of_its_own(tmp_path: Path) -> None:
    (call,) = children_made(tmp_path, b"USER=nobody\n")
    assert "CLONE_VM" not in call
    assert "vfork(" not in call
