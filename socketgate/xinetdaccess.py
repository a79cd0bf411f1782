# SPDX-License-Identifier: MIT
"""xinetd's only_from and no_access as rules of hosts.allow that deny. Pure.

In xinetd the better match wins, and whom it lets in, libwrap still has to. So every rule here only
denies, and what stands below it decides about the rest:

    NAME: ALL EXCEPT only_from... : deny
    NAME: one of no_access EXCEPT those of only_from that are better matches : deny
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

#: A logical line of a rule file has at most 2047 bytes (docs/language.md 2).
MAX_LIST_BYTES = 1800

_FACTORIZED = re.compile(r"((?:\d{1,3}\.){0,3})\{([\d,\s]*)\}")
_NAME = re.compile(r"\.?[A-Za-z0-9_][A-Za-z0-9_.-]*")

Net = ipaddress.IPv4Network | ipaddress.IPv6Network


class NoPattern(ValueError):
    """What stands in the list can't be written as a pattern; the text says why."""


@dataclass(frozen=True, slots=True)
class Client:
    """One of the clients in a list: a network, or else a name or domain."""

    net: Net | None
    name: str = ""

    @property
    def pattern(self) -> str:
        """As hosts_access(5) has it."""
        if self.net is None:
            return self.name
        if self.net.version == 6:
            return f"[{self.net.network_address}]/{self.net.prefixlen}"
        if self.net.prefixlen == 0:
            return "0.0.0.0/0.0.0.0"  # a prefix length of 0 never matches
        if self.net.prefixlen == 32:
            return str(self.net.network_address)
        return str(self.net)

    def is_better_than(self, other: "Client") -> bool:
        """Whether all clients of this are among the other's, which has more.

        A name is no better than an address: whom an address keeps out stays out.
        """
        if self.net is None or other.net is None:
            is_name = self.net is None and other.net is None
            return is_name and self.name != other.name and _ends(self.name, other.name)
        if isinstance(self.net, ipaddress.IPv4Network):
            is_part = isinstance(other.net, ipaddress.IPv4Network) and self.net.subnet_of(other.net)
        else:
            is_part = isinstance(other.net, ipaddress.IPv6Network) and self.net.subnet_of(other.net)
        return is_part and self.net != other.net


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
        return [_number(match[1] + last) for last in match[2].split(",")]
    if re.fullmatch(r"[\d.]+", word):
        return [_number(word)]
    if "/" in word or ":" in word:
        try:
            return [Client(ipaddress.ip_network(word, strict=False))]
        except ValueError:
            raise NoPattern(f"{word!r} is no network") from None
    if not _NAME.fullmatch(word):
        raise NoPattern(f"{word!r} is no address, network or name")
    return [Client(None, word)]


def _number(text: str) -> Client:
    """`a.b.c.d`: zeros at the end stand for everything, xinetd.conf(5)."""
    parts = text.strip(".").split(".")
    parts += ["0"] * (4 - len(parts))
    if len(parts) != 4 or any(not part.isdecimal() or int(part) > 255 for part in parts):
        raise NoPattern(f"{text!r} is no address")
    numbers = [str(int(part)) for part in parts]
    wild = next((at for at, part in enumerate(reversed(numbers)) if part != "0"), 4)
    return Client(ipaddress.ip_network(f"{'.'.join(numbers)}/{8 * (4 - wild)}"))


def access_rules(
    name: str, only_from: Sequence[Client] | None, no_access: Sequence[Client], folder: str
) -> Rules:
    """The rules for a daemon; `only_from` is None where there is no such list."""
    lines: list[str] = []
    files: list[tuple[str, tuple[str, ...]]] = []
    if only_from is not None:
        words = tuple(client.pattern for client in only_from)
        if sum(len(word) + 1 for word in words) > MAX_LIST_BYTES:
            path = f"{folder}/{name}.only-from"
            files.append((path, words))
            words = (path,)
        lines.append(f"{name}: {_except('ALL', words)}: deny")
    for client in no_access:
        # 0.0.0.0 means everybody; whom it keeps out, it keeps out whatever his address is.
        is_all = client.net is not None and client.net.prefixlen == 0
        better = [one.pattern for one in only_from or () if one.is_better_than(client)]
        lines.append(f"{name}: {_except('ALL' if is_all else client.pattern, better)}: deny")
    return Rules(tuple(dict.fromkeys(lines)), tuple(files))


def _ends(name: str, domain: str) -> bool:
    return domain.startswith(".") and name.lower().endswith(domain.lower())


def _except(word: str, others: Sequence[str]) -> str:
    return f"{word} EXCEPT {' '.join(others)}" if others else word
