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
from tests.support.faults import hint_of

READING = Reading(
    interfaces=frozenset({b"lo"}),
    library={b"/secret": Unopenable("Permission denied"), b"/list": ()},
)
ERROR, WARNING = Severity.ERROR, Severity.WARNING


@pytest.mark.parametrize(
    ("word", "severity", "code", "offset", "hint"),
    [
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
        (b"*", WARNING, "star-for-all", 0, "write ALL"),
        (b"10.1.2.*", WARNING, "open-ended-name", 0, "write 10.1.2."),
        (b"host.example.org.", WARNING, "open-ended-name", 0, "write host.example.org"),
        (b"15.*.*.*", WARNING, "open-ended-name", 0, "write 15."),
        (b"*.*.*.*", WARNING, "open-ended-name", 0, "write ALL"),
        (b"deny", WARNING, "odd-client-name", 0, "write : deny"),
        (b"EXECPT", WARNING, "odd-client-name", 0, "did you mean EXCEPT?"),
        (b"UNKOWN", WARNING, "odd-client-name", 0, "did you mean UNKNOWN?"),
        (b"any", WARNING, "odd-client-name", 0, "write ALL"),
        (b"DEFAULT", WARNING, "odd-client-name", 0, "write ALL"),
        (b"[::1", ERROR, "never-matches", 0, "one pair of brackets"),
        (b"www.", WARNING, "open-ended-name", 0, "end in a domain"),
        (b"www*", WARNING, "open-ended-name", 0, "end in a domain"),
        (b"*.2.3", WARNING, "name-lookup", 0, "write addresses"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_mistake_in_a_client_word_is_found(
    word: bytes, severity: Severity, code: str, offset: int, hint: str
) -> None:
    assert hint in hint_of(client_word_faults(word, READING), severity, code, offset)


@pytest.mark.parametrize(
    ("word", "code"),
    [
        (b"LOCAL", "reserved-word"),
        (b"EXECPT", "odd-daemon-name"),
        (b"any", "odd-daemon-name"),
        (b"known", "reserved-word"),
        (b"@lab", "odd-daemon-name"),
        (b"/list", "odd-daemon-name"),
        (b".ssh", "odd-daemon-name"),
        (b"ssh.", "odd-daemon-name"),
        (b"10.1.2.3", "odd-daemon-name"),
        (b"10.1.2.0/24", "odd-daemon-name"),
        (b"[2001:db8::1]", "odd-daemon-name"),
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
        (b"[]", "bad-ipv6-address"),
        (b"2001:db8:*", "name-lookup"),
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
