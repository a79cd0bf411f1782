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
from socketgate.notify import Notifier

#: FileDescriptorStoreMax= of the shipped units.
MAX_STORED = 1024

#: Who waits no longer than this, in seconds, isn't worth two messages to PID 1.
STORE_AFTER_SECONDS = 1.0

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
        with socket.socket(fileno=os.dup(fd)) as sock:
            return not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError:
        return False


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

    @property
    def count(self) -> int:
        """How many clients it has."""
        return len(self._kept) + len(self._passed)

    def count_of(self, listener: Listener) -> int:
        """How many of these are the listener's."""
        return sum(connection.listener is listener for connection in self._kept)

    def take_back(self, listener: Listener, numbers: Iterator[int]) -> list[Connection]:
        """The clients of this listener whom an earlier run has left, the longest waiting first."""
        mine = [(int(at), fd) for fd, name, at in self._split() if name == listener.name]
        return [self._restore(fd, at, listener, next(numbers)) for at, fd in sorted(mine)]

    def forget_the_rest(self) -> int:
        """Let go of clients whose listener is gone. The answer: how many."""
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
        if len(name) <= MAX_NAME and self._notifier.store(name, connection.fd):
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

    def _split(self) -> Iterator[tuple[int, str, str]]:
        for fd, name in self._passed.items():
            listener, _, at = name.removeprefix(PREFIX).rpartition("-")
            yield fd, listener, at

    def _restore(self, fd: int, accepted_ns: int, listener: Listener, number: int) -> Connection:
        sock = socket.socket(listener.sock.family, listener.sock.type, fileno=fd)
        try:
            peer = sock.getpeername()
        except OSError:  # ENOTCONN: it has gone meanwhile, and says so again when it is sent
            peer = ""
        finally:
            sock.detach()
        connection = Connection(fd, peer, listener, number)
        connection.accepted_ns = accepted_ns
        connection.stored = self._passed.pop(fd)
        self._kept.add(connection)
        return connection

    def _remove(self, name: str) -> None:
        if self._notifier is not None:
            self._notifier.remove(name)


def most_stored() -> int:
    """What the unit allows (systemd 254 and later say it in $FDSTORE), and never more than ours."""
    if not os.environ.get("NOTIFY_SOCKET"):
        return 0
    allowed = os.environ.get("FDSTORE", "")
    return min(int(allowed), MAX_STORED) if allowed.isdecimal() else MAX_STORED
