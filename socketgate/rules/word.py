# SPDX-License-Identifier: MIT
"""What the words of the daemon list, the client list and host files mean.

daemon list    daemon   daemon@host
client list    host     user@host
host file      host
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from socketgate.rules.address import dot_quad, six
from socketgate.rules.facts import Facts
from socketgate.rules.host import (
    AnyText,
    Forward,
    HostFile,
    HostPattern,
    KnownHost,
    Library,
    LocalHost,
    Netgroup,
    Nothing,
    QuadNet,
    SixNet,
)
from socketgate.rules.pattern import SameSix, TextPattern, is_bracketed, parse_text_pattern
from socketgate.rules.spans import LAST_QUAD
from socketgate.rules.text import find_outside, leading_number, whole_unsigned

#: `dns:` and a name with a dot in it. See docs/language.md on why the dot.
FORWARD_WORD = re.compile(rb"dns:((?:[a-z0-9_-]+\.)+[a-z0-9_-]*)", re.IGNORECASE)
#: A word of these alone is never tried against a name (hosts_access(5)).
_NUMBERS_ONLY = re.compile(rb"[0-9./]*")
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Reading:
    """What a word's meaning depends on beside the word."""

    interfaces: frozenset[bytes] = frozenset()
    library: Library = field(default_factory=dict)
    extensions: bool = True


@dataclass(frozen=True, slots=True)
class ClientWord:
    """`host` or `user@host`."""

    host: HostPattern
    user: TextPattern | None = None

    def matches(self, facts: Facts) -> bool:
        """The host first; the user is looked up only for a host that matched."""
        if not self.host.matches(facts.client):
            return False
        return self.user is None or self.user.matches(facts.user())


@dataclass(frozen=True, slots=True)
class DaemonName:
    """A daemon's name."""

    name: TextPattern

    def matches(self, facts: Facts) -> bool:
        """The name the daemon has in the request."""
        return self.name.matches(facts.daemon)


@dataclass(frozen=True, slots=True)
class DaemonPort:
    """A number: the server's port, and never a daemon that is called like that (Debian)."""

    port: int

    def matches(self, facts: Facts) -> bool:
        """The port, if it is known."""
        return facts.server.port == self.port


@dataclass(frozen=True, slots=True)
class DaemonWord:
    """`daemon` or `daemon@host`."""

    daemon: DaemonName | DaemonPort
    host: HostPattern | None = None

    def matches(self, facts: Facts) -> bool:
        """The daemon first; the server's end only for a daemon that matched."""
        if not self.daemon.matches(facts):
            return False
        return self.host is None or self.host.matches(facts.server)


def parse_client_word(word: bytes, reading: Reading) -> ClientWord:
    """`host` or `user@host`: the first `@` after the first byte, outside brackets."""
    at = find_outside(word, b"@", 1)
    if at < 0:
        return ClientWord(parse_host_pattern(word, reading))
    user = parse_text_pattern(word[:at], reading.interfaces)
    return ClientWord(parse_host_pattern(word[at + 1 :], reading), user)


def parse_daemon_word(word: bytes, reading: Reading) -> DaemonWord:
    """`daemon` or `daemon@host`."""
    at = find_outside(word, b"@", 1)
    if at < 0:
        return DaemonWord(_parse_daemon(word, reading))
    return DaemonWord(
        _parse_daemon(word[:at], reading), parse_host_pattern(word[at + 1 :], reading)
    )


def _parse_daemon(word: bytes, reading: Reading) -> DaemonName | DaemonPort:
    port = whole_unsigned(word)
    if port is not None and port <= _MAX_PORT:
        return DaemonPort(port)
    return DaemonName(parse_text_pattern(word, reading.interfaces))


def parse_host_pattern(word: bytes, reading: Reading) -> HostPattern:
    """What a word means for a host."""
    if word[:1] == b"@":
        return Netgroup(word[1:])
    if word[:1] == b"/":
        return HostFile(word, reading.library)
    if special := _SPECIAL.get(word.lower()):
        return special()
    if reading.extensions and (forward := FORWARD_WORD.fullmatch(word)):
        return Forward(forward[1].lower())
    slash = find_outside(word, b"/")
    if slash >= 0:
        return parse_net(word[:slash], word[slash + 1 :], reading.interfaces)
    text = parse_text_pattern(word, reading.interfaces)
    by_address = isinstance(text, SameSix) or _NUMBERS_ONLY.fullmatch(word) is not None
    return AnyText(text, by_address)


def parse_net(net: bytes, mask: bytes, interfaces: frozenset[bytes]) -> HostPattern:
    """What `NET/MASK` means; Nothing where libwrap silently never matches."""
    if is_bracketed(net):
        return _parse_six_net(six(net[1:-1], interfaces), leading_number(mask))
    value, bits = dot_quad(net), dot_quad(mask)
    if bits is None:
        length = leading_number(mask)
        bits = LAST_QUAD << (32 - length) & LAST_QUAD if 1 <= length <= 32 else None
    if value is None or bits is None or value & ~bits:
        return Nothing()
    return QuadNet(value, bits)


def _parse_six_net(net: int | None, length: int) -> HostPattern:
    return Nothing() if net is None or not 0 <= length <= 128 else SixNet(net, length)


_SPECIAL: dict[bytes, Callable[[], HostPattern]] = {b"known": KnownHost, b"local": LocalHost}
