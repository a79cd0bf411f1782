# SPDX-License-Identifier: MIT
"""Patterns for a host: its name and its address (hosts_access(5), PATTERNS).

    Netgroup  HostFile  KnownHost  LocalHost  QuadNet  SixNet  Nothing  Forward  AnyText  OneOf

`matches` asks for a name only where the address could not answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from socketgate.rules.facts import Host
from socketgate.rules.pattern import TextPattern
from socketgate.rules.request import PARANOID, UNKNOWN, ForwardAddresses, InNetgroup
from socketgate.rules.spans import SpanList
from socketgate.rules.text import shown


@dataclass(frozen=True, slots=True)
class Nothing:
    """A word that can't match: a bad mask, bits outside it, a bad length."""

    def matches(self, _host: Host) -> bool:
        """Never."""
        return False


@dataclass(frozen=True, slots=True)
class Netgroup:
    """`@group`, by name only."""

    group: bytes

    def matches(self, host: Host) -> bool:
        """As innetgr(3) says of the host's name, even of `unknown`."""
        return host.facts.answer(InNetgroup(self.group, host.name().raw)) is True


@dataclass(frozen=True, slots=True)
class KnownHost:
    """KNOWN: address and name are known, and don't contradict each other."""

    def matches(self, host: Host) -> bool:
        """Looks the name up, unless the address is unknown."""
        return host.address.plain != UNKNOWN and host.name().plain not in (UNKNOWN, PARANOID)


@dataclass(frozen=True, slots=True)
class LocalHost:
    """LOCAL: the name is known and has no dot."""

    def matches(self, host: Host) -> bool:
        """By name only."""
        name = host.name().plain
        return b"." not in name and name not in (UNKNOWN, PARANOID)


@dataclass(frozen=True, slots=True)
class QuadNet:
    """`192.0.2.0/24`, `192.0.2.0/255.255.255.0`: masks need not be contiguous."""

    net: int
    mask: int

    def matches(self, host: Host) -> bool:
        """By address only."""
        quad = host.address.quad
        return quad is not None and quad & self.mask == self.net


@dataclass(frozen=True, slots=True)
class SixNet:
    """`[2001:db8::]/32`: bits beyond the length don't matter."""

    net: int
    length: int

    def matches(self, host: Host) -> bool:
        """By address only; an IPv4-mapped address is none of IPv6."""
        value = host.address.six
        return value is not None and (value ^ self.net) >> (128 - self.length) == 0


@dataclass(frozen=True, slots=True)
class Forward:
    """`dns:home.example.org`: an address that the name has now."""

    name: bytes

    def matches(self, host: Host) -> bool:
        """By the addresses somebody keeps resolving; never by the client's own name."""
        addresses = host.facts.answer(ForwardAddresses(self.name))
        return isinstance(addresses, frozenset) and host.address.plain in addresses


@dataclass(frozen=True, slots=True)
class AnyText:
    """Any other word, tried against the address and, unless `by_address`, against the name.

    Words of digits, dots and slashes are for addresses only. So is `[2001:db8::1]`: a name that
    reads as an address never comes out of a lookup, so libwrap looks it up in vain.
    """

    text: TextPattern
    by_address: bool

    def matches(self, host: Host) -> bool:
        """Asks for the name only when the address did not match."""
        if self.text.matches(host.address):
            return True
        return not self.by_address and self.text.matches(host.name())


@dataclass(frozen=True, slots=True)
class OneOf:
    """Many words that go by address alone, as one: host addresses, networks, IPv6.

    Words are texts, nets are numbers: an IPv4 address in an odd spelling can be in a net but only
    equals the word that is spelled so, and begins as it is spelled.
    """

    words: SpanList
    nets: SpanList
    sixes: SpanList
    odd_words: frozenset[bytes]
    prefixes: tuple[bytes, ...]

    def matches(self, host: Host) -> bool:
        """By address only."""
        address = host.address
        quad = address.canonical
        if quad is not None:
            return quad in self.words or quad in self.nets
        if address.six is not None:
            return address.six in self.sixes
        if address.plain in self.odd_words or address.plain.startswith(self.prefixes):
            return True
        return address.quad is not None and address.quad in self.nets


@dataclass(frozen=True, slots=True)
class Unopenable:
    """A host file that is there and can't be read."""

    reason: str


#: What a host file holds: patterns, or the reason why it can't be read.
Contents = tuple["HostPattern", ...] | Unopenable
#: The contents of all host files, by path.
Library = Mapping[bytes, Contents]

#: Host files within host files, at most.
MAX_DEPTH = 32


def names_itself(path: bytes) -> str:
    """What is said of a host file that is found within itself."""
    return f"host file {shown(path)} names itself"


@dataclass(frozen=True, slots=True)
class HostFile:
    """`/path`: any pattern in the file."""

    path: bytes
    library: Library = field(compare=False, repr=False, hash=False)

    def matches(self, host: Host) -> bool:
        """A file that isn't there matches nothing; a file inside itself neither."""
        facts = host.facts
        match self.library.get(self.path, ()):
            case Unopenable(reason):
                facts.warn(f"open {shown(self.path)}: {reason}")
                return False
            case contents:
                pass
        if self.path in facts.open_files:
            facts.error(names_itself(self.path))
            return False
        if len(facts.open_files) >= MAX_DEPTH:
            facts.error(f"host file within {MAX_DEPTH} others: {shown(self.path)} is not read")
            return False
        facts.open_files.append(self.path)
        found = any(pattern.matches(host) for pattern in contents)
        facts.open_files.pop()
        return found


HostPattern = (
    Nothing
    | Netgroup
    | KnownHost
    | LocalHost
    | QuadNet
    | SixNet
    | Forward
    | AnyText
    | OneOf
    | HostFile
)
