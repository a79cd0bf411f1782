# SPDX-License-Identifier: MIT
"""xinetd's only_from and no_access as rules of hosts.allow that deny. Pure.

    NAME: ALL EXCEPT only_from... : deny
    NAME: no_access... : deny

Whom xinetd lets in, libwrap still has to: so every rule here only denies, and what stands below it
decides about the rest. xinetd.conf(5) says that of two lists the better match wins; xinetd 2.3.15
refuses everybody who is in no_access, and so do these.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

#: Names that are none in a client list of hosts_access(5).
WORDS = frozenset({"all", "except", "known", "local", "paranoid", "unknown"})
#: A logical line of a rule file has at most 2047 bytes (docs/language.md 2).
MAX_LIST_BYTES = 1800

_FACTORIZED = re.compile(r"((?:\d{1,3}\.){0,3})\{([\d,]*)\}")
_NAME = re.compile(r"\.?[A-Za-z0-9_][A-Za-z0-9_.-]*")
#: RFC 4291, 2.5.5.2: IPv4-mapped addresses, which are IPv4 to hosts_access(5).
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")

_EVERY_IPV4 = ipaddress.IPv4Network((0, 0))

Net = ipaddress.IPv4Network | ipaddress.IPv6Network


class NoPattern(ValueError):
    """What stands in the list can't be written as a pattern; the text says why."""


@dataclass(frozen=True, slots=True)
class Client:
    """One of the clients in a list: a network, or else a name or domain."""

    net: Net | None
    name: str = ""

    def patterns(self, *, is_dual: bool) -> tuple[str, ...]:
        """As hosts_access(5) has them.

        To a service that takes IPv4 clients on an IPv6 socket, `is_dual`, they are IPv4-mapped.
        """
        if self.net is None:
            return (self.name,)
        if isinstance(self.net, ipaddress.IPv4Network):
            return (_ipv4(self.net),)
        if is_dual and self.net.subnet_of(_MAPPED):
            mapped = int(self.net.network_address) & 0xFFFFFFFF
            return (_ipv4(ipaddress.IPv4Network((mapped, self.net.prefixlen - 96))),)
        pattern = f"[{self.net.network_address}]/{self.net.prefixlen}"
        has_mapped = is_dual and _MAPPED.subnet_of(self.net)
        return (pattern, _ipv4(_EVERY_IPV4)) if has_mapped else (pattern,)


@dataclass(frozen=True, slots=True)
class Rules:
    """Lines for the top of hosts.allow, and the host files they name: path, words."""

    lines: tuple[str, ...]
    files: tuple[tuple[str, tuple[str, ...]], ...] = ()


def parse_clients(words: Sequence[str]) -> list[Client]:
    """The clients of a list; raises NoPattern."""
    return [client for word in _joined(words) for client in _parse(word)]


def _joined(words: Sequence[str]) -> list[str]:
    """The words, with the blanks in braces gone: `10.0.0.{1, 2}` is one."""
    return re.sub(r"\{[^}]*\}", lambda found: found[0].replace(" ", ""), " ".join(words)).split()


def _parse(word: str) -> list[Client]:
    if match := _FACTORIZED.fullmatch(word):
        return [_factorized(match[1] + last) for last in match[2].split(",")]
    if re.fullmatch(r"[\d.]+", word):
        return [_numeric(word)]
    if "/" in word or ":" in word:
        # xinetd compares the bits alone, and a pattern with a zone needs the interface to be there.
        bare = re.sub(r"%[^/]*", "", word) if ":" in word else word
        try:
            return [Client(ipaddress.ip_network(bare, strict=False))]
        except ValueError:
            raise NoPattern(f"{word!r} is no network") from None
    if not _NAME.fullmatch(word):
        raise NoPattern(f"{word!r} is no address, network or name")
    if word.lower() in WORDS:
        raise NoPattern(f"{word!r} means something else in hosts.allow: write its address")
    return [Client(None, word)]


def _factorized(text: str) -> Client:
    """One of `a.b.c.{d,e}`: all its numbers count, a zero as well."""
    return _network(text, len(text.split(".")))


def _numeric(text: str) -> Client:
    """`a.b.c.d`: zeros at the end stand for everything, and so does what is missing."""
    parts = text.rstrip(".").split(".")
    if len(parts) < 2:
        raise NoPattern(f"{text!r} is no address")
    counting = len(parts)
    while counting and not parts[counting - 1].strip("0"):
        counting -= 1
    return _network(text, counting)


def _network(text: str, counting: int) -> Client:
    """The network of an address's first numbers; `counting` says how many."""
    parts = text.rstrip(".").split(".")
    if len(parts) > 4 or any(not part.isdecimal() or int(part) > 255 for part in parts):
        raise NoPattern(f"{text!r} is no address")
    numbers = [*(int(part) for part in parts), 0, 0, 0][:4]
    return Client(ipaddress.IPv4Network((bytes(numbers), 8 * counting)))


def _ipv4(net: ipaddress.IPv4Network) -> str:
    if net.prefixlen == 0:
        return "0.0.0.0/0.0.0.0"  # a prefix length of 0 never matches
    return str(net.network_address) if net.prefixlen == 32 else str(net)


def access_rules(
    name: str,
    only_from: Sequence[Client] | None,
    no_access: Sequence[Client],
    folder: str,
    *,
    is_dual: bool,
) -> Rules:
    """The rules for a daemon; `only_from` is None where there is no such list.

    A list that is too long for a line becomes a host file in the folder.
    """
    lines: list[str] = []
    files: list[tuple[str, tuple[str, ...]]] = []

    def fitting(clients: Sequence[Client], list_name: str) -> str:
        words = tuple(word for client in clients for word in client.patterns(is_dual=is_dual))
        if sum(len(word) + 1 for word in words) <= MAX_LIST_BYTES:
            return " ".join(words)
        files.append((f"{folder}/{name}.{list_name}", words))
        return files[-1][0]

    if only_from is not None:
        others = fitting(only_from, "only-from")
        lines.append(f"{name}: ALL EXCEPT {others}: deny" if others else f"{name}: ALL: deny")
    if no_access:
        lines.append(f"{name}: {fitting(no_access, 'no-access')}: deny")
    return Rules(tuple(lines), tuple(files))
