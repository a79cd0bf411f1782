# SPDX-License-Identifier: MIT
"""Listeners, their clients, and connections as the gate accepts them. Loopback and AF_UNIX only."""

import contextlib
import itertools
import socket
from collections.abc import Iterator
from pathlib import Path

from socketgate.accept import Connection, accept_burst
from socketgate.activation import Listener
from socketgate.clients import Client, ip_text
from socketgate.identify import is_ip
from tests.support.waiting import PATIENCE_SECONDS


@contextlib.contextmanager
def listening(address: str = "127.0.0.1", *, name: str = "sshd") -> Iterator[Listener]:
    """A TCP listener on a free port; with `::` for both families."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    both = address == "::"
    with socket.create_server((address, 0), family=family, dualstack_ipv6=both) as sock:
        sock.settimeout(0)
        yield Listener(sock, name)


@contextlib.contextmanager
def listening_locally(folder: Path, *, name: str = "sshd") -> Iterator[Listener]:
    """An AF_UNIX stream listener."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(str(folder / "listener.sock"))
        sock.listen()
        sock.settimeout(0)
        yield Listener(sock, name)


def client_of(listener: Listener) -> socket.socket:
    """A client that has connected: the kernel has it in the listener's queue."""
    sock = socket.socket(listener.sock.family, socket.SOCK_STREAM)
    sock.settimeout(PATIENCE_SECONDS)
    address = listener.sock.getsockname()
    if listener.sock.family == socket.AF_INET6 and address[0] == "::":
        address = ("::1", address[1])
    try:
        sock.connect(address)
    except BaseException:  # nothing stays behind, whatever it was; it is raised on
        sock.close()
        raise
    return sock


#: Numbers of the connections that `connected` makes.
_numbers = itertools.count(1)


@contextlib.contextmanager
def connected(
    listener: Listener, *, text: bytes = b"DAEMON=sshd\n"
) -> Iterator[tuple[Connection, socket.socket]]:
    """An accepted connection, ready to be handed over, and its client."""
    with client_of(listener) as client:
        taken: list[Connection] = []
        accept_burst(listener, _numbers, 1, taken)
        (connection,) = taken
        connection.text = text
        if is_ip(listener):
            connection.client = Client(ip_text(connection.peer), None)
        with connection:
            yield connection, client
