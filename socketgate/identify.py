# SPDX-License-Identifier: MIT
"""From what accept(2) told to what the rules look at: who is at the two ends of a connection."""

import os
import socket

from socketgate.accept import NOWHERE, Connection
from socketgate.activation import Listener
from socketgate.backend.channel import peer_credentials
from socketgate.clients import PeerAddress, ip_text
from socketgate.lane import Server
from socketgate.rules.request import UNKNOWN, Answer, Endpoint, Fact, Lookup, Request
from socketgate.rules.table import PolicyKey

IP = frozenset({socket.AF_INET, socket.AF_INET6})
#: The addresses of listeners on all addresses.
WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  # compared, not bound
#: So many addresses of ours are kept; a machine with more is a prefix bound to loopback.
MAX_ADDRESSES = 1000
#: Who has no address has no name.
NAMELESS: dict[Lookup, Answer] = {Fact.CLIENT_NAME: UNKNOWN, Fact.SERVER_NAME: UNKNOWN}


def is_ip(listener: Listener) -> bool:
    """Whether clients have addresses and ports."""
    return listener.sock.family in IP


def policy_key(listener: Listener) -> PolicyKey:
    """By what the rules know a listener: its daemon's name, and its port where it has one."""
    port = listener.sock.getsockname()[1] if is_ip(listener) else None
    return listener.name.encode(), port


def fixed_server(listener: Listener) -> Server | None:
    """Our end of every connection of this listener, or None when it listens on all addresses."""
    if not is_ip(listener):
        return NOWHERE
    address = listener.sock.getsockname()
    if address[0] in WILDCARDS:
        return None
    return Server(ip_text(address), address[1])


class ServerAddresses:
    """Our ends of a listener's connections, by what getsockname(2) says; always the same object."""

    def __init__(self, listener: Listener) -> None:
        self._fixed = fixed_server(listener)
        self._seen: dict[PeerAddress, Server] = {}
        sock = listener.sock
        self._kind = int(sock.family), int(sock.type), sock.proto

    def of(self, connection: Connection) -> Server:
        """Our end of this connection; raises OSError when the client is gone."""
        if self._fixed is not None:
            return self._fixed
        address = self._ask(connection.fd)
        server = self._seen.get(address)
        if server is None:
            if len(self._seen) >= MAX_ADDRESSES:
                self._seen.clear()
            server = self._seen[address] = Server(ip_text(address), int(address[1]))
        return server

    def _ask(self, fd: int) -> PeerAddress:
        """getsockname(2), by the type beneath socket.socket, which takes four times as long."""
        sock = socket.SocketType(*self._kind, fd)
        try:
            address: PeerAddress = sock.getsockname()
        finally:
            sock.detach()
        return address


def build_request(connection: Connection) -> Request:
    """What the rules may look at. Nothing is looked up here."""
    listener = connection.listener
    daemon = os.fsencode(listener.name)
    if not is_ip(listener):
        uid = local_uid(connection)
        return Request(daemon=daemon, pid=os.getpid(), facts=NAMELESS, uid=uid)
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


def local_uid(connection: Connection) -> int | None:
    """The user at the other end of an AF_UNIX connection (unix(7), SO_PEERCRED); else None."""
    if connection.listener.sock.family != socket.AF_UNIX:
        return None
    with connection.lent() as sock:
        _, uid, _ = peer_credentials(sock)
    return uid
