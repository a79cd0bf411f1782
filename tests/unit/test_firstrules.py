# SPDX-License-Identifier: MIT
import os
import threading
from pathlib import Path

import pytest

from socketgate.compiler import Compiler
from socketgate.errors import RuleError
from socketgate.firstrules import FirstRules, first_rules
from socketgate.largerules import LARGE_BYTES
from socketgate.lastgood import LastGood
from tests.support.largefiles import Files
from tests.support.waiting import kill_first_child, play

NEVER_MATCHES = "0.0.0.0/0\n"


def started(files: Files) -> FirstRules:
    """What a gate begins with, whose copy is written before it ends."""

    async def start() -> FirstRules:
        last_good = LastGood(files.last_good)
        try:
            return first_rules(files.order().config, Compiler(files.order()), last_good)
        finally:
            await last_good.close()

    return play(start())


@pytest.fixture(params=["small", "large"])
def files(tmp_path: Path, request: pytest.FixtureRequest) -> Files:
    """Right rules that name a host file."""
    files = Files(tmp_path)
    count = LARGE_BYTES // 16 if request.param == "large" else 1
    files.deny.write_text("ALL: 203.0.113.9\n" * count + f"ALL: {tmp_path}/foes\n")
    (tmp_path / "foes").write_text("192.0.2.7\n")
    return files


def test_right_files_are_what_a_gate_begins_with(files: Files) -> None:
    assert started(files).error == ""


def test_wrong_files_are_replaced_by_the_copy(files: Files, tmp_path: Path) -> None:
    started(files)
    (tmp_path / "foes").write_text(NEVER_MATCHES)
    assert "never matches" in started(files).error


def test_without_a_copy_wrong_files_are_an_error(files: Files, tmp_path: Path) -> None:
    (tmp_path / "foes").write_text(NEVER_MATCHES)
    with pytest.raises(RuleError, match="never matches"):
        started(files)


@pytest.mark.parametrize("files", ["large"], indirect=True)
def test_a_compiling_process_that_is_killed_fails_the_start(files: Files) -> None:
    """The gate itself would be ended next, for want of memory."""
    killer = threading.Thread(target=kill_first_child, args=(os.getpid(),))
    killer.start()
    with pytest.raises(RuleError, match="the process that compiles was ended"):
        started(files)
    killer.join()


def test_the_host_files_of_wrong_files_are_known(files: Files, tmp_path: Path) -> None:
    """Whoever mends one of them is not to restart the gate."""
    started(files)
    (tmp_path / "more").write_text(NEVER_MATCHES)
    files.append(f"ALL: {tmp_path}/more\n")
    paths = (tmp_path / "foes", tmp_path / "more")
    assert started(files).host_files == {str(path).encode() for path in paths}
