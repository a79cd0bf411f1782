# SPDX-License-Identifier: MIT
"""What connections have in common that got the same verdict at the same address of ours.

Their texts, for the backend and for the journal, differ only in the client's address and a few
numbers; so what is the same in them is made once, and kept in their lane.
"""

from dataclasses import dataclass

from socketgate.rules.verdict import Verdict

#: So many are kept: one for each rule that lets clients in, and each of our addresses.
MAX_LANES = 10_000


@dataclass(frozen=True, slots=True)
class Server:
    """Our end of a connection: address text (empty for AF_UNIX and vsock) and port."""

    address: str
    port: int


class Lane:
    """One verdict, one of our addresses, and the texts made for them so far."""

    __slots__ = ("entries", "introduction", "server", "verdict")

    def __init__(self, verdict: Verdict, server: Server) -> None:
        self.verdict = verdict
        self.server = server
        #: The end of each introduction, after the client's address.
        self.introduction: str | None = None
        #: Of entries, by outcome: what stands before the client, after it, and at the end.
        self.entries: dict[object, tuple[str, str, str]] = {}


class Lanes:
    """The lanes in use. Made anew with each table of rules."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[int, int], Lane] = {}

    def of(self, verdict: Verdict, server: Server) -> Lane:
        """The lane of this very verdict, which is kept with it, so that no other gets its id."""
        key = id(verdict), id(server)
        lane = self._lanes.get(key)
        if lane is None:
            if len(self._lanes) >= MAX_LANES:
                self._lanes.clear()
            lane = self._lanes[key] = Lane(verdict, server)
        return lane
