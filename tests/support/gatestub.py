# SPDX-License-Identifier: MIT
"""Plays the gate towards a backend over a real sequential-packet socket, message by message.

with GateStub.connect(path) as gate, client_pair() as (near, far):
    gate.hand_over(1, far)
    assert gate.answer() == b"ACK=1\\n"
"""

import contextlib
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

#: No test waits longer for anything.
PATIENCE_SECONDS = 20.0


class GateStub:
    """The gate's end of a channel."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(PATIENCE_SECONDS)

    @classmethod
    def connect(cls, path: Path) -> Self:
        """Connect to a backend."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            sock.connect(str(path))
        except BaseException:  # nothing stays behind, whatever it was; it is raised on
            sock.close()
            raise
        return cls(sock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.sock.close()

    def hand_over(self, number: int, client: socket.socket, *lines: str) -> None:
        """Send one client, as the gate does, and keep no copy of it."""
        self.send(block(number, client, *lines), client)
        client.close()

    def send(self, text: bytes, *clients: socket.socket) -> None:
        """Send any text with any descriptors; the caller's copies stay."""
        socket.send_fds(self.sock, [text], [client.fileno() for client in clients])

    def answer(self) -> bytes:
        """The next message from the backend; empty when it closed the channel."""
        try:
            return self.sock.recv(4096)
        except ConnectionResetError:  # it closed with messages unread: told once, before the rest
            return self.sock.recv(4096)

    def answers(self, count: int) -> Sequence[bytes]:
        """So many messages."""
        return [self.answer() for _ in range(count)]


@contextlib.contextmanager
def channel() -> Iterator[tuple[GateStub, socket.socket]]:
    """A channel without a listening socket: the gate's end, and the backend's."""
    gate, backend = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with GateStub(gate) as stub, backend:
        yield stub, backend


@contextlib.contextmanager
def client_pair(host: str = "127.0.0.1") -> Iterator[tuple[socket.socket, socket.socket]]:
    """A TCP connection over loopback: the client's end, and the end that a gate has accepted."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listening:
        near = socket.create_connection(listening.getsockname()[:2], timeout=PATIENCE_SECONDS)
        with near:
            far, _ = listening.accept()
            with far:
                yield near, far


def block(number: int, client: socket.socket, *lines: str) -> bytes:
    """The lines the gate sends with a TCP client, and further ones."""
    remote, local = client.getpeername(), client.getsockname()
    known = [
        "SOCKETGATE=1",
        f"ID={number}",
        "DAEMON=testd",
        f"REMOTE_ADDR={remote[0]}",
        f"REMOTE_PORT={remote[1]}",
        f"LOCAL_ADDR={local[0]}",
        f"LOCAL_PORT={local[1]}",
    ]
    return "".join(f"{line}\n" for line in (*known, *lines)).encode()


def read_all(sock: socket.socket) -> bytes:
    """Everything until the other side closes."""
    chunks = []
    while chunk := sock.recv(65_536):
        chunks.append(chunk)
    return b"".join(chunks)
