# SPDX-License-Identifier: MIT
"""One connection to a backend: clients go out as descriptors, acknowledgements come back.

    gate ──"SOCKETGATE=1\\nID=7\\n..." + SCM_RIGHTS──▶ backend      AF_UNIX, SOCK_SEQPACKET
    gate ◀──"ACK=7\\n" | "REFUSE=7\\n" | "BATCH=16\\n"── backend

A client stays here, descriptor and all, from `send` until it is acknowledged, refused, or the
channel breaks; then `on_broken` gives back everybody who was not taken over. The whole protocol:
docs/protocol.md.
"""

import array
import asyncio
import collections
import contextlib
import errno
import socket
from collections.abc import Callable, Sequence

from socketgate.accept import Connection
from socketgate.errors import BackendUnavailable
from socketgate.trust import check_path, check_peer

MAX_BATCH = 64
#: A message's text, in bytes; as much as the protocol allows.
MAX_TEXT_BYTES = 65_535
#: How much of a backend's answers is read at once, in bytes.
READ_BYTES = 65_536
#: How many times in one go: a backend that never ends doesn't keep the loop from everybody else.
MAX_READS = 8

#: unix(7), sendmsg(2): the channel can't take more now; try again when it has been read.
BUSY = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS})

ANSWERS = frozenset({b"ACK", b"REFUSE", b"BATCH"})
#: Of an ID: a signed number of 64 bits.
MAX_DIGITS = 19


class BackendBusy(Exception):
    """The backend's queue is full (connect(2), AF_UNIX: EAGAIN); try again shortly."""


class Channel:
    """A connection to a backend. `close` is the owner's to call, once, whatever happened before."""

    def __init__(
        self,
        path: str,
        trusted: frozenset[int],
        *,
        on_acknowledged: Callable[[list[Connection]], None],
        on_refused: Callable[[Connection], None],
        on_room: Callable[[], None],
        on_broken: Callable[["Channel"], None],
    ) -> None:
        """Connect; raises BackendUnavailable or BackendBusy.

        A client's stay here ends when it is acknowledged, with others, or refused; those who are
        here when the channel breaks are to be taken back.
        """
        self.path = path
        self.batch = 1
        self.has_acknowledged = False
        self.is_full = False
        self._is_broken = False
        self._unacknowledged: collections.deque[tuple[int, Connection]] = collections.deque()
        self._last_id = 0
        self._on_acknowledged, self._on_refused = on_acknowledged, on_refused
        self._on_room, self._on_broken = on_room, on_broken
        self._loop = asyncio.get_running_loop()
        self._retry: asyncio.TimerHandle | None = None
        self._sock = _connect(path, trusted)
        try:
            self._loop.add_reader(self._sock, self._on_readable)
        except OSError as error:  # epoll_ctl(2): ENOMEM, ENOSPC; it passes
            self._sock.close()
            raise BackendUnavailable(f"{path}: {error.strerror}") from error

    @property
    def unacknowledged_count(self) -> int:
        """Clients sent and not yet taken over."""
        return len(self._unacknowledged)

    def send(self, clients: Sequence[Connection]) -> bool:
        """Send these clients, at most `batch`, in one message.

        False: the channel is full or broken, or they are too many for one message; then `batch` is
        less. Raises OSError where one alone is too long for the kernel.
        """
        if self.is_full:
            return False
        first = self._last_id + 1
        blocks = [
            b"SOCKETGATE=1\nID=%d\n%b" % (number, one.text)
            for number, one in enumerate(clients, first)
        ]
        descriptors = array.array("i", [one.fd for one in clients])
        try:
            self._sock.sendmsg(
                [b"\n".join(blocks)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)]
            )
        except OSError as error:
            if error.errno == errno.EMSGSIZE:  # net.core.wmem_default is small: fewer at a time
                if len(clients) == 1:
                    raise
                self.batch = len(clients) // 2
                return False
            if error.errno in BUSY:
                self._wait_for_room(error.errno)
            else:
                self._is_broken = True
                self._loop.call_soon(
                    self._on_readable
                )  # acknowledgements may be queued behind the error
            self.is_full = True
            return False
        self._unacknowledged.extend(enumerate(clients, first))
        self._last_id += len(clients)
        return True

    def is_overdue(self, now_ns: int) -> bool:
        """Whether a client here should have been taken over by now."""
        return any(connection.until_ns <= now_ns for _, connection in self._unacknowledged)

    def take_unacknowledged(self) -> list[Connection]:
        """All clients that were not taken over; they are the caller's again."""
        clients = [connection for _, connection in self._unacknowledged]
        self._unacknowledged.clear()
        return clients

    def close(self) -> None:
        """Let go of the connection to the backend."""
        if self._retry is not None:
            self._retry.cancel()
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()

    def _wait_for_room(self, error: int) -> None:
        if error == errno.EAGAIN:
            with contextlib.suppress(OSError):  # epoll_ctl(2), as above
                self._loop.add_writer(self._sock, self._room)
                return
        self._retry = self._loop.call_later(0.01, self._room)  # nothing tells when these pass

    def _room(self) -> None:
        self._loop.remove_writer(self._sock)
        self._retry = None
        self.is_full = False
        self._on_room()

    def _on_readable(self) -> None:
        """Read answers to the end of what there is; after an error, to the end of the channel."""
        for _ in range(MAX_READS):
            if self._sock.fileno() < 0:
                return
            try:
                answers = self._sock.recv(READ_BYTES)
            except BlockingIOError:
                if not self._is_broken:
                    return
                answers = b""
            except ConnectionResetError:
                continue  # unix(7): reported once; what was queued before it can still be read
            except OSError:
                answers = b""
            if not answers or not self._obey(answers):
                self._on_broken(self)
                return
            if not self._unacknowledged and not self._is_broken:
                return  # nothing is awaited: one look less that finds nothing
        if self._is_broken:  # else the loop tells that there is more
            self._loop.call_soon(self._on_readable)

    def _obey(self, answers: bytes) -> bool:
        """Whether the backend's answers make sense.

        Those before the first that doesn't are carried out.
        """
        for line in answers.removesuffix(b"\n").split(b"\n"):
            key, is_answer, value = line.partition(b"=")
            if not is_answer:
                return False
            if key not in ANSWERS or not value.isdigit() or len(value) > MAX_DIGITS:
                continue  # of a later version
            number = int(value)
            if key == b"BATCH":
                if not 1 <= number <= MAX_BATCH:
                    return False
                self.batch = number
            elif number > self._last_id:
                return False
            elif key == b"ACK":
                self._acknowledged(number)
            else:
                self._refused(number)
        return True

    def _acknowledged(self, last: int) -> None:
        self.has_acknowledged = True
        waiting = self._unacknowledged
        taken = []
        while waiting and waiting[0][0] <= last:
            taken.append(waiting.popleft()[1])
        self._on_acknowledged(taken)

    def _refused(self, number: int) -> None:
        for item in self._unacknowledged:
            if item[0] == number:
                self._unacknowledged.remove(item)
                self._on_refused(item[1])
                return


def _connect(path: str, trusted: frozenset[int]) -> socket.socket:
    check_path(path)
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    except OSError as error:  # EMFILE, ENFILE: it passes
        raise BackendUnavailable(f"{path}: {error.strerror}") from error
    try:
        sock.connect(path)
        check_peer(sock, trusted)
    except BlockingIOError as error:
        sock.close()
        raise BackendBusy(path) from error
    except OSError as error:
        sock.close()
        raise BackendUnavailable(f"{path}: {error.strerror}") from error
    except BackendUnavailable as error:
        sock.close()
        raise BackendUnavailable(f"{path}: {error}") from error
    return sock
