# SPDX-License-Identifier: MIT
"""Where a lookup comes from: addresses as text, and the prefixes that limits count by.

plain(b"::ffff:192.0.2.7")     192.0.2.7          an IPv4 client, whatever socket it came by
source_of(b"192.0.2.7")        192.0.2.7/32       one customer: a host, or in IPv6 a /64
network_of(b"2001:db8::1")     2001:db8::/48      one reverse zone, as they are delegated
"""

import socket

from socketgate.lookup_values import Prefixes

_MAPPED = b"::ffff:"


def plain(address: bytes) -> bytes:
    """The address, an IPv4-mapped one as IPv4 (hosts_access(5) sees no other)."""
    if address.startswith(_MAPPED) and b"." in address:
        return address[len(_MAPPED) :]
    return address


def source_of(address: bytes) -> str:
    """The prefix that one client has to itself: IPv4 /32, IPv6 /64."""
    return _prefix(address, ipv4_bits=32, ipv6_bits=64)


def network_of(address: bytes) -> str:
    """The prefix that one reverse zone usually serves: IPv4 /24, IPv6 /48."""
    return _prefix(address, ipv4_bits=24, ipv6_bits=48)


def prefixes_of(address: bytes) -> Prefixes:
    """Both, for limits."""
    return Prefixes(source_of(address), network_of(address))


def _prefix(address: bytes, *, ipv4_bits: int, ipv6_bits: int) -> str:
    """The address cut to whole bytes; what is no address is a prefix of its own."""
    text = plain(address).partition(b"%")[0].decode("ascii", "replace")
    family, bits = (socket.AF_INET6, ipv6_bits) if ":" in text else (socket.AF_INET, ipv4_bits)
    try:
        packed = socket.inet_pton(family, text)
    except OSError:
        return text
    kept = packed[: bits // 8].ljust(len(packed), b"\0")
    return f"{socket.inet_ntop(family, kept)}/{bits}"
