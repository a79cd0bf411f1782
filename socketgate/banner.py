# SPDX-License-Identifier: MIT
"""The option `banners DIR`: what the file DIR/DAEMON says, sent to the client (hosts_options(5)).

    file ─▶ lines, CR LF ─▶ expanded for the client ─▶ sent without waiting ─▶ a gentle close

A line keeps its bare newline when its brackets don't balance, as in libwrap (docs/language.md).
"""

import asyncio
import collections
import contextlib
import errno
import os
import select
import socket
import stat
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from socketgate.accept import Connection
from socketgate.rules.expand import expand
from socketgate.rules.request import Need, Request

#: More than this of a banner is cut off: a fresh socket's buffer takes so much at once.
MAX_BANNER_BYTES = 16_384

#: How many files are kept in memory.
MAX_KEPT = 64

#: How long a client that was told something has to take note before its connection is torn down.
FAREWELL_SECONDS = 2.0

#: Connections kept for that; more are closed at once.
MAX_FAREWELLS = 256

#: Adds one looked-up fact to a request.
Learn = Callable[[Need, Request], Awaitable[Request]]


@dataclass(frozen=True, slots=True)
class Banner:
    """A banner's text, as it is in the file; `trouble` says why there is none."""

    text: bytes
    trouble: str = ""


class BannerFiles:
    """Banner files, read again when they change."""

    def __init__(self) -> None:
        self._kept: dict[bytes, tuple[tuple[int, ...], bytes]] = {}

    def load(self, directory: bytes, daemon: bytes) -> Banner:
        """A file that isn't there is no trouble; a missing folder is, and what can't be read.

        Much of what root can read a gate can't.
        """
        path = os.path.join(directory, daemon)  # noqa: PTH118  # bytes: a name is any bytes
        try:
            return Banner(self._text(path))
        except OSError as unread:
            if unread.errno != errno.ENOENT:
                return Banner(b"", f"{os.fsdecode(path)}: {unread.strerror}")
            try:
                os.stat(directory)  # noqa: PTH116  # as above
            except OSError as error:
                return Banner(b"", f"{os.fsdecode(directory)}: {error.strerror}")
            return Banner(b"")

    def _text(self, path: bytes) -> bytes:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                return b""
            version = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            known = self._kept.get(path)
            if known is None or known[0] != version:
                while len(self._kept) >= MAX_KEPT:
                    del self._kept[next(iter(self._kept))]
                known = self._kept[path] = (version, os.read(fd, MAX_BANNER_BYTES))
            return known[1]
        finally:
            os.close(fd)


async def write_banner(text: bytes, request: Request, learn: Learn) -> bytes:
    """The text as this client is to see it. Raises ExpansionTooLong."""
    body = text.lstrip(b"\0")
    chunks = [text[: len(text) - len(body)]]
    for line in _lines(body):
        while isinstance(expanded := expand(_with_crlf(line), request), Need):
            request = await learn(expanded, request)
        chunks.append(expanded)
    return b"".join(chunks)[:MAX_BANNER_BYTES]


def send_banner(connection: Connection, text: bytes) -> None:
    """Send what goes without waiting; a client that has gone misses it."""
    with contextlib.suppress(OSError), connection.lent() as sock:
        sock.send(text, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def _lines(text: bytes) -> list[bytes]:
    """Each with its newline; only a newline ends one."""
    lines = [line + b"\n" for line in text.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return [line for line in lines if line]


def _with_crlf(line: bytes) -> bytes:
    line = line.partition(b"\0")[0]
    is_balanced = line.count(b"[") == line.count(b"]")
    return line[:-1] + b"\r\n" if line.endswith(b"\n") and is_balanced else line


class Farewells:
    """Connections that were told something and are to end.

    Closing one with unread data in it makes the kernel reset it, and a reset can overtake what we
    sent (RFC 9112 9.6 describes the same). So our side is shut down first, and the rest follows
    when the client has closed its own, or after a moment. Nothing is read.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        self._waiting: collections.deque[tuple[float, socket.socket]] = collections.deque()
        self._by_fd: dict[int, socket.socket] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop.add_reader(self._epoll, self._on_closed)

    @property
    def count(self) -> int:
        """How many are still there."""
        return len(self._by_fd)

    def say(self, connection: Connection) -> None:
        """Take a copy of this connection and end it gently; the caller closes its own at once."""
        if len(self._by_fd) >= MAX_FAREWELLS:
            return
        try:
            sock = socket.socket(fileno=os.dup(connection.fd))
        except OSError:  # dup(2): EMFILE
            return
        try:
            # socket(7): with a `linger` the last close would wait, and this loop with it.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
            sock.shutdown(socket.SHUT_WR)
            self._epoll.register(sock, select.EPOLLRDHUP | select.EPOLLONESHOT)
        except OSError:  # shutdown(2): ENOTCONN; epoll_ctl(2): ENOMEM, ENOSPC
            sock.close()
            return
        self._by_fd[sock.fileno()] = sock
        self._waiting.append((self._loop.time() + FAREWELL_SECONDS, sock))
        self._plan()

    def close(self) -> None:
        """End all of them now."""
        if self._epoll.closed:
            return
        if self._timer is not None:
            self._timer.cancel()
        for sock in list(self._by_fd.values()):
            self._end(sock)
        self._waiting.clear()
        self._loop.remove_reader(self._epoll)
        self._epoll.close()

    def _on_closed(self) -> None:
        for fd, _ in self._epoll.poll(0):
            self._end(self._by_fd[fd])

    def _end(self, sock: socket.socket) -> None:
        self._epoll.unregister(sock)
        del self._by_fd[sock.fileno()]
        sock.close()

    def _plan(self) -> None:
        """Come back for the first of those that wait."""
        while self._waiting and self._waiting[0][1].fileno() < 0:
            self._waiting.popleft()
        if self._timer is None and self._waiting:
            self._timer = self._loop.call_at(self._waiting[0][0], self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        while self._waiting and self._waiting[0][0] <= self._loop.time():
            _, sock = self._waiting.popleft()
            if sock.fileno() >= 0:
                self._end(sock)
        self._plan()
