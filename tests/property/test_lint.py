# SPDX-License-Identifier: MIT
"""What `check` says of a word is true: what it calls never matching never does, and all of it."""

import re

from hypothesis import assume, given
from hypothesis import strategies as st

from socketgate.rules.address import canonical_quad
from socketgate.rules.diagnostic import Severity
from socketgate.rules.facts import Facts
from socketgate.rules.fault import Fault
from socketgate.rules.host import AnyText, Forward, HostFile, HostPattern, Netgroup, Nothing
from socketgate.rules.lintword import host_file_word_faults, host_word_faults
from socketgate.rules.pattern import Equals, SameSix
from socketgate.rules.request import Endpoint, Fact, Request
from socketgate.rules.text import find_outside
from socketgate.rules.word import Reading, parse_host_pattern

READING = Reading(interfaces=frozenset({b"lo"}))
PIECES = st.sampled_from(
    (
        b"0", b"1", b"8", b"10", b"255", b"256", b".", b":", b"::", b"/", b"[", b"]", b"a", b"x",
        b"*", b"?", b"-", b"%", b"lo", b"fe80", b"+", b"'", b";", b"\\", b"32", b"128", b"ffff",
        b"_", b"!", b"10.1.2.0/24", b"[2001:db8::]/32", b"10.1.2.3", b"2001:db8::1", b"example.org",
        b"[fe80::1%lo]", b"fe80::1%lo", b"255.255.255.255", b"::ffff:10.1.2.3",
        b"0x", b"::ffff:10.1.2.0/120",
    )
)  # fmt: skip
WORDS = st.lists(PIECES, min_size=1, max_size=6).map(b"".join)
ADDRESSES = (
    b"0.0.0.0", b"10.1.2.3", b"10.0.0.1", b"1.8.10.255", b"255.255.255.255", b"::1", b"fe80::1",
    b"fe80::1%lo", b"2001:db8::1", b"a::", b"::", b"1::", b"::ffff:10.1.2.3", b"8.8.8.8",
    b"unknown",
)  # fmt: skip
#: As lookups give them: no name reads as an address, or has what isn't in names.
NAMES = (
    b"unknown", b"paranoid", b"a", b"x.a", b"10.1.2.x", b"x-a.example.org", b"a_x.example.org",
    b"1a", b"8", b"255",
)  # fmt: skip
#: Advice that is a whole word, and not a part of one.
ADVICE = re.compile(r"write ([0-9A-Fa-f.:\[][0-9A-Fa-f.:\[\]/]*)")
REQUESTS = [
    Request(
        daemon=b"sshd",
        client=Endpoint(address),
        server=Endpoint(b"unknown"),
        facts={Fact.CLIENT_NAME: name},
    )
    for address in ADDRESSES
    for name in NAMES
]


def judged(word: bytes, *, in_host_file: bool) -> tuple[HostPattern, list[Fault]]:
    """What a word means, and what is wrong with it."""
    if not in_host_file:
        assume(find_outside(word, b":") < 0)
    faults = host_file_word_faults if in_host_file else host_word_faults
    pattern = parse_host_pattern(word, READING)
    assume(not isinstance(pattern, Netgroup | HostFile | Forward))
    return pattern, list(faults(word, READING))


def can_never_match(pattern: HostPattern) -> bool:
    match pattern:
        case Nothing() | AnyText(SameSix(None)):
            return True
        case AnyText(Equals(text), by_address=True):
            return canonical_quad(text) is None
        case _:
            return False


@given(WORDS, st.booleans())
def test_what_is_said_never_to_match_matches_nobody(word: bytes, in_host_file: bool) -> None:
    pattern, faults = judged(word, in_host_file=in_host_file)
    if any("never matches" in fault.message for fault in faults):
        clients = (Facts(request, READING.interfaces).client for request in REQUESTS)
        assert not [one.address.raw for one in clients if pattern.matches(one)]


@given(WORDS, st.booleans())
def test_what_can_never_match_is_an_error(word: bytes, in_host_file: bool) -> None:
    pattern, faults = judged(word, in_host_file=in_host_file)
    errors = [one for one in faults if one.severity is Severity.ERROR]
    assert errors or not can_never_match(pattern)


@given(WORDS, st.booleans())
def test_what_is_advised_is_no_mistake(word: bytes, in_host_file: bool) -> None:
    _, faults = judged(word, in_host_file=in_host_file)
    advised = filter(None, (ADVICE.fullmatch(fault.hint) for fault in faults))
    for advice in advised:
        _, left = judged(advice[1].encode(), in_host_file=in_host_file)
        assert [one.message for one in left if one.severity is Severity.ERROR] == []
