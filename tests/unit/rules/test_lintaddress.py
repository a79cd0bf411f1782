# SPDX-License-Identifier: MIT
"""Each mistake in an address is found, at its place."""

import pytest

from socketgate.rules.diagnostic import Severity
from socketgate.rules.lintaddress import bare_six_at, bare_six_faults
from socketgate.rules.lintword import client_word_faults
from socketgate.rules.word import Reading
from tests.support.faults import hint_of

READING = Reading(interfaces=frozenset({b"lo"}))
ERROR, WARNING = Severity.ERROR, Severity.WARNING


@pytest.mark.parametrize(
    ("word", "severity", "code", "offset", "hint"),
    [
        (b"300.1.2.3", ERROR, "bad-address", 0, "four numbers up to 255"),
        (b"1.2.3.4.5", ERROR, "bad-address", 0, "four numbers"),
        (b"1.2.3.4444", ERROR, "bad-address", 0, "four numbers"),
        (b"10.1", ERROR, "partial-address", 0, "write 10.1."),
        (b"10", ERROR, "partial-address", 0, "write 10."),
        (b"010.1.", ERROR, "partial-address", 0, "write 10.1."),
        (b"010.1.2.3", ERROR, "odd-address", 0, "write 10.1.2.3"),
        (b"10.1.2.3.", ERROR, "odd-address", 0, "write 10.1.2.3"),
        (b".2.3", WARNING, "network-begins-with-dot", 0, "with a dot at its end"),
        (b"...", WARNING, "network-begins-with-dot", 0, "with a dot at its end"),
        (b"10.1.2.3/8", ERROR, "net-bits-outside-mask", 0, "write 10.0.0.0/8"),
        (b"10.1.2.3/255.0.0.0", ERROR, "net-bits-outside-mask", 0, "write 10.0.0.0/255.0.0.0"),
        (b"0.0.0.0/0", ERROR, "prefix-length-zero", 8, "write ALL, or 0.0.0.0/0.0.0.0"),
        (b"10.0.0.0/33", ERROR, "bad-mask", 9, "from 1 to 32"),
        (b"10.0.0.0/", ERROR, "bad-mask", 9, "from 1 to 32"),
        (b"10.0.0.0/255.255", ERROR, "bad-mask", 9, "from 1 to 32"),
        (b"10.0.0.0/8x", ERROR, "mask-junk", 9, "write /8"),
        (b"10.0.0.0/+8", ERROR, "mask-junk", 9, "write /8"),
        (b"10.0.0/8", ERROR, "bad-net", 0, "as in 192.0.2.0/24"),
        (b"host/24", ERROR, "bad-net", 0, "as in 192.0.2.0/24"),
        (b"[2001:db8::]/", ERROR, "prefix-length-missing", 13, "from 1 to 128"),
        (b"[2001:db8::]/abc", ERROR, "prefix-length-missing", 13, "from 1 to 128"),
        (b"[2001:db8::]/129", ERROR, "bad-prefix-length", 13, "from 0 to 128"),
        (b"[2001:db8::]/32x", ERROR, "mask-junk", 13, "write /32"),
        (b"[2001:db8::/32]", ERROR, "bad-ipv6-address", 0, "write [2001:db8::]/32"),
        (b"[10.1.2.3]", ERROR, "bad-ipv6-address", 0, "write an IPv6 address"),
        (b"[]", ERROR, "bad-ipv6-address", 0, "write an IPv6 address"),
        (b"[::ffff:10.1.2.3]", ERROR, "mapped-address", 0, "write 10.1.2.3"),
        (b"[::ffff:10.1.2.0]/120", ERROR, "mapped-address", 0, "write 10.1.2.0/24"),
        (b"[::ffff:10.1.2.3]/24", ERROR, "mapped-address", 0, "write 10.1.2.0/24"),
        (b"[::ffff:10.1.2.3]/-1", ERROR, "mapped-address", 0, "write 10.1.2.3"),
        (b"[::ffff:0:0]/96", ERROR, "mapped-address", 0, "write 0.0.0.0/0.0.0.0"),
        (b"300/255.255.255.255", ERROR, "bad-net", 0, "as in 192.0.2.0/24"),
        (b"[fe80::1%eth7]", ERROR, "unknown-zone", 9, "leave the zone out"),
        (b"[fe80::1%lo]", WARNING, "zone-ignored", 8, "leave the zone out"),
        (b"10.1.2.3/255.255.255.255", ERROR, "bad-mask", 9, "write 10.1.2.3, without a mask"),
        (b"255.255.255.255/32", ERROR, "bad-mask", 16, "write 255.255.255.255, without"),
        (b"10.0.0.0/0.0.0.255", ERROR, "net-bits-outside-mask", 0, "write 10.0.0.0/255.255.255.0"),
        (b"10.0.0.0/0.0.0.0", ERROR, "net-bits-outside-mask", 0, "write 0.0.0.0/0.0.0.0"),
        (b"10.0.0.0/4294967304", ERROR, "mask-junk", 9, "write /8"),
        (b"[2001:db8::]/-1", ERROR, "bad-prefix-length", 13, "from 0 to 128"),
        (b"[2001:db8::]/+32", ERROR, "mask-junk", 13, "write /32"),
        (b"[2001:db8::]/4294967296", ERROR, "mask-junk", 13, "write /0"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_mistake_in_an_address_is_found(
    word: bytes, severity: Severity, code: str, offset: int, hint: str
) -> None:
    assert hint in hint_of(client_word_faults(word, READING), severity, code, offset)


@pytest.mark.parametrize("word", [b"[]", b"[x]", b"[10.1.2.3]"])
def test_what_stands_in_brackets_is_shown_with_them(word: bytes) -> None:
    [fault] = client_word_faults(word, READING)
    assert fault.message.startswith(word.decode())


@pytest.mark.parametrize(
    ("word", "severity", "code", "hint"),
    [
        pytest.param(b"2001:db8::1", WARNING, "ipv6-without-brackets", "[2001:db8::1]", id="host"),
        pytest.param(b"2001:DB8::1", WARNING, "ipv6-without-brackets", "[2001:DB8::1]", id="case"),
        pytest.param(b"fe80::1%lo", WARNING, "ipv6-without-brackets", "[fe80::1]", id="zone"),
        pytest.param(b"2001:db8::/32", ERROR, "ipv6-without-brackets", "[2001:db8::]/32", id="net"),
        pytest.param(b"2001:db8:0::1", ERROR, "ipv6-without-brackets", "[2001:db8:0::1]", id="odd"),
        pytest.param(b"::ffff:10.1.2.3", ERROR, "mapped-address", "write 10.1.2.3", id="mapped"),
        pytest.param(
            b"::ffff:10.1.2.3/120",
            ERROR,
            "ipv6-without-brackets",
            "write 10.1.2.0/24",
            id="mapped-net",
        ),
        pytest.param(
            b"0::ffff:10.1.2.3", ERROR, "ipv6-without-brackets", "write 10.1.2.3", id="odd-mapped"
        ),
    ],
)
def test_an_ipv6_address_without_brackets_is_found(
    word: bytes, severity: Severity, code: str, hint: str
) -> None:
    [fault] = bare_six_faults(word) or iter(())
    assert (fault.severity, fault.code, hint in fault.hint) == (severity, code, True)


@pytest.mark.parametrize(
    "word", [b"host", b"a:b", b"::1x", b"2001:db8:*", b"10.1.2.3", b"::1@x", b"", b"[::1]"]
)
def test_other_words_are_no_ipv6_address_without_brackets(word: bytes) -> None:
    assert bare_six_faults(word) is None


@pytest.mark.parametrize(
    ("text", "start", "address"),
    [
        pytest.param(b"sshd: fe80::1 : deny", 6, b"fe80::1", id="before-a-blank"),
        pytest.param(b"fe80::1:deny", 0, b"fe80::1", id="before-a-colon"),
        pytest.param(b"fe80::1:ad", 0, b"fe80::1:ad", id="the-longest"),
        pytest.param(b"fe80:::ALL", 0, b"fe80::", id="a-last-colon-is-not-its-own"),
        pytest.param(b"::1,x", 0, b"::1", id="before-a-comma"),
    ],
)
def test_where_a_bare_address_ends(text: bytes, start: int, address: bytes) -> None:
    found = bare_six_at(text, start)
    assert found is not None
    assert found.address == address
