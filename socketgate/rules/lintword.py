# SPDX-License-Identifier: MIT
"""What is wrong with a single word, as a finding without a place.

A Fault's offset is from the word's first byte.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from socket import inet_ntoa

from socketgate.rules.address import canonical_quad, dot_quad, six
from socketgate.rules.diagnostic import Severity
from socketgate.rules.host import Unopenable
from socketgate.rules.hostfile import MAX_WORD_BYTES
from socketgate.rules.pattern import is_bracketed
from socketgate.rules.spans import LAST_QUAD
from socketgate.rules.text import find_outside, leading_number
from socketgate.rules.word import FORWARD_WORD, Reading


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a word: from which byte on, and what to write instead."""

    severity: Severity
    code: str
    offset: int
    message: str
    hint: str


def error(code: str, message: str, hint: str, offset: int = 0) -> Fault:
    """A word that libwrap never matches, or not as it is meant."""
    return Fault(Severity.ERROR, code, offset, message, hint)


def warning(code: str, message: str, hint: str, offset: int = 0) -> Fault:
    """A word that is probably not meant."""
    return Fault(Severity.WARNING, code, offset, message, hint)


_NUMBERS = re.compile(rb"[0-9.]+")
_NET_START = re.compile(rb"(?:[0-9]+\.){1,3}")
#: A byte that stands in no host name and no address. Names in UTF-8 may come from files.
_NEVER_IN_HOST = re.compile(rb"[^0-9A-Za-z._\-\x80-\xff]")
_RANGE = re.compile(rb"(?:[0-9]+\.){3}[0-9]+-(?:[0-9]+\.){3}[0-9]+")
_BOM = b"\xef\xbb\xbf"
_MAPPED_NET = 0xFFFF
_RESERVED = frozenset({b"known", b"unknown", b"local", b"paranoid"})


def daemon_word_faults(word: bytes, reading: Reading) -> Iterator[Fault]:
    """A word of the daemon list."""
    yield from _any_word_faults(word)
    if b";" in word:
        message = "a semicolon doesn't separate words"
        yield warning("odd-separator", message, "write a comma or a blank", word.index(b";"))
    at = find_outside(word, b"@", 1)
    daemon = word if at < 0 else word[:at]
    if at >= 0:
        yield from _host_part_faults(word, at, reading)
    if daemon.lower() in _RESERVED:
        yield warning(
            "reserved-word",
            f"{_text(daemon)} is a wildcard for clients, here it is a daemon's name",
            "write ALL for all daemons, or the daemon's name",
        )
    elif daemon.startswith((b"@", b"/", b".")) or daemon.endswith(b"."):
        yield warning(
            "odd-daemon-name",
            f"{_text(daemon)} looks like a client pattern",
            "write daemon names to the left of the first colon, clients to the right",
        )
    elif canonical_quad(daemon) is not None or b"/" in daemon:
        yield warning(
            "odd-daemon-name",
            f"{_text(daemon)} is no daemon's name",
            "write daemon names to the left of the first colon, clients to the right",
        )


def client_word_faults(word: bytes, reading: Reading) -> Iterator[Fault]:
    """A word of the client list."""
    yield from _any_word_faults(word)
    at = find_outside(word, b"@", 1)
    if at < 0:
        yield from host_word_faults(word, reading)
        return
    yield from _host_part_faults(word, at, reading)
    yield warning(
        "user-lookup",
        "a user name costs a question to the client's ident server, which can answer what it likes",
        "leave the user name out, unless you trust the client's machine",
    )


def _host_part_faults(word: bytes, at: int, reading: Reading) -> Iterator[Fault]:
    host = word[at + 1 :]
    if not host:
        yield error("empty-host", "nothing behind the @: never matches", "write a host behind it")
        return
    yield from _shifted(host_word_faults(host, reading), at + 1)


def _shifted(faults: Iterator[Fault], by: int) -> Iterator[Fault]:
    for fault in faults:
        yield Fault(fault.severity, fault.code, fault.offset + by, fault.message, fault.hint)


def _any_word_faults(word: bytes) -> Iterator[Fault]:
    if word[:1] == b"#":
        yield warning(
            "comment-not-first",
            "# begins a comment only in the first column: these are words of the list",
            "put the comment on a line of its own",
        )
    if word.lower() == b"fail":
        yield warning("fail-word", "FAIL is no longer recognised", "use EXCEPT, or deny")


def host_file_word_faults(word: bytes, reading: Reading) -> Iterator[Fault]:
    """A word of a host file, where only white space separates and nothing is a comment."""
    if len(word) > MAX_WORD_BYTES:
        message = f"the word is longer than {MAX_WORD_BYTES} bytes: never matches"
        yield error("word-too-long", message, "put blanks or newlines between words")
    elif b"\0" in word:
        message = "a NUL byte hides the rest of the word"
        yield error("nul-byte", message, "remove the NUL byte", word.index(b"\0"))
    elif word[:1] == b"#":
        message = "there are no comments in a host file: these words are patterns"
        yield error("comment-in-host-file", message, "remove the comment")
    elif word.startswith(_BOM):
        message = "a byte order mark is taken for a part of the first word"
        yield error("byte-order-mark", message, "save the file without a byte order mark")
    elif b"," in word:
        message = "a comma doesn't separate words in a host file: never matches"
        yield error("comma-in-host-file", message, "write a blank", word.index(b","))
    elif word.lower() == b"except":
        message = "EXCEPT means nothing in a host file"
        yield error("except-in-host-file", message, "write EXCEPT in the rule")
    elif find_outside(word, b"@", 1) >= 0:
        message = "user@host means nothing in a host file: never matches"
        yield error("user-in-host-file", message, "write it in the rule")
    elif is_bare_six(word):
        message = "without brackets this is compared as text"
        yield warning("ipv6-without-brackets", message, f"write [{_text(word)}]")
    else:
        yield from host_word_faults(word, reading)


def is_bare_six(word: bytes) -> bool:
    """An IPv6 address without brackets."""
    return b":" in word and six(word, frozenset()) is not None


def host_word_faults(word: bytes, reading: Reading) -> Iterator[Fault]:
    """A host pattern, wherever it stands."""
    for applies, faults in _FORMS:
        if applies(word):
            yield from faults(word, reading)
            return
    odd = None if b"*" in word or b"?" in word or word[:1] == b"#" else _NEVER_IN_HOST.search(word)
    if odd is not None or _RANGE.fullmatch(word):
        yield _never_matches(word, odd.start() if odd else word.index(b"-"))
    elif word.lower() != b"all":
        yield _costs_a_name(word)


def _never_matches(word: bytes, at: int) -> Fault:
    message = f"{_text(word)} is no host's name or address: never matches"
    byte = word[at : at + 1]
    if byte == b"\\" and at == len(word.rstrip(b"\r")) - 1:
        return error(
            "backslash-not-last", message, "let the backslash be the last character of the line", at
        )
    hint = _NEVER_HINTS.get(byte, f"leave out {_text(byte)!r}")
    return error("never-matches", message, hint, at)


def _costs_a_name(word: bytes) -> Fault:
    return warning(
        "name-lookup",
        f"{_text(word)} costs a name lookup for each client that no rule above decides",
        "write addresses, or put the rules for addresses first",
    )


def _host_file_faults(word: bytes, reading: Reading) -> Iterator[Fault]:
    contents = reading.library.get(word)
    if contents is None:
        yield warning("missing-host-file", "there is no such file: matches nothing", "create it")
    elif isinstance(contents, Unopenable):
        yield error(
            "unreadable-host-file",
            f"the host file can't be read: {contents.reason}",
            "make it readable for socketgate",
        )


def _netgroup_faults(word: bytes, _reading: Reading) -> Iterator[Fault]:
    if word == b"@":
        yield error("empty-netgroup", "no netgroup's name behind the @", "write @GROUP")
    else:
        yield _costs_a_name(word)


def _forward_faults(_word: bytes, _reading: Reading) -> Iterator[Fault]:
    return iter(())


def _net_faults(word: bytes, reading: Reading) -> Iterator[Fault]:
    slash = find_outside(word, b"/")
    net, mask = word[:slash], word[slash + 1 :]
    if is_bracketed(net):
        yield from _six_net_faults(net, mask, reading)
    else:
        yield from _quad_net_faults(net, mask)


def _quad_net_faults(net: bytes, mask: bytes) -> Iterator[Fault]:
    behind = len(net) + 1
    value = dot_quad(net)
    if value is None:
        yield error(
            "bad-net",
            f"{_text(net)} is no IPv4 address: never matches",
            "write four numbers up to 255, as in 192.0.2.0/24",
        )
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
                f"{_text(mask)} is no mask: never matches",
                "write a length from 1 to 32, or four numbers as in 255.255.255.0",
                behind,
            )
            return
        if not mask.isdigit():
            hint = f"write /{length}"
            yield error("mask-junk", f"{_text(mask)} is read as {length}", hint, behind)
        bits = LAST_QUAD << (32 - length) & LAST_QUAD
    if value & ~bits:
        right = inet_ntoa((value & bits).to_bytes(4))
        yield error(
            "net-bits-outside-mask",
            "the address has bits outside the mask: never matches",
            f"write {right}/{_text(mask)}",
        )


def _six_net_faults(net: bytes, mask: bytes, reading: Reading) -> Iterator[Fault]:
    yield from _six_faults(net, reading)
    behind = len(net) + 1
    if not re.match(rb"[0-9]", mask):
        yield error(
            "prefix-length-missing",
            "no length behind the slash: matches every IPv6 client",
            "write a length from 1 to 128",
            behind,
        )
        return
    length = leading_number(mask)
    if not 0 <= length <= 128:
        hint = "write a length from 0 to 128"
        yield error("bad-prefix-length", f"/{_text(mask)}: never matches", hint, behind)
    elif not mask.isdigit():
        yield error("mask-junk", f"{_text(mask)} is read as {length}", f"write /{length}", behind)


def _six_faults(word: bytes, reading: Reading) -> Iterator[Fault]:
    inner = word[1:-1]
    value = six(inner, reading.interfaces)
    if value is not None:
        if value >> 32 == _MAPPED_NET:
            quad = inet_ntoa((value & LAST_QUAD).to_bytes(4))
            message = "IPv4-mapped clients are IPv4 clients: never matches"
            yield error("mapped-address", message, f"write {quad}")
        elif b"%" in inner:
            message = "the zone is ignored: matches on every interface"
            hint = "leave the zone out"
            yield warning("zone-ignored", message, hint, 1 + inner.index(b"%"))
        return
    head, percent, zone = inner.partition(b"%")
    if percent and six(head, frozenset()) is not None:
        yield error(
            "unknown-zone",
            f"there is no interface {_text(zone)} for this address: never matches",
            "leave the zone out: it is ignored",
            1 + len(head) + 1,
        )
        return
    address, slash, length = inner.partition(b"/")
    is_net = slash and six(address, frozenset()) is not None
    hint = f"write [{_text(address)}]/{_text(length)}" if is_net else "write an IPv6 address"
    message = f"{_text(inner)} is no IPv6 address: never matches"
    yield error("bad-ipv6-address", message, hint)


def _number_faults(word: bytes, _reading: Reading) -> Iterator[Fault]:
    """Digits and dots: an address, or the beginning of one."""
    if canonical_quad(word) is not None:
        return
    numbers = [number for number in word.split(b".") if number]
    if word[:1] == b"." or not numbers:
        yield warning(
            "network-begins-with-dot",
            f"{_text(word)} matches addresses that end so",
            "write the beginning of an address, with a dot at its end",
        )
        return
    right = b".".join(number.lstrip(b"0") or b"0" for number in numbers)
    if all(len(number) < 4 and int(number) < 256 for number in numbers):
        if word.endswith(b".") and len(numbers) < 4 and word == right + b".":
            return
        if len(numbers) < 4:
            message = f"{_text(word)} is no whole address: never matches"
            yield error("partial-address", message, f"write {_text(right)}.")
            return
        if len(numbers) == 4:
            message = f"{_text(word)} is not how addresses are written: never matches"
            yield error("odd-address", message, f"write {_text(right)}")
            return
    message = f"{_text(word)} is no IPv4 address: never matches"
    yield error("bad-address", message, "write four numbers up to 255")


_NEVER_HINTS = {
    b";": "write a comma",
    b'"': "leave the quotes out",
    b"'": "leave the quotes out",
    b"-": "write a net, as in 192.0.2.0/24",
    b"!": "write EXCEPT",
    b"#": "put the comment on a line of its own",
    b"\\": "write a slash",
}


def _text(word: bytes) -> str:
    return word.decode("utf-8", "replace")


_FORMS: tuple[
    tuple[Callable[[bytes], object], Callable[[bytes, Reading], Iterator[Fault]]], ...
] = (
    (lambda word: word[:1] == b"@", _netgroup_faults),
    (lambda word: word[:1] == b"/", _host_file_faults),
    (FORWARD_WORD.fullmatch, _forward_faults),
    (lambda word: find_outside(word, b"/") >= 0, _net_faults),
    (is_bracketed, _six_faults),
    (_NUMBERS.fullmatch, _number_faults),
)
