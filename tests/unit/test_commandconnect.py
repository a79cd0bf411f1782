# SPDX-License-Identifier: MIT
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from socketgate.command_message import Ended, Job, encode_job, parse_ended
from socketgate.commandconnect import DEFAULT_SOCKET, OwnRunner, RunnerAt, runner_path, to_do
from socketgate.errors import BackendUnavailable
from socketgate.rules.keyword import CommandKind
from tests.support.descriptors import no_free_descriptor
from tests.support.waiting import PATIENCE_SECONDS


@pytest.mark.parametrize(
    ("configured", "runtime", "expected"),
    [
        (None, "/run/socketgate/gate/sshd", DEFAULT_SOCKET),
        (None, "", None),
        (Path("/c.sock"), "", Path("/c.sock")),
        (Path("/c.sock"), "/run/x", Path("/c.sock")),
    ],
)
def test_the_runner_is_the_configured_one_the_units_or_our_own(
    configured: Path | None, runtime: str, expected: Path | None
) -> None:
    environ = {"RUNTIME_DIRECTORY": runtime} if runtime else {}
    assert runner_path(configured, environ) == expected


@contextlib.contextmanager
def listening(path: Path, backlog: int = 1) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.bind(str(path))
        sock.listen(backlog)
        yield sock


def test_a_runner_on_a_path_is_connected_to(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    with listening(path) as sock, RunnerAt(path).connect() as ours, sock.accept()[0] as theirs:
        ours.send(b"job")
        assert theirs.recv(10) == b"job"


def test_a_path_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable, match=r"c\.sock isn't there: start the command "):
        RunnerAt(tmp_path / "c.sock").connect()


def test_that_a_path_is_not_there_is_seen_without_connecting(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    with pytest.raises(BackendUnavailable, match=r"c\.sock isn't there: start the command "):
        RunnerAt(path).check()
    with listening(path) as sock:
        sock.settimeout(0)
        RunnerAt(path).check()
        with pytest.raises(BlockingIOError):
            sock.accept()


def test_a_path_that_nobody_listens_on_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    with listening(path):
        pass
    with pytest.raises(BackendUnavailable, match=rf"^nobody listens on {path}: start the command "):
        RunnerAt(path).connect()


def test_where_the_units_runner_should_be_its_socket_is_to_be_started() -> None:
    assert to_do(DEFAULT_SOCKET) == "systemctl start socketgate-command.socket"


def test_a_folder_that_anybody_can_write_to_is_not_trusted(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with listening(folder / "c.sock"), pytest.raises(BackendUnavailable, match="written by others"):
        RunnerAt(folder / "c.sock").connect()


def test_a_full_queue_is_tried_again_later(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    runner = RunnerAt(path)
    with listening(path, backlog=0), runner.connect(), pytest.raises(BlockingIOError):
        runner.connect()


def test_without_a_free_descriptor_a_runner_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    runner = RunnerAt(path)
    with (
        listening(path),
        no_free_descriptor(),
        pytest.raises(BackendUnavailable, match="Too many open files"),
    ):
        runner.connect()


def test_without_a_free_descriptor_a_runner_of_our_own_is_unavailable() -> None:
    runner = OwnRunner()
    with no_free_descriptor(), pytest.raises(BackendUnavailable, match="Too many open files"):
        runner.connect()


def test_a_gate_run_by_hand_has_a_runner_of_its_own() -> None:
    job = Job(id=1, kind=CommandKind.ACLEXEC, start_seconds=60, end_seconds=60, command=b"exit 7")
    runner = OwnRunner()
    with contextlib.closing(runner), runner.connect() as ours:
        ours.settimeout(PATIENCE_SECONDS)
        ours.send(encode_job(job))
        assert parse_ended(ours.recv(1000)) == (1, Ended(7))


def test_our_own_runner_ends_with_its_channel() -> None:
    runner = OwnRunner()
    runner.connect().close()
    runner._reap(PATIENCE_SECONDS)
    runner.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
