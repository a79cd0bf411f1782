# SPDX-License-Identifier: MIT
"""Clients that wait, kept by systemd so that the gate's end isn't theirs (docs/reliability.md).

    waits over a second ─FDSTORE=1──────▶ PID 1 has a copy ─▶ passed to the gate's next start
    goes on ────────────FDSTOREREMOVE=1─▶ PID 1 lets go

A copy in PID 1 keeps the client from seeing the end when its backend closes. So it is taken back
before the client is handed over, refused or given to a command; whoever was sent to a backend is
in that backend's queue and never here, or it would be served twice.

A name tells all that the next start can't ask the socket itself: FDNAME=client-LISTENER-TIME, the
last being when it was accepted (CLOCK_MONOTONIC, ns), which no two clients share.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping

from socketgate.accept import Connection
from socketgate.activation import Listener
from socketgate.identify import WILDCARDS, is_ip
from socketgate.notify import Notifier

#: FileDescriptorStoreMax= of the shipped units.
MAX_STORED = 1024

#: Who waits no longer than this, in seconds, isn't worth two messages to PID 1.
STORE_AFTER_SECONDS = 1.0

#: Seconds until PID 1 is told again what it had no room for in its queue.
AGAIN_SECONDS = 0.2

#: systemd.socket(5), FileDescriptorName=: a name's length at most.
MAX_NAME = 255

PREFIX = "client-"


def take_stored(passed: dict[int, str]) -> dict[int, str]:
    """Take the clients out of what systemd passed, and leave the listeners."""
    stored = {fd: name for fd, name in passed.items() if _is_client(fd, name)}
    for fd in stored:
        del passed[fd]
    return stored


def _is_client(fd: int, name: str) -> bool:
    """A listener may have such a name as well."""
    if not name.startswith(PREFIX) or not name.rpartition("-")[2].isdecimal():
        return False
    try:
        with _lent(fd) as sock:
            return not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError:
        return False


def _is_of(fd: int, name: str, listener: Listener) -> bool:
    """Whether this listener has accepted the client, who is still there.

    Listeners may share a name: the rules may say something else for each port.
    """
    if name.removeprefix(PREFIX).rpartition("-")[0] != listener.name:
        return False
    with _lent(fd) as sock:
        if sock.family != listener.sock.family:
            return False
        try:
            sock.getpeername()
        except OSError:  # ENOTCONN
            return False
        own, listening = sock.getsockname(), listener.sock.getsockname()
    if listener.sock.family == socket.AF_VSOCK:
        return bool(own[1] == listening[1])
    if is_ip(listener):
        return own[1] == listening[1] and listening[0] in (*WILDCARDS, own[0])
    return bool(own == listening)


def _accepted_ns(name: str) -> int:
    return int(name.rpartition("-")[2])


@contextlib.contextmanager
def _lent(fd: int) -> Iterator[socket.socket]:
    """A socket object for a descriptor that stays ours."""
    sock = socket.socket(fileno=fd)
    try:
        yield sock
    finally:
        sock.detach()


class DescriptorStore:
    """What PID 1 keeps for this process. Without a notifier it keeps nothing."""

    def __init__(
        self, notifier: Notifier | None = None, stored: Mapping[int, str] | None = None
    ) -> None:
        """`stored` is what it kept for an earlier run, and still keeps: ours from here on."""
        self._notifier = notifier
        self._most = 0 if notifier is None else most_stored()
        self._passed = dict(stored or {})
        self._kept: set[Connection] = set()
        self._looking_up: set[Connection] = set()
        #: Whom PID 1 keeps though nobody waits any more: it has not been told yet.
        self._untold: list[str] = []
        self._again: asyncio.TimerHandle | None = None

    @property
    def count(self) -> int:
        """How many clients it has."""
        return len(self._kept) + len(self._passed) + len(self._untold)

    def count_of(self, listener: Listener) -> int:
        """How many of these are the listener's."""
        return sum(connection.listener is listener for connection in self._kept)

    def take_back(self, listener: Listener, numbers: Iterator[int]) -> list[Connection]:
        """The clients of this listener whom an earlier run has left, the longest waiting first."""
        mine = [fd for fd, name in self._passed.items() if _is_of(fd, name, listener)]
        restored = []
        for fd in sorted(mine, key=lambda fd: _accepted_ns(self._passed[fd])):
            with contextlib.suppress(OSError):  # gone between two looks: one of the rest
                restored.append(self._restore(fd, listener, next(numbers)))
        return restored

    def forget_the_rest(self) -> int:
        """Let go of clients who are gone, or their listener. The answer: how many."""
        left, self._passed = self._passed, {}
        for fd, name in left.items():
            self._remove(name)
            os.close(fd)
        return len(left)

    def keep(self, connection: Connection) -> None:
        """Have it kept, if there is room; it is ours all the same."""
        if connection.stored or self._notifier is None or self.count >= self._most:
            return
        name = f"{PREFIX}{connection.listener.name}-{connection.accepted_ns}"
        if name in self._untold:
            self._untold.remove(name)
        elif len(name) > MAX_NAME or not self._notifier.store(name, connection.fd):
            return
        connection.stored = name
        self._kept.add(connection)

    def keep_if_late(self, connection: Connection) -> None:
        """Have it kept if it has waited for long."""
        if time.monotonic_ns() - connection.accepted_ns >= STORE_AFTER_SECONDS * 1e9:
            self.keep(connection)

    def let_go(self, connection: Connection) -> None:
        """Have it kept no longer; to be called before anybody else gets it."""
        if connection.stored:
            self._remove(connection.stored)
            self._kept.discard(connection)
            connection.stored = ""

    @contextlib.contextmanager
    def while_looking_up(self, connection: Connection) -> Iterator[None]:
        """A client that waits for a lookup is kept when it takes long, until there is an answer.

        When there is none, its end lets go of it, or the next start goes on with it.
        """
        timer = asyncio.get_running_loop().call_later(STORE_AFTER_SECONDS, self.keep, connection)
        self._looking_up.add(connection)
        try:
            yield
            self.let_go(connection)
        finally:
            timer.cancel()
            self._looking_up.discard(connection)

    def keep_all(self, waiting: Iterable[Connection]) -> None:
        """The gate stops: these are kept at once, and those who wait for lookups."""
        for connection in (*waiting, *self._looking_up):
            self.keep(connection)

    def _restore(self, fd: int, listener: Listener, number: int) -> Connection:
        with _lent(fd) as sock:
            connection = Connection(fd, sock.getpeername(), listener, number)
        connection.stored = self._passed.pop(fd)
        connection.accepted_ns = _accepted_ns(connection.stored)
        self._kept.add(connection)
        return connection

    def close(self) -> None:
        """The process ends: PID 1 is told what it was not told yet, if it listens."""
        if self._again is not None:
            self._again.cancel()
        if self._untold and self._tell(self._untold[0], waits=True):
            self._tell_all(self._untold[1:])

    def _remove(self, name: str) -> None:
        """Have PID 1 let go of it: at once, or when it reads again. That is waited for once only.

        Until then it keeps a copy of a client whom others have. The next start would take him back.
        """
        if self._untold or not self._tell(name, waits=True):
            self._untold.append(name)
            self._tell_later()

    def _tell(self, name: str, *, waits: bool) -> bool:
        return self._notifier is None or self._notifier.remove(name, waits=waits)

    def _tell_all(self, names: list[str]) -> None:
        self._untold = [one for one in names if not self._tell(one, waits=False)]

    def _tell_later(self) -> None:
        if self._again is None:
            self._again = asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._tell_again)

    def _tell_again(self) -> None:
        self._again = None
        self._tell_all(self._untold)
        if self._untold:
            self._tell_later()


def most_stored() -> int:
    """What the unit allows (systemd 254 and later say it in $FDSTORE), and never more than ours."""
    if not os.environ.get("NOTIFY_SOCKET"):
        return 0
    allowed = os.environ.get("FDSTORE", "")
    return min(int(allowed), MAX_STORED) if allowed.isdecimal() else MAX_STORED
