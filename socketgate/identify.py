# SPDX-License-Identifier: MIT
"""From what accept(2) told to what the rules look at: who is at the two ends of a connection."""

import os
import pwd
import socket
import struct

from socketgate.accept import NOWHERE, Connection, PeerAddress
from socketgate.activation import Listener
from socketgate.lane import Server
from socketgate.rules.request import UNKNOWN, Answer, Endpoint, Fact, Lookup, Request

IP = frozenset({socket.AF_INET, socket.AF_INET6})
MAPPED = "::ffff:"
#: So many addresses of ours are kept; a machine with more is a prefix bound to loopback.
MAX_ADDRESSES = 1000


def is_ip(listener: Listener) -> bool:
    """Whether clients have addresses and ports."""
    return listener.sock.family in IP


def ip_text(peer: PeerAddress) -> str:
    """The address as getnameinfo(3) prints it, zone included."""
    address: str = peer[0]  # type: ignore[assignment]  # what accept(2) gives for IP
    if len(peer) == 4 and peer[3]:
        return f"{address}%{_zone(int(peer[3]))}"
    return address


def _zone(index: int) -> str:
    """getnameinfo(3): the interface's name, its number when it is gone."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return str(index)


def unmapped(address: str) -> str:
    """An IPv4 client of a dual-stack socket by its IPv4 address."""
    if address.startswith(MAPPED) and "." in address:
        return address[len(MAPPED) :]
    return address


def fixed_server(listener: Listener) -> Server | None:
    """Our end of every connection of this listener, or None when it listens on all addresses."""
    if not is_ip(listener):
        return NOWHERE
    address = listener.sock.getsockname()
    if address[0] in ("0.0.0.0", "::"):  # noqa: S104  # compared, not bound
        return None
    return Server(ip_text(address), address[1])


def set_addresses(connection: Connection) -> None:
    """Note the client's address, for a connection by IP."""
    connection.address = ip_text(connection.peer)
    connection.bare_address = unmapped(str(connection.peer[0]))


class ServerAddresses:
    """Our ends of a listener's connections, by what getsockname(2) says; always the same object."""

    def __init__(self, listener: Listener) -> None:
        self._fixed = fixed_server(listener)
        self._seen: dict[PeerAddress, Server] = {}

    def of(self, connection: Connection) -> Server:
        """Our end of this connection; raises OSError when the client is gone."""
        if self._fixed is not None:
            return self._fixed
        address = connection.server_address()
        server = self._seen.get(address)
        if server is None:
            if len(self._seen) >= MAX_ADDRESSES:
                self._seen.clear()
            server = self._seen[address] = Server(ip_text(address), int(address[1]))
        return server


def build_request(connection: Connection) -> Request:
    """What the rules may look at.

    Nothing is looked up here but a local user's name over AF_UNIX.
    """
    listener = connection.listener
    daemon = os.fsencode(listener.name)
    if not is_ip(listener):
        return Request(daemon=daemon, pid=os.getpid(), facts=_facts_without_address(connection))
    peer = connection.peer
    return Request(
        daemon=daemon,
        client=Endpoint(ip_text(peer).encode(), int(peer[1])),
        server=Endpoint(connection.server.address.encode(), connection.server.port),
        zones=_zones(connection.address, connection.server.address),
        pid=os.getpid(),
    )


def _zones(*addresses: str) -> frozenset[bytes]:
    return frozenset(zone.encode() for one in addresses if (zone := one.partition("%")[2]))


def _facts_without_address(connection: Connection) -> dict[Lookup, Answer]:
    user = (
        local_user(connection).encode()
        if connection.listener.sock.family == socket.AF_UNIX
        else UNKNOWN
    )
    return {Fact.CLIENT_NAME: UNKNOWN, Fact.SERVER_NAME: UNKNOWN, Fact.CLIENT_USER: user}


def local_user(connection: Connection) -> str:
    """The user at the other end of an AF_UNIX connection (SO_PEERCRED), by name or number."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=os.dup(connection.fd)) as sock:
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
