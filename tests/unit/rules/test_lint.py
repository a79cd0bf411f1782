# SPDX-License-Identifier: MIT
"""Each mistake in a line is found: where it is in the file, and what to write instead."""

import pytest

from socketgate.rules.diagnostic import Diagnostic, Severity
from socketgate.rules.request import TableName
from socketgate.rules.source import Text, Unreadable
from socketgate.rules.syntax import parse


def found_in(text: bytes) -> tuple[Diagnostic, ...]:
    return parse(Text(text), "hosts.deny", TableName.DENY).diagnostics


@pytest.mark.parametrize(
    ("text", "code", "line", "column", "hint"),
    [
        (b"sshd ALL\n", "no-colon", 1, 1, "write DAEMONS : CLIENTS"),
        (b"  # note\n", "no-colon", 1, 3, "first column"),
        (b"x]: ALL\n", "unbalanced-bracket", 1, 2, "around IPv6 addresses"),
        (b"sshd: [::1 ALL: deny\n", "unbalanced-bracket", 1, 7, "around IPv6 addresses"),
        (b"sshd: ::1\n", "ipv6-without-brackets", 1, 7, "write [::1]"),
        (b"sshd: 2001:db8::/32\n", "ipv6-without-brackets", 1, 7, "write [2001:db8::]/32"),
        (b"sshd: ::ffff:10.1.2.3\n", "ipv6-without-brackets", 1, 7, "write 10.1.2.3"),
        (b"sshd: ALL: setenv A=B\n", "bad-setenv", 1, 12, "write: setenv NAME VALUE"),
        (b"sshd: root@fe80::1\n", "ipv6-without-brackets", 1, 12, "write root@[fe80::1]"),
        (b"sshd@::1: ALL\n", "ipv6-without-brackets", 1, 6, "write sshd@[::1]"),
        (b"::1: ALL\n", "ipv6-without-brackets", 1, 1, "write DAEMONS : [::1]"),
        (b"sshd:::1\n", "ipv6-without-brackets", 1, 6, "write [::1]"),
        (b"sshd: fe80::1%lo/64: deny\n", "ipv6-without-brackets", 1, 7, "write [fe80::1]/64"),
        (b"sshd: 10.1.2.3 fe80::1 ALL\n", "ipv6-without-brackets", 1, 16, "write [fe80::1]"),
        (b": ALL\n", "empty-daemon-list", 1, 1, "write the daemons, or ALL"),
        (b"sshd:\n", "empty-client-list", 1, 5, "write the clients, or ALL"),
        (b"sshd: EXCEPT ALL\n", "empty-client-list", 1, 7, "write the clients, or ALL"),
        (b"ALL EXCEPT : ALL\n", "empty-except", 1, 5, "leave EXCEPT out"),
        (b"sshd: ALL EXCEPT\n", "empty-except", 1, 11, "leave EXCEPT out"),
        (b"sshd: 10.1.2.3/8\n", "net-bits-outside-mask", 1, 7, "write 10.0.0.0/8"),
        (b"sshd: \\\n  10.1\n", "partial-address", 2, 3, "write 10.1."),
        (b"ss\\\nhd: ALL: \\\n dny\n", "unknown-option", 3, 2, "did you mean deny?"),
        (b"sshd: ALL: sevrity x\n", "unknown-option", 1, 12, "did you mean severity?"),
        (b"sshd: ALL: bogus\n", "unknown-option", 1, 12, "see hosts_options(5)"),
        (b"sshd: dns:localhost\n", "unknown-option", 1, 11, "a dot in NAME"),
        (b"sshd: ALL dns: host.example.org\n", "unknown-option", 1, 16, "in one word"),
        (b"sshd: bob@dns:host.example.org\n", "unknown-option", 1, 15, "nothing before it"),
        (b"sshd: dns: dny\n", "unknown-option", 1, 12, "did you mean deny?"),
        (b"sshd: dns: allow: bogus\n", "unknown-option", 1, 19, "see hosts_options(5)"),
        (b"sshd: ALL: /bin/mail x\n", "unknown-option", 1, 12, "write spawn before"),
        (b"sshd: ALL # see: http\n", "comment-not-first", 1, 11, "line of its own"),
        (b"sshd: ALL # see: http\n", "unknown-option", 1, 17, "in the first column"),
        (b"sshd: ALL: # note\n", "unknown-option", 1, 12, "in the first column"),
        (b"sshd: ALL:\n", "missing-option", 1, 11, "remove the extra colon"),
        (b"sshd: ALL: spawn\n", "missing-value", 1, 12, "write: spawn COMMAND"),
        (b"sshd: ALL: allow x\n", "forbidden-value", 1, 12, "write: allow"),
        (b"sshd: ALL: deny: spawn x\n", "option-not-last", 1, 12, "move deny behind"),
        (b"sshd: ALL: umask 999\n", "bad-value", 1, 12, "octal digits"),
        (b"sshd: ALL: linger x\n", "bad-value", 1, 12, "number of seconds"),
        (b"sshd: ALL: rfc931 0\n", "bad-value", 1, 12, "above 0"),
        (b"sshd: ALL: nice x\n", "bad-value", 1, 12, "nothing for 10"),
        (b"sshd: ALL: severity foo.info\n", "bad-value", 1, 12, "local0"),
        (b"sshd: ALL: severity mail.foo\n", "bad-value", 1, 12, "warning"),
        (b"ALL: 10.\nsshd: ALL", "missing-newline", 2, 10, "end the last line"),
        (b"# note", "missing-newline", 1, 7, "end the last line"),
        (b"ALL: " + b"x" * 2047 + b"\n", "line-too-long", 1, 1, "split it"),
        (b"ALL: 10.\0\nALL: ALL\n", "nul-byte", 1, 9, "remove the NUL"),
        (b"# x\n\0ALL: ALL\n", "nul-byte", 2, 1, "remove the NUL"),
        (b"\xff\xfe#\0\n\0", "nul-byte", 1, 4, "as UTF-8"),
        (b"\xef\xbb\xbfsshd: ALL\n", "byte-order-mark", 1, 1, "without a byte order mark"),
        (b"# note \\\nALL: ALL\n", "comment-continues", 2, 1, "remove the backslash"),
        (b"ALL: 10. \\ \nALL: ALL\n", "backslash-not-last", 1, 10, "be the last character"),
        (b"ALL \\\r\n : ALL\n", "backslash-not-last", 1, 5, "be the last character"),
        (b"ALL: ALL: spawn x \\\r\n", "backslash-not-last", 1, 19, "be the last character"),
        (b"sshd: .a.example .b.example\n", "name-lookup", 1, 7, "write addresses"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_mistake_is_found(text: bytes, code: str, line: int, column: int, hint: str) -> None:
    found = {(one.code, one.line, one.column): one.hint for one in found_in(text)}
    assert hint in found.get((code, line, column), f"nothing of the kind: {found}")


def test_a_file_that_cant_be_read_is_an_error() -> None:
    parsed = parse(Unreadable("Permission denied"), "hosts.deny", TableName.DENY)
    assert [one.brief for one in parsed.diagnostics] == [
        "hosts.deny:1:1: the file can't be read: Permission denied"
    ]


def test_the_source_line_is_the_physical_one() -> None:
    assert found_in(b"sshd: 10. \\\n  10.1 \\\n  10.2\n")[0].source_line == b"  10.1 \\"


@pytest.mark.parametrize(
    "text",
    [
        b"# note\n\n \t\r\nsshd, in.ftpd: 10. EXCEPT 10.1.2.3\nALL: [::1] : nice 5 : deny\n",
        b"sshd: 10.1.2.3\r\n",
        b"sshd: 10. \\\n 192.0.2.\n",
        b"sshd: ALL: spawn a\\:b\n",
        b"",
    ],
)
def test_nothing_is_said_about_a_good_file(text: bytes) -> None:
    assert found_in(text) == ()


def test_of_a_common_warning_a_list_has_only_the_first() -> None:
    found = found_in(b"sshd: .a.example .b.example\n")
    assert [(one.severity, one.code) for one in found] == [(Severity.WARNING, "name-lookup")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(b"sshd: root@fe80::1\n", "ipv6-without-brackets", id="bare-ipv6"),
        pytest.param(b"sshd: ALL \\ \n", "backslash-not-last", id="backslash-and-blank"),
        pytest.param(b"sshd: ALL\0\n", "nul-byte", id="a-nul-before-the-last-newline"),
    ],
)
def test_a_mistake_is_said_once(text: bytes, code: str) -> None:
    assert [one.code for one in found_in(text)] == [code]
