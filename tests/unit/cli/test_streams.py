# SPDX-License-Identifier: MIT
import io
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from socketgate.banstore import Store
from socketgate.cli.streams import put
from tests.support import commands

CHECKOUT = Path(__file__).parents[3]
NO_RULES = "--allow=/dev/null --deny=/dev/null --config=/dev/null"
CLOSED = b"socketgate: standard output: Bad file descriptor\n"
FULL = b"socketgate: standard output: No space left on device\n"

#: A verb of each way to print: by the pager's module, as lines, by argparse.
PRINTING = [
    pytest.param(f"match {NO_RULES} sshd 192.0.2.7", id="match"),
    pytest.param(f"match {NO_RULES} --jsonl", id="jsonl"),
    pytest.param("unit sshd --listen 22 -- /usr/sbin/sshd -i", id="unit"),
    pytest.param("check --help", id="a-verb-s-help"),
    pytest.param("--help", id="help"),
    pytest.param("--version", id="version"),
]


def typed(
    words: str, redirection: str = "", stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    """The command as a shell runs it with this after it."""
    return subprocess.run(
        ["/bin/sh", "-c", f"exec {sys.executable} -m socketgate {words} {redirection}"],
        input=b'{"daemon": "sshd", "addr": "192.0.2.7"}\n',
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=commands.environment(),
        check=False,
        cwd=CHECKOUT,
    )


@pytest.mark.parametrize("words", PRINTING)
@pytest.mark.parametrize(
    ("redirection", "said"),
    [pytest.param(">&-", CLOSED, id="closed"), pytest.param(">/dev/full", FULL, id="full")],
)
def test_what_cannot_be_printed_is_one_line_and_exit_code_2(
    words: str, redirection: str, said: bytes
) -> None:
    done = typed(words, redirection)
    assert (done.returncode, done.stderr) == (2, said)


@pytest.mark.parametrize("words", PRINTING)
def test_a_reader_that_has_seen_enough_is_no_error(words: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = typed(words, stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_verb_that_prints_nothing_needs_no_standard_output(tmp_path: Path) -> None:
    config = tmp_path / "socketgate.toml"
    config.write_text(f'[bans]\nstore = "{tmp_path}/bans"\n')
    done = typed(f"ban 192.0.2.7 --config {config}", ">&-")
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_error_does_not_go_to_standard_output_when_standard_error_is_closed() -> None:
    done = typed("status --gates /none", "2>&-")
    assert (done.returncode, done.stdout) == (3, b"")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param("status --gates /none", 3, id="an-error"),
        pytest.param("statsu", 2, id="no-verb"),
        pytest.param("status --none", 2, id="no-option"),
    ],
)
def test_an_error_that_cannot_be_said_leaves_the_exit_code(words: str, code: int) -> None:
    assert typed(words, "2>/dev/full").returncode == code


def test_a_hint_that_cannot_be_said_keeps_nobody_from_being_banned(tmp_path: Path) -> None:
    config = tmp_path / "socketgate.toml"
    config.write_text(f'[bans]\nstore = "{tmp_path}/bans"\n')
    words = f"ban 192.0.2.7 --daemon no-such-daemon --config {config}"
    assert typed(words, "2>/dev/full").returncode == 0
    assert [one.net.name for one in Store(tmp_path / "bans").bans(time.time())] == ["192.0.2.7"]


def test_no_requests_come_from_a_standard_input_that_is_closed() -> None:
    done = typed(f"match {NO_RULES} --jsonl", "<&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_what_is_put_is_there_at_once() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as reader, os.fdopen(writing, "w") as writer:
        assert put("a line\n", writer)
        assert reader.readline() == "a line\n"


def test_a_text_can_be_put_anywhere() -> None:
    stream = io.StringIO()
    put("a line\n", stream)
    assert stream.getvalue() == "a line\n"


def test_a_complaint_is_written_at_once() -> None:
    """Else those of two threads get mixed."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, its:
        subprocess.run(
            [sys.executable, "-m", "socketgate", "statsu"],
            stderr=its.fileno(),
            env=commands.environment(),
            check=False,
            cwd=CHECKOUT,
        )
        assert ours.recv(4096).endswith(b"\n")
