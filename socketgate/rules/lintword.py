# SPDX-License-Identifier: MIT
"""What is wrong with a single word: of the daemon list, the client list, a host file.

Words that are meant for addresses are looked at in lintaddress.py.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from socketgate.rules.address import canonical_quad
from socketgate.rules.fault import Fault, error, shifted, warning
from socketgate.rules.host import Unopenable
from socketgate.rules.hostfile import MAX_WORD_BYTES
from socketgate.rules.keyword import KEYWORDS, is_slip
from socketgate.rules.lintaddress import bare_six_faults, net_faults, number_faults, six_faults
from socketgate.rules.pattern import is_bracketed
from socketgate.rules.text import find_outside, shown
from socketgate.rules.word import FORWARD_WORD, Reading

LAST_BACKSLASH_HINT = "let the backslash be the last character of the line"
_NUMBERS = re.compile(rb"[0-9.]+")
_LIKE_A_CLIENT = re.compile(rb"[@/.[].*|.*\.|.*/.*", re.DOTALL)
_NUMBERS_AND_STARS = re.compile(rb"((?:[0-9]+\.){0,3})\*(?:\.\*)*")
#: A byte that stands in no host name and no address. Names in UTF-8 may come from files.
_NEVER_IN_HOST = re.compile(rb"[^0-9A-Za-z._\-\x80-\xff]")
_RANGE = re.compile(rb"(?:[0-9]+\.){3}[0-9]+-(?:[0-9]+\.){3}[0-9]+")
_BOM = b"\xef\xbb\xbf"
_RESERVED = frozenset({b"known", b"unknown", b"local", b"paranoid"})
#: Those for daemons, too, are the first two.
_WILDCARDS = (b"ALL", b"EXCEPT", b"LOCAL", b"KNOWN", b"UNKNOWN", b"PARANOID")
#: Longer words are no misspelt wildcards.
_MAX_MISSPELT = 10
#: What other languages call ALL.
_FOR_ALL = frozenset({b"any", b"anyone", b"anybody", b"everyone", b"everybody", b"default"})


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
            f"{shown(daemon)} is a wildcard for clients, here it is a daemon's name",
            "write ALL for all daemons, or the daemon's name",
        )
    elif _LIKE_A_CLIENT.fullmatch(daemon) or canonical_quad(daemon) is not None:
        yield warning(
            "odd-daemon-name",
            f"{shown(daemon)} looks like a client, and is no daemon's name",
            "write daemon names to the left of the first colon, clients to the right",
        )
    elif hint := _misspelt(daemon, _WILDCARDS[:2]):
        yield warning("odd-daemon-name", f"{shown(daemon)} is a daemon's name here", hint)


def client_word_faults(word: bytes, reading: Reading) -> Iterator[Fault]:
    """A word of the client list."""
    yield from _any_word_faults(word)
    if word.lower() in KEYWORDS:
        message = f"{shown(word)} looks like an option, and is a host's name here"
        yield warning("odd-client-name", message, f"write : {shown(word)}, if that is meant")
        return
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
    yield from shifted(host_word_faults(host, reading), at + 1)


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
    else:
        yield from bare_six_faults(word) or host_word_faults(word, reading)


def host_word_faults(word: bytes, reading: Reading) -> Iterator[Fault]:
    """A host pattern, wherever it stands."""
    for applies, faults in _FORMS:
        if applies(word):
            yield from faults(word, reading)
            return
    is_wildcard = b"*" in word or b"?" in word
    odd = None if is_wildcard or word[:1] == b"#" else _NEVER_IN_HOST.search(word)
    if odd is not None or _RANGE.fullmatch(word):
        yield _never_matches(word, odd.start() if odd else word.index(b"-"))
    elif not word.strip(b"*"):
        yield warning("star-for-all", f"{shown(word)} matches everybody", "write ALL")
    elif word.endswith(b"." if not is_wildcard else b"*") and b":" not in word:
        yield _open_ended(word)
    elif hint := _misspelt(word, _WILDCARDS):
        yield warning("odd-client-name", f"{shown(word)} is a host's name here", hint)
        yield _costs_a_name(word)
    elif word.lower() != b"all":
        yield _costs_a_name(word)


def _misspelt(word: bytes, wildcards: Sequence[bytes]) -> str:
    """What to write instead, if that was to be a wildcard. Few names are short and in capitals."""
    if word.lower() in _FOR_ALL:
        return "write ALL, if everybody is meant"
    if not word.isupper() or b"." in word or len(word) > _MAX_MISSPELT or word in wildcards:
        return ""
    return next((f"did you mean {one.decode()}?" for one in wildcards if is_slip(word, one)), "")


def _open_ended(word: bytes) -> Fault:
    """Whoever has a domain names his machines in it, and chooses how their names begin."""
    numbers = _NUMBERS_AND_STARS.fullmatch(word)
    hint = "let it end in a domain, or write addresses"
    if numbers:
        hint = f"write {shown(numbers[1]) or 'ALL, or 0.0.0.0/0.0.0.0 for all of IPv4'}"
    elif word.endswith(b".") and b"." in word[:-1]:
        hint = f"write {shown(word[:-1])}"
    message = f"{shown(word)} matches each name that begins so, and anybody can have one"
    return warning("open-ended-name", message, hint)


def _never_matches(word: bytes, at: int) -> Fault:
    message = f"{shown(word)} is no host's name or address: never matches"
    byte = word[at : at + 1]
    if byte == b"\\" and at == len(word) - 1:
        return error("backslash-not-last", message, LAST_BACKSLASH_HINT, at)
    hint = _NEVER_HINTS.get(byte, f"leave out {shown(byte)!r}")
    return error("never-matches", message, hint, at)


def _costs_a_name(word: bytes) -> Fault:
    return warning(
        "name-lookup",
        f"{shown(word)} costs a name lookup for each client that no rule above decides",
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


_NEVER_HINTS = {
    b";": "write a comma",
    b'"': "leave the quotes out",
    b"'": "leave the quotes out",
    b"-": "write a net, as in 192.0.2.0/24",
    b"!": "write EXCEPT",
    b"#": "put the comment on a line of its own",
    b"\\": "write a slash",
    b"[": "put one pair of brackets around an IPv6 address",
    b"]": "put one pair of brackets around an IPv6 address",
    b":": "write hosts alone, with blanks or newlines between them",
}


_FORMS: tuple[
    tuple[Callable[[bytes], object], Callable[[bytes, Reading], Iterator[Fault]]], ...
] = (
    (lambda word: word[:1] == b"@", _netgroup_faults),
    (lambda word: word[:1] == b"/", _host_file_faults),
    (FORWARD_WORD.fullmatch, _forward_faults),
    (lambda word: find_outside(word, b"/") >= 0, net_faults),
    (is_bracketed, six_faults),
    (_NUMBERS.fullmatch, number_faults),
)
