# SPDX-License-Identifier: MIT
"""A gate that hangs beside one that works: the admin's tools say so soon, and go on."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running import PROJECT, RunningGate, listening

#: Three seconds for the gates that hang, the rest for a slow machine.
SOON_SECONDS = 30.0


@contextlib.contextmanager
def gate(folder: Path, name: str) -> Iterator[RunningGate]:
    """A gate whose control socket is where that of a unit would be, below folder/gates."""
    runtime = folder / "gates" / name
    runtime.mkdir(parents=True)
    (folder / name).mkdir()
    with (
        listening() as sock,
        RunningGate(folder / name, [(name, sock)], env={"RUNTIME_DIRECTORY": str(runtime)}) as one,
    ):
        yield one


@pytest.fixture(scope="module")
def gates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The option for the folder of two gates, `hung` and `works`."""
    folder = tmp_path_factory.mktemp("two")
    with gate(folder, "hung") as hung, gate(folder, "works"):
        hung.signal(signal.SIGSTOP)
        try:
            yield f"--gates={folder}/gates"
        finally:
            hung.signal(signal.SIGCONT)


def typed(*words: str) -> subprocess.CompletedProcess[str]:
    """The command, which has to end soon."""
    return subprocess.run(
        [sys.executable, "-m", "socketgate", *words],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=SOON_SECONDS,
    )


def test_status_shows_both(gates: str) -> None:
    done = typed("status", gates)
    assert "● hung - gate\nState: doesn't answer\n" in done.stdout
    assert "● works - socketgate" in done.stdout


def test_status_says_which_in_one_line_and_exits_3(gates: str) -> None:
    done = typed("status", gates)
    said = "socketgate: the gate hung doesn't answer, and 3 s should be enough\n"
    assert (done.returncode, done.stderr) == (3, said)


def test_in_json_it_is_silent(gates: str) -> None:
    answer = json.loads(typed("status", "--json", gates).stdout)
    assert {name: one["state"] for name, one in answer.items()} == {
        "hung": "silent",
        "works": "running",
    }


def test_reload_goes_on_with_the_other(gates: str) -> None:
    done = typed("reload", gates)
    assert (done.returncode, done.stdout) == (3, "works: 0 rules in force already, generation 1\n")


def test_a_reload_says_how_long_it_has_waited(gates: str) -> None:
    said = "socketgate: the gate hung doesn't answer, and 3 s should be enough\n"
    assert typed("reload", "hung", gates).stderr == said


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(("explain", "works", "192.0.2.7"), 0, id="of-the-other"),
        pytest.param(("explain", "hung", "192.0.2.7"), 3, id="of-the-one-that-hangs"),
        pytest.param(("explain", "nobody", "192.0.2.7"), 3, id="of-none"),
        pytest.param(("top", "works", "--count=1", "--seconds=0.1"), 0, id="top"),
        pytest.param(("top", "--count=1", "--seconds=0.1"), 0, id="top-of-all"),
        pytest.param(("metrics",), 0, id="metrics"),
    ],
)
def test_every_tool_ends_soon(gates: str, words: tuple[str, ...], code: int) -> None:
    assert typed(*words, gates).returncode == code


def test_many_that_hang_take_no_longer_than_one(gates: str, tmp_path: Path) -> None:
    """A minute, one after the other."""
    folder = Path(gates.partition("=")[2])
    for number in range(20):
        (tmp_path / f"hung{number}").symlink_to(folder / "hung")
    assert typed("status", f"--gates={tmp_path}").stdout.count("doesn't answer") == 20
