# SPDX-License-Identifier: MIT
"""`match` decides as libwrap does where it says so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from socketgate.cli import main

REQUEST = '{"daemon": "sshd", "addr": "192.0.2.7"}\n'


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """A folder where hosts.deny should be, and rules with a word that only the gate knows."""
    (tmp_path / "allow").write_text("ALL: dns:localhost\n")
    (tmp_path / "deny").mkdir()
    (tmp_path / "none.toml").write_text("")
    return [f"--{name}={tmp_path}/{name}" for name in ("allow", "deny")] + [
        f"--config={tmp_path}/none.toml"
    ]


def test_a_folder_is_an_empty_file_to_libwrap(files: list[str]) -> None:
    assert main(["match", "--libwrap", "sshd", "192.0.2.7", *files]) == 0


def test_lines_are_answered_as_libwrap_would(files: list[str]) -> None:
    command = [sys.executable, "-m", "socketgate", "match", "--jsonl", *files]
    done = subprocess.run(command, input=REQUEST, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert (answer["verdict"], answer["errors"]) == ("allow", [])
