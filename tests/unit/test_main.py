# SPDX-License-Identifier: MIT
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]

#: The command as installed, and which modules it has loaded when it ends.
LOADED = """
import sys
sys.argv = ["socketgate", *sys.argv[1:]]
from socketgate.__main__ import main
try:
    main()
finally:
    print("argparse" in sys.modules, "asyncio" in sys.modules)
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


def test_exec_is_a_part_of_every_connection_and_loads_no_argparse_nor_asyncio() -> None:
    assert ended("-c", LOADED, "exec", "--", "/bin/true").stdout == "False False\n"


def test_the_package_runs_as_the_command_does() -> None:
    done = ended("-m", "socketgate", "--version")
    assert (done.returncode, done.stdout.split()[:1]) == (0, ["socketgate"])
