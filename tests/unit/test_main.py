# SPDX-License-Identifier: MIT
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]

#: The command as installed, and which of these modules it has loaded when it ends.
LOADED = """
import sys
sys.argv = ["socketgate", *sys.argv[1:]]
try:
    with open("packaging/bin/socketgate") as command:
        exec(command.read())
finally:
    print(sorted({"argparse", "asyncio", "re", "enum"} & set(sys.modules)))
"""


def ended(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_exec_is_a_part_of_every_connection_and_loads_nothing_that_takes_long() -> None:
    assert ended("-S", "-c", LOADED, "exec", "--", "/bin/true").stdout == "[]\n"


def test_the_package_runs_as_the_command_does() -> None:
    done = ended("-m", "socketgate", "--version")
    assert (done.returncode, done.stdout.split()[:1]) == (0, ["socketgate"])
