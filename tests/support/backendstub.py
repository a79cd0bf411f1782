# SPDX-License-Identifier: MIT
"""Plays a backend towards the gate, message by message, over a real sequential-packet socket.

    with BackendStub(path) as backend:
        channel = Channel(str(path), ...)
        with backend.accept() as peer:
            channel.send([connection])
            (client,) = peer.take()
            peer.answer("ACK=1")

What the gate sends is in the kernel's queue when its call returns, so nothing here waits long.
"""

import os
import select
import socket
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.waiting import PATIENCE_SECONDS

MAX_FDS = 253  # unix(7): SCM_MAX_FD


@dataclass(frozen=True, slots=True)
class Client:
    """One client as a backend gets it: the block of lines and the descriptor."""

    lines: tuple[str, ...]
    sock: socket.socket

    @property
    def id(self) -> int:
        """The ID= of its block."""
        return int(self.value("ID"))

    def value(self, key: str) -> str:
        """The value of the only line of this key."""
        (value,) = (line.partition("=")[2] for line in self.lines if line.startswith(f"{key}="))
        return value


class Peer:
    """The backend's end of one connection from the gate. Owns the clients it took."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(PATIENCE_SECONDS)
        self.clients: list[Client] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def take(self) -> list[Client]:
        """The clients of the next message, one as a rule; none when the gate has closed."""
        text, fds, _, _ = socket.recv_fds(self.sock, 1 << 17, MAX_FDS)
        blocks = text.decode().split("\n\n") if text else []
        assert len(blocks) == len(fds), (blocks, fds)
        taken = [
            Client(tuple(block.splitlines()), socket.socket(fileno=fd))
            for block, fd in zip(blocks, fds, strict=True)
        ]
        self.clients += taken
        return taken

    def is_closed(self) -> bool:
        """Whether the gate has closed its end, waiting for that a while."""
        return self.sock.recv(1) == b""

    def answer(self, text: str | bytes) -> None:
        """Say something to the gate; a line gets its newline."""
        self.sock.send(text if isinstance(text, bytes) else f"{text}\n".encode())

    def close(self) -> None:
        """Let go of the connection to the gate, and of the clients."""
        self.sock.close()
        for client in self.clients:
            client.sock.close()


class BackendStub:
    """A backend's listening socket."""

    def __init__(self, path: Path, *, backlog: int = 128) -> None:
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(PATIENCE_SECONDS)
        self.sock.bind(str(path))
        self.sock.listen(backlog)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def accept(self) -> Peer:
        """The gate's next connection."""
        return Peer(self.sock.accept()[0])

    def has_waiting(self) -> bool:
        """Whether another connection of the gate waits."""
        self.sock.settimeout(0)
        try:
            sock, _ = self.sock.accept()
        except BlockingIOError:
            return False
        finally:
            self.sock.settimeout(PATIENCE_SECONDS)
        sock.close()
        return True

    def close(self) -> None:
        """No longer there: the path is free for the next one."""
        self.sock.close()
        if self.path.exists():
            os.unlink(self.path)  # noqa: PTH108  # as a backend does


def nothing_came(listening_sock: socket.socket) -> bool:
    """Whether no message came by any connection that was made."""
    listening_sock.setblocking(False)
    while True:
        try:
            sock, _ = listening_sock.accept()
        except BlockingIOError:
            return True
        with sock:
            if select.select([sock], [], [], 0)[0] and sock.recv(1 << 16):
                return False
