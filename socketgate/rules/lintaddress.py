# SPDX-License-Identifier: MIT
"""What is wrong with a word that is meant for addresses: nets, numbers, IPv6."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from socket import AF_INET6, inet_ntoa, inet_ntop

from socketgate.rules.address import canonical_quad, dot_quad, six
from socketgate.rules.fault import Fault, error, warning
from socketgate.rules.pattern import is_bracketed
from socketgate.rules.spans import LAST_QUAD
from socketgate.rules.text import begins_with_number, find_outside, leading_number, shown
from socketgate.rules.word import Reading

_MAPPED_NET = 0xFFFF
_MAPPED_MESSAGE = "IPv4-mapped clients are IPv4 clients: never matches"
_SIX_BYTES = re.compile(rb"[0-9A-Fa-f:.]{0,45}")
_BEHIND_SIX = re.compile(rb"(%[^, \t\r\n:/@]*)?(/[0-9]{1,3})?(?=[, \t\r\n:%/@]|\Z)")


@dataclass(frozen=True, slots=True)
class BareSix:
    """An IPv6 address that stands there without brackets."""

    address: bytes
    zone: bytes
    length: bytes

    @property
    def value(self) -> int:
        """The 128 bits."""
        return six(self.address, frozenset()) or 0

    @property
    def right(self) -> str:
        """The same as libwrap reads it; the zone would be ignored."""
        if self.value >> 32 == _MAPPED_NET:
            return _as_quad(self.value, int(self.length[1:] or 128))
        return f"[{shown(self.address)}]{shown(self.length)}"


def _as_quad(value: int, length: int) -> str:
    """What is mapped, as IPv4 has it. A length up to 32 was meant for that already."""
    bits = min(max(length if length <= 32 else length - 96, 0), 32)
    if not bits:
        return "0.0.0.0/0.0.0.0"
    quad = inet_ntoa(((value & LAST_QUAD) >> (32 - bits) << (32 - bits)).to_bytes(4))
    return quad if bits == 32 else f"{quad}/{bits}"


def bare_six_at(text: bytes, start: int) -> BareSix | None:
    """The IPv6 address that begins there: the longest one, and not the beginning of a word."""
    found = _SIX_BYTES.match(text, start)
    address = found[0] if found else b""
    while b":" in address:
        behind = _BEHIND_SIX.match(text, start + len(address))
        if behind is not None and six(address, frozenset()) is not None:
            return BareSix(address, behind[1] or b"", behind[2] or b"")
        address = address.rpartition(b":")[0]
    return None


def bare_six_faults(word: bytes) -> Iterator[Fault] | None:
    """Of a host file's word, where no colon ends a list; None if it is no bare IPv6 address."""
    bare = bare_six_at(word, 0)
    if bare is None or len(bare.address + bare.zone + bare.length) != len(word):
        return None
    return _bare_six_faults(bare)


def _bare_six_faults(bare: BareSix) -> Iterator[Fault]:
    code, hint, value = "ipv6-without-brackets", f"write {bare.right}", bare.value
    if bare.length:
        yield error(code, "without brackets this is no IPv6 net: never matches", hint)
    elif bare.address.lower() != inet_ntop(AF_INET6, value.to_bytes(16)).encode():
        message = "without brackets this is a text that no address is written as: never matches"
        yield error(code, message, hint)
    elif value >> 32 == _MAPPED_NET:
        yield error("mapped-address", _MAPPED_MESSAGE, hint)
    else:
        yield warning(code, "without brackets this is compared as text", hint)


def net_faults(word: bytes, reading: Reading) -> Iterator[Fault]:
    """`NET/MASK`, `[NET]/LENGTH`."""
    slash = find_outside(word, b"/")
    net, mask = word[:slash], word[slash + 1 :]
    if is_bracketed(net):
        yield from _six_net_faults(net, mask, reading)
    else:
        yield from _quad_net_faults(net, mask)


def _quad_net_faults(net: bytes, mask: bytes) -> Iterator[Fault]:
    behind = len(net) + 1
    value = dot_quad(net)
    if value is None and canonical_quad(net) != LAST_QUAD:
        yield error(
            "bad-net",
            f"{shown(net)} is no IPv4 address: never matches",
            "write four numbers up to 255, as in 192.0.2.0/24",
        )
        return
    if value is None or canonical_quad(mask) == LAST_QUAD:
        message = "a net or mask of 255.255.255.255 can't be told from an error: never matches"
        yield error("bad-mask", message, f"write {shown(net)}, without a mask", behind)
        return
    bits = dot_quad(mask)
    if bits is None:
        length = leading_number(mask)
        if re.fullmatch(rb"0+", mask):
            hint = "write ALL, or 0.0.0.0/0.0.0.0 for all of IPv4"
            yield error("prefix-length-zero", "/0 never matches", hint, behind)
            return
        if not 1 <= length <= 32:
            yield error(
                "bad-mask",
                f"/{shown(mask)} is no mask: never matches",
                "write a length from 1 to 32, or four numbers as in 255.255.255.0",
                behind,
            )
            return
        yield from _length_faults(mask, length, behind)
        bits = LAST_QUAD << (32 - length) & LAST_QUAD
    if value & ~bits:
        if bits and not bits & (bits + 1):  # the mask of hosts, where that of the net was meant
            bits, mask = ~bits & LAST_QUAD, inet_ntoa((~bits & LAST_QUAD).to_bytes(4)).encode()
        right = inet_ntoa((value & bits).to_bytes(4))
        yield error(
            "net-bits-outside-mask",
            "the address has bits outside the mask: never matches",
            f"write {right}/{shown(mask)}",
        )


def _six_net_faults(net: bytes, mask: bytes, reading: Reading) -> Iterator[Fault]:
    behind = len(net) + 1
    length = leading_number(mask)
    is_length = begins_with_number(mask) and length >= 0
    yield from six_faults(net, reading, length if is_length else 128)
    if not begins_with_number(mask):
        yield error(
            "prefix-length-missing",
            "no length behind the slash: matches every IPv6 client",
            "write a length from 1 to 128",
            behind,
        )
    elif not 0 <= length <= 128:
        hint = "write a length from 0 to 128"
        yield error("bad-prefix-length", f"/{shown(mask)}: never matches", hint, behind)
    else:
        yield from _length_faults(mask, length, behind)


def _length_faults(mask: bytes, length: int, offset: int) -> Iterator[Fault]:
    """A length that strtol(3) reads otherwise than it looks."""
    if (mask.lstrip(b"0") or b"0") != b"%d" % length:
        message = f"{shown(mask)} is read as {length}"
        yield error("mask-junk", message, f"write /{length}", offset)


def six_faults(word: bytes, reading: Reading, length: int = 128) -> Iterator[Fault]:
    """`[ADDRESS]`, of a net with this length."""
    inner = word[1:-1]
    value = six(inner, reading.interfaces)
    if value is not None:
        if value >> 32 == _MAPPED_NET:
            yield error("mapped-address", _MAPPED_MESSAGE, f"write {_as_quad(value, length)}")
        elif b"%" in inner:
            message = "the zone is ignored: matches on every interface"
            hint = "leave the zone out"
            yield warning("zone-ignored", message, hint, 1 + inner.index(b"%"))
        return
    head, percent, zone = inner.partition(b"%")
    if percent and six(head, frozenset()) is not None:
        yield error(
            "unknown-zone",
            f"there is no interface {shown(zone)} for this address: never matches",
            "leave the zone out: it is ignored",
            1 + len(head) + 1,
        )
        return
    bare = bare_six_at(inner, 0)
    hint = f"write {bare.right}" if bare and bare.length else "write an IPv6 address, as in [::1]"
    message = f"{shown(word)} has no IPv6 address in it: never matches"
    yield error("bad-ipv6-address", message, hint)


def number_faults(word: bytes, _reading: Reading) -> Iterator[Fault]:
    """Digits and dots: an address, or the beginning of one."""
    if canonical_quad(word) is not None:
        return
    numbers = [number for number in word.split(b".") if number]
    if word[:1] == b"." or not numbers:
        yield warning(
            "network-begins-with-dot",
            f"{shown(word)} matches addresses that end so",
            "write the beginning of an address, with a dot at its end",
        )
        return
    right = b".".join(number.lstrip(b"0") or b"0" for number in numbers)
    if all(len(number) < 4 and int(number) < 256 for number in numbers):
        if word.endswith(b".") and len(numbers) < 4 and word == right + b".":
            return
        if len(numbers) < 4:
            message = f"{shown(word)} is no whole address: never matches"
            yield error("partial-address", message, f"write {shown(right)}.")
            return
        if len(numbers) == 4:
            message = f"{shown(word)} is not how addresses are written: never matches"
            yield error("odd-address", message, f"write {shown(right)}")
            return
    message = f"{shown(word)} is no IPv4 address: never matches"
    yield error("bad-address", message, "write four numbers up to 255")
