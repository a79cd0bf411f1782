# SPDX-License-Identifier: MIT
"""A listening socket whose accept() returns clients that gates hand over."""

import errno
import os
import socket
import threading
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from .channel import Client
from .message import Handoff
from .receiver import Receiver
from .sockets import open_path, passed_socket


class HasDescriptor(Protocol):
    """A socket, or what a framework shows of one."""

    def fileno(self) -> int:
        """The descriptor's number."""


class Listener(socket.socket):
    """A listening socket to programs and frameworks; its clients come from gates.

    It listens on a path, on a socket given, or on the one systemd passed. accept() gives a Client
    and its address, honours setblocking() and settimeout(), and several threads may call it. The
    descriptor to poll is `fileno()`; what goes below Python's socket (uvloop) can't use it. Like a
    kernel's listener it may wake up for nothing: a server that polls first should have it
    non-blocking, as asyncio does by itself. After os.fork() it is closed in the child.
    """

    def __init__(
        self,
        at: str | os.PathLike[str] | socket.socket | None = None,
        *,
        allowed_users: Iterable[str | int] = (),
        batch: int = 1,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> None:
        self._path: Path | None = None
        if at is None:
            at = passed_socket()
        elif not isinstance(at, socket.socket):
            self._path = Path(at)
            at = open_path(self._path)
        self._receiver = Receiver(at, allowed_users=allowed_users, batch=batch)
        self._owner_pid = os.getpid()
        self._lock = threading.Lock()
        self._clients: weakref.WeakValueDictionary[int, Client] = weakref.WeakValueDictionary()
        # Never bound or polled: the family, type and timeout that servers ask a listener for.
        super().__init__(family, socket.SOCK_STREAM)

    def fileno(self) -> int:
        """Readable when accept() may give a client; -1 when closed."""
        return self._receiver.fileno()

    def accept(self) -> tuple[Client, object]:
        """The next client, taken over, and its address as getpeername(2) says it."""
        timeout = self.gettimeout()
        with self._lock:
            if self.fileno() < 0:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            while offer := self._receiver.next_offer(timeout):
                try:
                    if offer.take():
                        client = offer.client()
                        self._clients[client.fileno()] = client
                        return client, _address_of(client)
                except BlockingIOError:
                    self._receiver.hold(offer)
        if timeout == 0:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        raise TimeoutError("timed out")

    def handoff_of(self, connection: HasDescriptor) -> Handoff | None:
        """What the gate knows of a client we accepted and that is open.

        For frameworks that hide the Client: asyncio's `writer.get_extra_info("socket")` will do.
        """
        fd = connection.fileno()
        client = self._clients.get(fd)
        return client.handoff if client is not None and client.fileno() == fd >= 0 else None

    def bind(self, _address: object, /) -> None:
        """Nothing to do: where clients come from is the gate's matter."""

    def listen(self, _backlog: int = 0, /) -> None:
        """Nothing to do: it listens from the start."""

    def close(self) -> None:
        """Clients that were not accepted go to another backend."""
        super().close()
        self._receiver.close()
        if self._path and self._owner_pid == os.getpid():
            self._path.unlink(missing_ok=True)
            self._path = None


def _address_of(client: Client) -> object:
    try:
        return client.getpeername()
    except OSError:  # gone already; accept(2) would have told its address all the same
        return (client.handoff.remote_addr or "", client.handoff.remote_port or 0)
