# SPDX-License-Identifier: MIT
"""Somebody else on the way to a backend: nothing is handed over, and the journal says why."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.backendstub import BackendStub, nothing_came
from tests.support.forked import NOBODY, as_nobody
from tests.support.running import RunningGate, listening

WAIT_SECONDS = 20.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A backend's folder as it should be."""
    folder = tmp_path / "backend"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture
def port() -> Iterator[socket.socket]:
    with listening() as sock:
        yield sock


def of_another_user(folder: Path) -> None:
    os.chown(folder, NOBODY, NOBODY)


def writable_by_others(folder: Path) -> None:
    folder.chmod(0o777)


def behind_a_strangers_link(folder: Path) -> None:
    """Someone else's link in a folder where everybody may make one."""
    (folder / "test.sock").rename(folder / "real.sock")
    folder.chmod(0o1777)
    link = folder / "test.sock"
    link.symlink_to(folder / "real.sock")
    os.lchown(link, NOBODY, NOBODY)


def replaced_by_a_file(folder: Path) -> None:
    (folder / "test.sock").rename(folder / "real.sock")
    (folder / "test.sock").write_text("")


def replaced_by_a_link_to_itself(folder: Path) -> None:
    (folder / "test.sock").rename(folder / "real.sock")
    (folder / "test.sock").symlink_to(folder / "test.sock")


@pytest.mark.parametrize(
    "spoil",
    [
        of_another_user,
        writable_by_others,
        behind_a_strangers_link,
        replaced_by_a_file,
        replaced_by_a_link_to_itself,
    ],
    ids=lambda function: function.__name__,
)
def test_nobody_is_handed_over_by_a_path_that_others_command(
    tmp_path: Path, folder: Path, port: socket.socket, spoil: Callable[[Path], None]
) -> None:
    """Also when the path was good until a moment ago."""
    settings = (
        f'[limits]\nhandoff-seconds = 1\n[daemon.test]\nbackend = "{folder}/test.sock"\n'
        'handoff = "connection"\n'
    )
    with (
        BackendStub(folder / "test.sock") as backend,
        RunningGate(tmp_path, [("test", port)], settings=settings) as gate,
    ):
        with socket.create_connection(port.getsockname(), WAIT_SECONDS):
            with backend.accept() as peer:
                (client,) = peer.take()
                peer.answer(f"ACK={client.id}")
            gate.wait_entries(1, SOCKETGATE_OUTCOME="handed-over")
        spoil(folder)
        with socket.create_connection(port.getsockname(), WAIT_SECONDS) as client_sock:
            gate.wait_entries(1, SOCKETGATE_OUTCOME="backend-unavailable")
            assert client_sock.recv(1) == b""
            assert not backend.has_waiting()
        texts = [entry.get("MESSAGE", "") for entry in gate.inbox.entries]
        assert any(str(folder) in text and "trying again" in text for text in texts), texts


def test_a_process_of_another_user_gets_nobody(
    tmp_path: Path, folder: Path, port: socket.socket
) -> None:
    """It may listen on a good path: it was let in by whoever made the folder."""
    path = folder / "test.sock"
    settings = f'[limits]\nhandoff-seconds = 1\n[daemon.test]\nbackend = "{path}"\n'
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
        stranger.bind(str(path))

        def listen_as_nobody() -> str:
            stranger.listen()  # whose credentials the gate sees (SO_PEERCRED)
            return "listens"

        assert as_nobody(listen_as_nobody) == "listens"
        with (
            RunningGate(tmp_path, [("test", port)], settings=settings) as gate,
            socket.create_connection(port.getsockname(), WAIT_SECONDS) as client,
        ):
            gate.wait_entries(1, SOCKETGATE_OUTCOME="backend-unavailable")
            assert client.recv(1) == b""
            assert nothing_came(stranger)
