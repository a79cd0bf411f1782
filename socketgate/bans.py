# SPDX-License-Identifier: MIT
"""Bans: networks that are refused for a while, whatever the rules say. Pure values and an index.

    Net   192.0.2.7/32, 2001:db8::/64        Ban   a net, for which daemon, until when, and why

`Bans` answers for an address in the time of one dictionary lookup for each prefix length in use,
however many bans there are. Values are named tuples here: quick to make, of no interest to the
garbage collector, and `socketgate ban`, which others run for each offender, starts in half the time
it would need for dataclasses.
"""

import heapq
from collections.abc import Iterable, Iterator
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import NamedTuple

#: The daemon of a ban that counts for every daemon, as in the rules.
EVERY_DAEMON = "ALL"

#: When a ban ends that has no end.
NEVER = 1 << 62

#: So many ends of earlier bans more than there are bans are kept before they are looked through.
SLACK_ENDS = 1000

_MAPPED = bytes(10) + b"\xff\xff"
_BITS = {AF_INET: 32, AF_INET6: 128}


class Net(NamedTuple):
    """The addresses of one family (32 or 128 bits) that begin with these `length` bits."""

    bits: int
    length: int
    head: int

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"

    @property
    def address(self) -> str:
        """The first address."""
        family = AF_INET if self.bits == 32 else AF_INET6
        value = self.head << (self.bits - self.length)
        return inet_ntop(family, value.to_bytes(self.bits // 8, "big"))

    @property
    def name(self) -> str:
        """For people: a single address without its length."""
        return self.address if self.length == self.bits else str(self)

    def has(self, bits: int, value: int) -> bool:
        """Whether the address is one of them."""
        return bits == self.bits and value >> (bits - self.length) == self.head

    def meets(self, other: "Net") -> bool:
        """Whether they have an address in common: then one of them is within the other."""
        if self.length > other.length:
            return other.meets(self)
        is_family = self.bits == other.bits
        return is_family and other.head >> (other.length - self.length) == self.head


def parse_address(text: str) -> tuple[int, int]:
    """Bits and value; an IPv4-mapped address is IPv4. Raises ValueError, which says what is wrong.

    Only the spellings of inet_pton(3), which are those that accept(2) and logs have.
    """
    family = AF_INET6 if ":" in text else AF_INET
    try:
        packed = inet_pton(family, text)
    except (OSError, ValueError):
        raise ValueError(f"{text!r} is no IPv4 or IPv6 address") from None
    if packed[:12] == _MAPPED:
        packed = packed[12:]
    return 8 * len(packed), int.from_bytes(packed, "big")


def without_brackets(address: str) -> str:
    """The address in `[2001:db8::7]`: so it stands where a colon has a meaning, as in the rules."""
    inner = address[1:-1]
    return inner if address == f"[{inner}]" else address


def parse_net(text: str, six_length: int = 128) -> Net:
    """`192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`; bits after the length don't matter.

    An IPv6 address without a length has `six_length`. Raises ValueError, which says what is wrong.
    """
    address, slash, length_text = text.partition("/")
    bits, value = parse_address(address)
    length = (six_length if bits == 128 else 32) if not slash else -1
    if slash and length_text.isascii() and length_text.isdigit():
        length = int(length_text) - (96 if bits == 32 and ":" in address else 0)
    if not 1 <= length <= bits:
        raise ValueError(f"{text!r}: a network's length is a number from 1 to {bits}")
    return Net(bits, length, value >> (bits - length))


class Ban(NamedTuple):
    """A net that is refused. Times are whole seconds by time.time()."""

    net: Net
    made: int
    daemon: str = EVERY_DAEMON
    until: int = NEVER
    origin: str = ""
    reason: str = ""

    def concerns(self, daemon: str) -> bool:
        """Whether it counts for this daemon."""
        return self.daemon in (EVERY_DAEMON, daemon)


class Unban(NamedTuple):
    """The end of the ban of this net for this daemon that this origin made."""

    net: Net
    daemon: str
    origin: str = ""


Event = Ban | Unban


class Bans:
    """The bans in force, and the nets that no ban concerns. See above."""

    def __init__(self, spared: Iterable[Net] = ()) -> None:
        self.spared = tuple(spared)
        #: How many there are; those that have run out since `expire` included.
        self.count = 0
        #: bits -> length -> head -> the bans of that net, one for each daemon and origin.
        self._nets: dict[int, dict[int, dict[int, tuple[Ban, ...]]]] = {32: {}, 128: {}}
        #: A heap of when nets are to be looked at: until, bits, length, head. What bans that were
        #: replaced or ended have in it stays for a while.
        self._ends: list[tuple[int, int, int, int]] = []

    def __iter__(self) -> Iterator[Ban]:
        for lengths in self._nets.values():
            for heads in lengths.values():
                for bans in heads.values():
                    yield from bans

    def apply(self, event: Event) -> None:
        """A ban takes the place of the one before of the same net, daemon and origin.

        Each origin has bans of its own: no fail2ban jail ends or shortens what another one banned.
        """
        net = event.net
        heads = self._nets[net.bits].setdefault(net.length, {})
        before = heads.get(net.head, ())
        whose = (event.daemon, event.origin)
        after = tuple(ban for ban in before if (ban.daemon, ban.origin) != whose)
        if isinstance(event, Ban):
            after += (event,)
            if event.until != NEVER:
                heapq.heappush(self._ends, (event.until, net.bits, net.length, net.head))
        self._keep(net, after, len(after) - len(before))
        if len(self._ends) > 2 * self.count + SLACK_ENDS:
            self._forget_old_ends()

    def clear(self) -> None:
        """No bans at all."""
        self._nets = {32: {}, 128: {}}
        self._ends = []
        self.count = 0

    def expire(self, now: float) -> None:
        """Forget those that have run out; they did not count any more anyway."""
        while self._ends and self._ends[0][0] <= now:
            _, bits, length, head = heapq.heappop(self._ends)
            before = self._nets[bits].get(length, {}).get(head, ())
            after = tuple(ban for ban in before if ban.until > now)
            if len(after) < len(before):
                self._keep(Net(bits, length, head), after, len(after) - len(before))

    def is_spared(self, address: str) -> bool:
        """Whether no ban concerns this address (`never-ban`)."""
        bits, value = parse_address(address)
        return any(net.has(bits, value) for net in self.spared)

    def find(self, address: str, daemon: str, now: float) -> Ban | None:
        """A ban that refuses this client, if there is one."""
        for ban in self.matching(address, daemon, now):
            return None if self.is_spared(address) else ban
        return None

    def matching(self, address: str, daemon: str | None, now: float) -> Iterator[Ban]:
        """Every ban of a net that has this address, spared or not; None: whatever the daemon."""
        bits, value = parse_address(address)
        for length, heads in self._nets[bits].items():
            for ban in heads.get(value >> (bits - length), ()):
                if ban.until > now and (daemon is None or ban.concerns(daemon)):
                    yield ban

    def _forget_old_ends(self) -> None:
        self._ends = [(ban.until, *ban.net) for ban in self if ban.until != NEVER]
        heapq.heapify(self._ends)

    def _keep(self, net: Net, bans: tuple[Ban, ...], more: int) -> None:
        lengths = self._nets[net.bits]
        heads = lengths[net.length]
        self.count += more
        if bans:
            heads[net.head] = bans
            return
        heads.pop(net.head, None)
        if not heads:
            del lengths[net.length]
