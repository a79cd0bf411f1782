# SPDX-License-Identifier: MIT
"""The gate as a process: what its clients and its backend see, and what the files' changes do."""

import contextlib
import os
import pwd
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from socketgate.backend import Listener
from tests.support.running import RunningGate, listening

pytestmark = pytest.mark.integration

WAIT_SECONDS = 20.0
MANY = 10_000


@pytest.fixture
def settings(tmp_path: Path) -> str:
    return f'[daemon.test]\nbackend = "{tmp_path}/backend.sock"\n'


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Listener]:
    with Listener(tmp_path / "backend.sock") as listener:
        listener.settimeout(WAIT_SECONDS)
        yield listener


@pytest.fixture
def port() -> Iterator[socket.socket]:
    with listening() as sock:
        yield sock


def connect(port: socket.socket, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(port.getsockname(), WAIT_SECONDS, (source, 0))


def is_admitted(port: socket.socket, backend: Listener, source: str = "127.0.0.1") -> bool:
    """Whether this client reaches the backend; a refused one sees the end and nothing else."""
    with connect(port, source) as client:
        client.sendall(b"?")
        server = threading.Thread(target=answer_one, args=(backend,))
        server.start()
        with contextlib.suppress(ConnectionResetError):
            answer = client.recv(1)
            if answer:
                server.join()
                return True
    with connect(port, "127.0.0.99") as other:  # for the thread that still waits for a client
        other.sendall(b"?")
        server.join()
    return False


def answer_one(backend: Listener) -> None:
    client, _ = backend.accept()
    with client:
        client.sendall(client.recv(1))


def test_what_a_client_sent_before_the_handoff_reaches_the_backend(
    tmp_path: Path, settings: str, port: socket.socket
) -> None:
    with RunningGate(tmp_path, [("test", port)], settings=settings), connect(port) as client:
        client.sendall(b"early")
        with Listener(tmp_path / "backend.sock") as backend:
            backend.settimeout(WAIT_SECONDS)
            served, address = backend.accept()
            with served:
                assert address == client.getsockname()
                assert served.recv(100) == b"early"


def test_a_client_sees_the_end_as_soon_as_the_backend_closes(
    tmp_path: Path, settings: str, port: socket.socket, backend: Listener
) -> None:
    with RunningGate(tmp_path, [("test", port)], settings=settings), connect(port) as client:
        served, _ = backend.accept()
        served.close()
        assert client.recv(1) == b""


def test_no_descriptor_is_left_after_ten_thousand_connections(
    tmp_path: Path, settings: str, port: socket.socket, backend: Listener
) -> None:
    def serve() -> None:
        for _ in range(MANY):
            backend.accept()[0].close()

    with RunningGate(tmp_path, [("test", port)], settings=settings) as gate:
        with connect(port) as first:
            backend.accept()[0].close()
            assert first.recv(1) == b""
        before = gate.descriptors
        server = threading.Thread(target=serve)
        server.start()
        for _ in range(MANY):
            with connect(port) as client:
                assert client.recv(1) == b""
        server.join()
        deadline = time.monotonic() + WAIT_SECONDS
        while left := Counter(gate.descriptors) - Counter(before):
            assert time.monotonic() < deadline, left


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def replace_as_sed_does(path: Path, text: str) -> None:
    new = path.with_name(path.name + "XYZ")
    new.write_text(text)
    new.rename(path)


def delete_and_create(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


def write_in_place(path: Path, text: str) -> None:
    path.write_text(text)


def swap_a_link(path: Path, text: str) -> None:
    target = path.parent / "elsewhere" / "deny"
    target.parent.mkdir()
    target.write_text(text)
    path.unlink()
    path.symlink_to(target)


def write_slowly(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text[:-1])
        file.flush()
        os.fsync(file.fileno())
        file.write("\n")


@pytest.mark.parametrize(
    "change",
    [append, write_in_place, replace_as_sed_does, delete_and_create, swap_a_link, write_slowly],
)
def test_the_next_connection_is_decided_by_the_changed_file(
    tmp_path: Path,
    settings: str,
    port: socket.socket,
    backend: Listener,
    change: Callable[[Path, str], None],
) -> None:
    with RunningGate(tmp_path, [("test", port)], settings=settings) as gate:
        assert is_admitted(port, backend)
        change(gate.deny, "test: 127.0.0.1\n")
        assert not is_admitted(port, backend)


def test_a_host_file_is_watched_too(
    tmp_path: Path, settings: str, port: socket.socket, backend: Listener
) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.2\n")
    deny = f"test: {hosts}\n"
    with RunningGate(tmp_path, [("test", port)], deny=deny, settings=settings):
        assert is_admitted(port, backend)
        append(hosts, "127.0.0.1\n")
        assert not is_admitted(port, backend)


def test_each_of_many_changes_decides_the_very_next_connection(
    tmp_path: Path, settings: str, port: socket.socket, backend: Listener
) -> None:
    with RunningGate(tmp_path, [("test", port)], settings=settings) as gate:
        for _ in range(25):
            append(gate.deny, "test: 127.0.0.1\n")
            assert not is_admitted(port, backend)
            replace_as_sed_does(gate.deny, "")
            assert is_admitted(port, backend)


def test_connections_wait_while_no_backend_is_there(
    tmp_path: Path, settings: str, port: socket.socket
) -> None:
    with (
        RunningGate(tmp_path, [("test", port)], settings=settings),
        contextlib.ExitStack() as stack,
    ):
        clients = [stack.enter_context(connect(port)) for _ in range(700)]
        with Listener(tmp_path / "backend.sock", batch=32) as backend:
            backend.settimeout(WAIT_SECONDS)
            for _ in clients:
                backend.accept()[0].close()
        assert [client.recv(1) for client in clients] == [b""] * len(clients)


def test_the_refused_client_sees_the_end_and_the_journal_says_so(
    tmp_path: Path, settings: str, port: socket.socket
) -> None:
    deny = "test: 127.0.0.\n"
    with RunningGate(tmp_path, [("test", port)], deny=deny, settings=settings) as gate:
        with connect(port) as client:
            assert client.recv(1) == b""
        (entry,) = gate.wait_entries(1, SOCKETGATE_OUTCOME="refused")
        assert entry["MESSAGE"] == "refused connect from 127.0.0.1 (127.0.0.1)"
        assert (entry["SOCKETGATE_RULE_FILE"], entry["SOCKETGATE_RULE_LINE"]) == (
            str(gate.deny),
            "1",
        )


@pytest.mark.parametrize(
    ("rule", "user"),
    [
        pytest.param("test: {name}@ALL\n", "{name}", id="by-the-name-that-the-rule-needs"),
        pytest.param("test: ALL\n", "{uid}", id="by-the-number-when-none-does"),
    ],
)
def test_a_local_client_is_known_by_its_user(tmp_path: Path, rule: str, user: str) -> None:
    texts = {"name": pwd.getpwuid(os.geteuid()).pw_name, "uid": str(os.geteuid())}
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(tmp_path / "listener.sock"))
        listener.listen()
        with RunningGate(tmp_path, [("test", listener)], deny=rule.format_map(texts)) as gate:
            client.connect(listener.getsockname())
            (entry,) = gate.wait_entries(1, SOCKETGATE_OUTCOME="refused")
            assert entry["SOCKETGATE_CLIENT_USER"] == user.format_map(texts)
