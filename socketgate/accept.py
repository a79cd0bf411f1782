# SPDX-License-Identifier: MIT
"""Accepted connections: the value that owns a client's descriptor, and accept(2)'s errors by name.

Rules of this file: a client's socket is a plain descriptor, never a stream or transport (those read
ahead, and what they read is lost to the backend), and is never set non-blocking: the flag would be
the backend's too.
"""

import contextlib
import errno
import os
import select
import socket
import sys
from collections.abc import Iterator
from time import monotonic_ns

from socketgate.activation import Listener
from socketgate.clients import NOBODY, PeerAddress
from socketgate.lane import Lane, Server
from socketgate.rules.request import Request
from socketgate.rules.verdict import Verdict

#: accept(2): the client is gone or the network hiccupped; take the next one.
CLIENT_GONE = frozenset(
    {
        errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.ENOPROTOOPT, errno.EHOSTDOWN,
        errno.ENONET, errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH, errno.EPERM,
        errno.ETIMEDOUT, errno.EINTR,
    }
)  # fmt: skip
#: accept(2): what there is too little of, in words for who can change it.
_MEMORY = "the machine, or MemoryMax= in the gate's unit, leaves no more memory"
SHORT_OF = {
    errno.EMFILE: "raise LimitNOFILE= in the gate's unit",
    errno.ENFILE: "raise fs.file-max: see sysctl(8)",
    errno.ENOBUFS: _MEMORY,
    errno.ENOMEM: _MEMORY,
}
#: tcp(7), struct tcp_info up to tcpi_unacked, which of a listener is the length of its queue.
TCP_INFO_BYTES, UNACKED = 28, 24

NOWHERE = Server("", 0)
NO_BACKEND: frozenset[str] = frozenset()


class CannotAccept(Exception):
    """accept(2) lacks descriptors or memory, or worse. The text says what, and what to change."""

    def __init__(self, error: OSError) -> None:
        remedy = SHORT_OF.get(error.errno or 0)
        super().__init__(f"{error.strerror} ({remedy})" if remedy else error.strerror)


class Connection:
    """An accepted socket and what has become known of it. Owns the descriptor until `close`."""

    __slots__ = (
        "accepted_ns", "ban", "client", "fd", "generation", "id", "lane",
        "listener", "lookup_notes", "peer", "refused_by", "request", "server", "stored", "text",
        "until_ns", "verdict", "was_told",
    )  # fmt: skip

    def __init__(self, fd: int, peer: PeerAddress, listener: Listener, number: int) -> None:
        self.fd = fd
        self.peer = peer
        self.listener = listener
        #: The gate's own number of this connection, for the journal.
        self.id = number
        #: When it was accepted, by time.monotonic_ns().
        self.accepted_ns = monotonic_ns()
        #: Who is at the other end, once it is known.
        self.client = NOBODY
        #: Our end, likewise.
        self.server = NOWHERE
        #: What the rules said, the facts they used, and which generation of them.
        self.verdict: Verdict | None = None
        self.request: Request | None = None
        self.generation = 0
        #: What it shares with others; None when its texts are its own.
        self.lane: Lane | None = None
        #: The name by which systemd keeps a copy of it; empty when it has none.
        self.stored = ""
        #: The banned net that refused it, if one did.
        self.ban = ""
        #: The client was sent a banner.
        self.was_told = False
        #: What went wrong with its lookups.
        self.lookup_notes: tuple[str, ...] = ()
        #: For the handoff: the protocol's text, the deadline, the backends that refused it.
        self.text = b""
        self.until_ns = 0
        self.refused_by = NO_BACKEND

    @property
    def address(self) -> str:
        """The client's address as getnameinfo(3) prints it."""
        return self.client.address

    @property
    def bare_address(self) -> str:
        """The client's address as programs are told."""
        return self.client.bare_address

    @contextlib.contextmanager
    def lent(self) -> Iterator[socket.socket]:
        """As a socket object, for as long as it takes; the descriptor stays ours."""
        like = self.listener.sock
        sock = socket.socket(like.family, like.type, like.proto, fileno=self.fd)
        try:
            yield sock
        finally:
            sock.detach()

    def close(self) -> None:
        """Close our copy, once."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def is_gone(self) -> bool:
        """Whether the client has reset the connection. Reads nothing."""
        poller = select.poll()
        poller.register(self.fd, 0)
        return any(events & (select.POLLHUP | select.POLLERR) for _, events in poller.poll(0))


def accept_burst(
    listener: Listener, numbers: Iterator[int], most: int, taken: list[Connection]
) -> None:
    """Take up to `most` waiting connections, whatever may come in between.

    Raises CannotAccept; the queue keeps what is left.
    """
    # The descriptor alone, as socket.accept itself gets it: no socket object for each client.
    accept = listener.sock._accept  # type: ignore[attr-defined]  # noqa: SLF001  # see above
    for _ in range(most):
        try:
            fd, peer = accept()
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno in CLIENT_GONE:
                continue
            raise CannotAccept(error) from error
        taken.append(Connection(fd, peer, listener, next(numbers)))


def queue_length(sock: socket.socket) -> int:
    """How many clients wait in a TCP listener's queue; 0 when that can't be told.

    To be told that nobody is left by accept(2) costs as much as three clients do: it is an error,
    and an exception with its text.
    """
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
    except OSError:
        return 0
    return int.from_bytes(info[UNACKED:], sys.byteorder)
