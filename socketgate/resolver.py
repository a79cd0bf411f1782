# SPDX-License-Identifier: MIT
"""The name of an address, checked both ways, as libwrap does it (docs/lookups.md, Names).

    getnameinfo(3) ──▶ no name ─────────────────────────────────▶ unknown
                  └──▶ name ──▶ reads as an address ────────────▶ paranoid
                            ──▶ getaddrinfo(3) of it fails ─────▶ paranoid
                            ──▶ its canonical name is another ──▶ paranoid
                            ──▶ it has not this address ────────▶ paranoid
                            ──▶ else the name

Everything here blocks, and belongs into a `LookupPool`. Which sources are asked, in which order,
is nsswitch.conf's affair.
"""

import socket

from socketgate import libc
from socketgate.lookup_source import plain
from socketgate.lookup_values import MAX_NAME_BYTES, Found, is_clean, shown
from socketgate.rules.request import PARANOID, UNKNOWN

#: Where the answers may come from: when one of these files changes, kept answers are stale.
FILES = ("/etc/hosts", "/etc/host.conf", "/etc/resolv.conf", "/etc/nsswitch.conf")

#: A name that is a fact ends here (docs/lookups.md, Names).
FACT_BYTES = 127

#: gai_strerror(3) is wordy and differs between C libraries.
_NO_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})

#: What getaddrinfo raises: its own errors, and one for a canonical name that it can't decode.
_LOOKUP_FAILS = (OSError, UnicodeError)

AddressInfo = tuple[
    socket.AddressFamily,
    socket.SocketKind,
    int,
    str,
    tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes],
]


def look_up_name(address: bytes, subject: str) -> Found:
    """The name of a numeric address, or unknown, or paranoid. Blocks as long as the resolver does.

    `subject` opens the note: whose name this is.
    """
    info = _numeric(plain(address))
    if info is None:
        return Found(UNKNOWN, f"{subject}: {shown(address)} is no address")
    try:
        name = libc.name_of_address(info[4])
    except socket.gaierror as error:
        return Found(UNKNOWN, f"{subject}: {_reason(error)}")
    if not is_clean(name, MAX_NAME_BYTES):
        return Found(UNKNOWN, f"{subject}: no host name, but {shown(name)}")
    # Cut before it is checked: a name that is cut later could end in a domain it is not in.
    name = name[:FACT_BYTES]
    contradiction = _contradiction(name, info)
    if contradiction:
        return Found(PARANOID, f"{subject}: {contradiction}")
    return Found(name)


def _contradiction(name: bytes, info: AddressInfo) -> str:
    """What speaks against the name, in libwrap's words; empty if nothing does."""
    if _numeric(name, info[0]) is not None:
        return f"host name/name mismatch: reverse lookup results in non-FQDN {shown(name)}"
    family = info[0]
    flags = socket.AI_PASSIVE | socket.AI_CANONNAME
    try:
        forward = socket.getaddrinfo(name, None, family, socket.SOCK_STREAM, flags=flags)
    except _LOOKUP_FAILS:
        return f"can't verify hostname: getaddrinfo({shown(name)}, {family.name}) failed"
    canonical = forward[0][3].encode()
    if canonical.lower() != name.lower() != b"localhost":
        return f"host name/name mismatch: {shown(name)} != {shown(canonical)}"
    if not any(_same_host(info, candidate) for candidate in forward):
        return f"host name/address mismatch: {info[4][0]!s} != {shown(canonical)}"
    return ""


def _numeric(text: bytes, family: socket.AddressFamily = socket.AF_UNSPEC) -> AddressInfo | None:
    """What getaddrinfo makes of a text that is a numeric address, with its zone."""
    if b"\0" in text:  # would be cut there
        return None
    flags = socket.AI_PASSIVE | socket.AI_NUMERICHOST
    try:
        return socket.getaddrinfo(text, None, family, socket.SOCK_STREAM, flags=flags)[0]
    except _LOOKUP_FAILS:
        return None


def _same_host(mine: AddressInfo, other: AddressInfo) -> bool:
    """The same bits, and the same zone if both have one."""
    if _bits(mine) != _bits(other):
        return False
    zones = {address[3] for address in (mine[4], other[4]) if len(address) == 4} - {0}
    return len(zones) < 2


def _bits(info: AddressInfo) -> bytes:
    return socket.inet_pton(info[0], str(info[4][0]).partition("%")[0])


def _reason(error: socket.gaierror) -> str:
    if error.errno in _NO_NAME:
        return "not found"
    if error.errno == socket.EAI_AGAIN:
        return "the resolver gave no answer"
    return str(error.strerror)
