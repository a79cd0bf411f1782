# SPDX-License-Identifier: MIT
import json
import os
import subprocess
import sys
from pathlib import Path

from socketgate.interpreter import words_to_run
from tests.support.running import PROJECT

SHOW = """
import json, sys
def main():
    print(json.dumps([sys.argv[1:], sys.path]))
"""
BECOME = """
import json, os, sys
from socketgate.interpreter import words_to_run
print(json.dumps(sys.path), flush=True)
words = words_to_run("shown", "a", "b c")
os.execv(words[0], words)
"""


def test_a_module_s_main_has_its_arguments_and_our_path(tmp_path: Path) -> None:
    (tmp_path / "shown.py").write_text(SHOW)
    env = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{PROJECT}"}
    output = subprocess.check_output([sys.executable, "-c", BECOME], env=env)
    before, after = map(json.loads, output.splitlines())
    assert after == [["a", "b c"], [folder for folder in before if folder]]


def test_what_lies_in_the_folder_we_are_in_is_not_run(tmp_path: Path) -> None:
    planted = tmp_path / "socketgate"
    planted.mkdir()
    (planted / "__init__.py").write_text("raise SystemExit('a stranger is here')")
    words = words_to_run("socketgate.compiling", "no order")
    assert b"trouble" in subprocess.check_output(words, cwd=tmp_path)
