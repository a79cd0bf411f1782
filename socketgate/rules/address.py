# SPDX-License-Identifier: MIT
"""Addresses and texts as the patterns see them.

dot_quad("012.1.2.3")   what libwrap's net/mask reads, odd spellings included
six("FE80::1%lo")       the 128 bits, zone checked and dropped
Subject(text)           one text of a request with its readings
"""

from socket import AF_INET6, inet_aton, inet_ntoa, inet_pton

#: getnameinfo(3) writes an IPv4 client of a dual-stack socket with this in front.
MAPPED = b"::ffff:"
#: Texts of a request are cut to this by libwrap.
MAX_TEXT_BYTES = 127


def dot_quad(text: bytes) -> int | None:
    """An IPv4 address by inet_addr(3), if the text has four runs between dots.

    255.255.255.255 can't be told from an error there, so it is none.
    """
    runs = [run for run in text.split(b".") if run]
    if len(runs) != 4:
        return None
    try:
        value = int.from_bytes(inet_aton(text.decode("latin-1")))
    except (OSError, ValueError):
        return None
    return None if value == 0xFFFFFFFF else value


def canonical_quad(text: bytes) -> int | None:
    """An IPv4 address, only in the one spelling that getnameinfo(3) gives it."""
    try:
        packed = inet_aton(text.decode("latin-1"))
    except (OSError, ValueError):
        return None
    return int.from_bytes(packed) if inet_ntoa(packed).encode() == text else None


def six(text: bytes, interfaces: frozenset[bytes]) -> int | None:
    """A numeric IPv6 address by getaddrinfo(3); its zone must exist and is dropped."""
    head, percent, zone = text.partition(b"%")
    try:
        value = int.from_bytes(inet_pton(AF_INET6, head.decode("latin-1")))
    except (OSError, ValueError):
        return None
    return None if percent and not _zone_exists(zone, value, interfaces) else value


def _zone_exists(zone: bytes, value: int, interfaces: frozenset[bytes]) -> bool:
    """Names are for link-local addresses only, numbers for all (getaddrinfo(3) in glibc)."""
    is_link_local = value >> 118 == 0xFE80 >> 6 or (value >> 112) & 0xFF0F in (0xFF01, 0xFF02)
    if is_link_local and zone in interfaces:
        return True
    digits = zone.lstrip(b"0") or b"0"
    return zone.isdigit() and len(digits) <= 10 and int(digits) < 1 << 32


def unmapped(text: bytes) -> bytes:
    """The text without the prefix of an IPv4-mapped address."""
    if text[:7].lower() == MAPPED and dot_quad(text[7:]) is not None:
        return text[7:]
    return text


class Subject:
    """A text that patterns are tried against: as it is, in lower case, and as an address."""

    __slots__ = ("_interfaces", "_quad", "_six", "plain", "raw")

    def __init__(self, text: bytes, interfaces: frozenset[bytes] = frozenset()) -> None:
        self.raw = text[:MAX_TEXT_BYTES]
        #: Lower case, and of an IPv4-mapped address the IPv4 address.
        self.plain = unmapped(self.raw).lower()
        self._interfaces = interfaces
        self._quad: int | None = -1
        self._six: int | None = -1

    @property
    def quad(self) -> int | None:
        """The IPv4 address that net/mask patterns see."""
        if self._quad == -1:
            self._quad = dot_quad(self.plain)
        return self._quad

    @property
    def canonical(self) -> int | None:
        """The IPv4 address, if it is written as getnameinfo(3) writes it."""
        return canonical_quad(self.plain)

    @property
    def six(self) -> int | None:
        """The IPv6 address, None for an IPv4-mapped one."""
        if self._six == -1:
            self._six = six(unmapped(self.raw), self._interfaces)
        return self._six
