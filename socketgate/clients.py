# SPDX-License-Identifier: MIT
"""What follows from a client's address alone, found out once for all of its connections.

Who floods a listener comes again and again, and so do those who use it. How their addresses are
written, whose repetitions are counted together with theirs, and the verdict, where nothing but the
address counts, are kept for those who came lately.
"""

import socket
from collections.abc import Callable

from socketgate.lookup_source import network_of
from socketgate.rules.request import Access
from socketgate.rules.verdict import Verdict

#: What accept(2) tells of the other end: (address, port, ...) for IP, a path or b"" for AF_UNIX,
#: (CID, port) for vsock.
PeerAddress = tuple[str, int] | tuple[str, int, int, int] | tuple[int, int] | str | bytes

MAPPED = "::ffff:"

#: So many are kept in each half; 32,768 clients are 15 MB at the worst, with their verdicts.
MAX_IN_HALF = 16_384


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


class Client:
    """One address. Immutable; what it says of the rules holds for one table."""

    __slots__ = ("access", "address", "bare_address", "network", "verdict")

    def __init__(self, address: str, verdict: Verdict | None) -> None:
        #: As getnameinfo(3) prints it; empty for those without one.
        self.address = address
        #: What the rules say; None when more than the address counts.
        self.verdict = verdict
        #: The same, if that is all: no options, nothing to be told.
        self.access: Access | None = None
        if verdict is not None and not verdict.actions and not verdict.messages:
            self.access = verdict.access
        if "." in address and ":" not in address:
            #: As programs are told: IPv4 if it can be, without zone.
            self.bare_address = address
            #: Those whose repetitions are counted together: as `network_of`, for the usual flood.
            self.network = f"{address[: address.rindex('.')]}.0/24"
        else:
            self.bare_address = unmapped(address.partition("%")[0])
            self.network = network_of(address.encode())


#: The client of a connection that nobody has looked at yet, and of one without addresses.
NOBODY = Client("", None)


class Clients:
    """Those who came lately to one listener. Made anew with each table of rules."""

    def __init__(self, verdict: Callable[[str], Verdict | None]) -> None:
        """`verdict(address)` is what the rules say, None when more than the address counts."""
        self._verdict = verdict
        self._lately: dict[str, Client] = {}
        #: Who came before them; when the others are too many, these are forgotten.
        self._earlier: dict[str, Client] = {}

    def of(self, peer: PeerAddress) -> Client:
        """Who is at the other end of a connection by IP."""
        address = str(peer[0]) if len(peer) == 2 else ip_text(peer)
        client = self._lately.get(address)
        if client is None:
            client = self._earlier.get(address) or Client(address, self._verdict(address))
            if len(self._lately) >= MAX_IN_HALF:
                self._lately, self._earlier = {}, self._lately
            self._lately[address] = client
        return client
