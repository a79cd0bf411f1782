# SPDX-License-Identifier: MIT
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from socketgate.command_message import Ended, Job, encode_job, parse_ended
from socketgate.rules.keyword import CommandKind
from tests.support.waiting import PATIENCE_SECONDS

PROJECT = Path(__file__).parents[3]
LAUNCH = (sys.executable, "-m", "socketgate", "launch", "--commands")


def launched(*words: str) -> subprocess.CompletedProcess[str]:
    """What it says, with the null device for standard input."""
    return subprocess.run(
        [*LAUNCH, *words],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--", "true"), "--commands takes no program: the rules say what is run"),
        (("--stdin",), "--stdin is for a gate that starts us as a child"),
        ((), "no socket was passed: start it by a .socket unit, or name a path"),
    ],
)
def test_a_mistake_is_said_and_is_exit_code_2(words: tuple[str, ...], said: str) -> None:
    done = launched(*words)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


#: Starts a program with SIGCHLD ignored, as some that start others have it.
DEAF = ("env", "--ignore-signal=CHLD")


@pytest.mark.parametrize("before", [(), DEAF], ids=["as usual", "with SIGCHLD ignored"])
def test_on_a_channel_of_a_gate_it_ends_with_the_gate(before: tuple[str, ...]) -> None:
    job = Job(id=1, kind=CommandKind.SPAWN, start_seconds=60, end_seconds=60, command=b"exit 7")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.settimeout(PATIENCE_SECONDS)
        words = [*before, *LAUNCH, "--stdin"]
        process = subprocess.Popen(words, cwd=PROJECT, stdin=theirs.fileno())
        theirs.close()
        with process:
            ours.send(encode_job(job))
            answer = parse_ended(ours.recv(1000))
            ours.close()
            assert (answer, process.wait(60)) == ((1, Ended(7)), 0)


def test_standard_input_of_a_command_is_not_the_channel() -> None:
    command = b"test /dev/null = $(readlink /proc/self/fd/0)"
    job = Job(id=1, kind=CommandKind.SPAWN, start_seconds=60, end_seconds=60, command=command)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.settimeout(PATIENCE_SECONDS)
        with subprocess.Popen([*LAUNCH, "--stdin"], cwd=PROJECT, stdin=theirs.fileno()):
            ours.send(encode_job(job))
            answer = parse_ended(ours.recv(1000))
            ours.close()
            theirs.close()
    assert answer == (1, Ended(0))
