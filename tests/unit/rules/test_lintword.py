# SPDX-License-Identifier: MIT
"""Each mistake in a word is found, at its place."""

import pytest

from socketgate.rules.diagnostic import Severity
from socketgate.rules.host import Unopenable
from socketgate.rules.lintword import (
    client_word_faults,
    daemon_word_faults,
    host_file_word_faults,
)
from socketgate.rules.word import Reading

READING = Reading(
    interfaces=frozenset({b"lo"}),
    library={b"/secret": Unopenable("Permission denied"), b"/list": ()},
)
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
        (b"[fe80::1%eth7]", ERROR, "unknown-zone", 9, "leave the zone out"),
        (b"[fe80::1%lo]", WARNING, "zone-ignored", 8, "leave the zone out"),
        (b"/secret", ERROR, "unreadable-host-file", 0, "make it readable"),
        (b"/gone", WARNING, "missing-host-file", 0, "create it"),
        (b"@", ERROR, "empty-netgroup", 0, "write @GROUP"),
        (b"@lab", WARNING, "name-lookup", 0, "write addresses"),
        (b".example.org", WARNING, "name-lookup", 0, "write addresses"),
        (b"KNOWN", WARNING, "name-lookup", 0, "write addresses"),
        (b"bob@", ERROR, "empty-host", 0, "write a host"),
        (b"bob@10.1", ERROR, "partial-address", 4, "write 10.1."),
        (b"bob@10.", WARNING, "user-lookup", 0, "leave the user name out"),
        (b"#", WARNING, "comment-not-first", 0, "on a line of its own"),
        (b"ALL;", ERROR, "never-matches", 3, "write a comma"),
        (b"10.1.2.3;", ERROR, "never-matches", 8, "write a comma"),
        (b'"ALL"', ERROR, "never-matches", 0, "quotes"),
        (b"10.1.2.0-10.1.2.9", ERROR, "never-matches", 8, "write a net"),
        (b"10.1.2.3\\", ERROR, "backslash-not-last", 8, "be the last character"),
        (b"!10.1.2.3", ERROR, "never-matches", 0, "EXCEPT"),
        (b"(10.1.2.3)", ERROR, "never-matches", 0, "leave out"),
        (b"10.0.0.0\\8", ERROR, "never-matches", 8, "slash"),
        (b"10.1.2.3#x", ERROR, "never-matches", 8, "line of its own"),
        (b"x_y.example.org", WARNING, "name-lookup", 0, "write addresses"),
        (b"n\xc3\xa9.example.org", WARNING, "name-lookup", 0, "write addresses"),
        (b"a*;", WARNING, "name-lookup", 0, "write addresses"),
        (b"FAIL", WARNING, "fail-word", 0, "use EXCEPT"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_mistake_in_a_client_word_is_found(
    word: bytes, severity: Severity, code: str, offset: int, hint: str
) -> None:
    found = {
        (fault.severity, fault.code, fault.offset): fault.hint
        for fault in client_word_faults(word, READING)
    }
    assert hint in found.get((severity, code, offset), f"nothing of the kind: {found}")


@pytest.mark.parametrize(
    ("word", "code"),
    [
        (b"LOCAL", "reserved-word"),
        (b"known", "reserved-word"),
        (b"@lab", "odd-daemon-name"),
        (b"/list", "odd-daemon-name"),
        (b".ssh", "odd-daemon-name"),
        (b"ssh.", "odd-daemon-name"),
        (b"10.1.2.3", "odd-daemon-name"),
        (b"sshd@10.1", "partial-address"),
        (b"sshd@", "empty-host"),
        (b"sshd;", "odd-separator"),
    ],
)
def test_a_mistake_in_a_daemon_word_is_found(word: bytes, code: str) -> None:
    assert code in [fault.code for fault in daemon_word_faults(word, READING)]


@pytest.mark.parametrize(
    ("word", "code"),
    [
        (b"#", "comment-in-host-file"),
        (b"10.1.2.3,", "comma-in-host-file"),
        (b"\xef\xbb\xbf10.1.2.3", "byte-order-mark"),
        (b"sshd:", "never-matches"),
        (b"EXCEPT", "except-in-host-file"),
        (b"bob@10.", "user-in-host-file"),
        (b"::1", "ipv6-without-brackets"),
        (b"10.\x001", "nul-byte"),
        (b"x" * 8192, "word-too-long"),
        (b"10.1", "partial-address"),
    ],
)
def test_a_mistake_in_a_host_file_is_found(word: bytes, code: str) -> None:
    assert [fault.code for fault in host_file_word_faults(word, READING)] == [code]


@pytest.mark.parametrize(
    "word",
    [
        b"ALL", b"10.1.2.3", b"10.", b"10.1.2.", b"10.0.0.0/8", b"0.0.0.0/0.0.0.0", b"[::1]",
        b"10.0.0.0/255.255.0.0", b"[2001:db8::]/32", b"[::]/0", b"/list", b"dns:a.example.org",
    ],
)  # fmt: skip
def test_nothing_is_said_about_a_good_client_word(word: bytes) -> None:
    assert list(client_word_faults(word, READING)) == []


@pytest.mark.parametrize("word", [b"ALL", b"sshd", b"22", b"in.ftpd", b"sshd@10.1.2.3", b"s*"])
def test_nothing_is_said_about_a_good_daemon_word(word: bytes) -> None:
    assert list(daemon_word_faults(word, READING)) == []
