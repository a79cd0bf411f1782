# SPDX-License-Identifier: MIT
"""The show of packaging/try: how it ends, and that it leaves nothing behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from socketgate.answers import SOCKET

pytestmark = pytest.mark.integration

PROJECT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0


@contextmanager
def show(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """The show, with its folder in this one."""
    with subprocess.Popen(
        [sys.executable, "packaging/show.py", *words],
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def ended_by(number: signal.Signals, folder: Path) -> tuple[int, str]:
    """How the show ends when everything of it gets this signal, and what it says after that."""
    with show(folder) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Ctrl-C ends it" in line:
                break
        os.killpg(process.pid, number)
        rest, _ = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, rest


def test_the_show_goes_well_and_leaves_nothing(tmp_path: Path) -> None:
    with show(tmp_path, "--once") as process:
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, list(tmp_path.iterdir())) == (0, []), said


def test_the_gate_s_folders_are_in_the_folder_of_the_show(tmp_path: Path) -> None:
    with show(tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Ctrl-C ends it" in line:
                break
        (folder,) = tmp_path.iterdir()
        found = {path.name for path in folder.iterdir()}
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=PATIENCE_SECONDS)
    assert SOCKET in found


def test_ctrl_c_ends_the_show_quietly(tmp_path: Path) -> None:
    code, rest = ended_by(signal.SIGINT, tmp_path)
    assert (code, "Traceback" in rest, list(tmp_path.iterdir())) == (0, False, [])


def test_sigterm_takes_the_folder_away(tmp_path: Path) -> None:
    ended_by(signal.SIGTERM, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_before_the_end_is_quiet(tmp_path: Path) -> None:
    with show(tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert ("Traceback" in rest, list(tmp_path.iterdir())) == (False, [])
