# SPDX-License-Identifier: MIT
"""The shipped AppArmor profile is one, as far as the parser can tell without the kernel."""

import subprocess
from pathlib import Path

import pytest

PROFILE = Path(__file__).resolve().parents[2] / "packaging" / "apparmor" / "socketgate"
#: -Q: not into the kernel; -K: no cache; both so that it works wherever AppArmor isn't.
PARSER = ("/usr/sbin/apparmor_parser", "-Q", "-K")


def parse(path: Path) -> int:
    return subprocess.run([*PARSER, path], check=False, capture_output=True).returncode


def test_the_parser_takes_the_profile() -> None:
    assert parse(PROFILE) == 0


@pytest.mark.parametrize("mistake", ["netwrk inet stream,", "/etc/hosts.deny rz,", "{"])
def test_the_parser_sees_a_mistake(tmp_path: Path, mistake: str) -> None:
    spoilt = tmp_path / "spoilt"
    spoilt.write_text(PROFILE.read_text().replace("deny capability,", mistake))
    assert parse(spoilt) != 0


def test_the_profile_starts_nothing_but_the_interpreter_within_itself() -> None:
    rules = [line.strip() for line in PROFILE.read_text().splitlines() if line.startswith("  /")]
    executes = {rule for rule in rules if "x" in rule.rpartition(" ")[2]}
    assert executes == {"/usr/bin/python3* mrix,"}
