# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.names import NameKind, NameUse, accounts_named, first_uses, names_used
from socketgate.rules.source import Sources, Text
from socketgate.rules.table import build_table


def names(text: bytes) -> list[tuple[NameKind, bytes, int, int]]:
    sources = Sources(deny=Text(text))
    found = names_used(build_table(sources), sources)
    return [(use.kind, use.name, use.line, use.column) for use in found]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"sshd, ALL, ft*, 22: 10.\n", [(NameKind.DAEMON, b"sshd", 1, 1)]),
        (
            b"ALL: alpha .org \\\n @lab\n",
            [(NameKind.HOST, b"alpha", 1, 6), (NameKind.NETGROUP, b"lab", 2, 2)],
        ),
        (
            b"ALL EXCEPT sshd@srv: bob@alpha EXCEPT /list\n",
            [
                (NameKind.DAEMON, b"sshd", 1, 12),
                (NameKind.HOST, b"srv", 1, 17),
                (NameKind.HOST, b"alpha", 1, 26),
                (NameKind.HOST_FILE, b"/list", 1, 39),
            ],
        ),
        (b"ALL: dns:a.example.org\n", [(NameKind.FORWARD, b"a.example.org", 1, 6)]),
        (
            b"ALL: ALL: user bob.staff: group kmem: keepalive\n",
            [
                (NameKind.USER, b"bob", 1, 11),
                (NameKind.GROUP, b"staff", 1, 11),
                (NameKind.GROUP, b"kmem", 1, 27),
            ],
        ),
        (b"ALL: ALL: user bob\n", [(NameKind.USER, b"bob", 1, 11)]),
        (b"# sshd: alpha\nno colon\nsshd: alpha", []),
        (b"sshd: 10.1.2.3\n", [(NameKind.DAEMON, b"sshd", 1, 1)]),
        (b"#\0\n#\nsshd: 10.1.2.3\n", [(NameKind.DAEMON, b"sshd", 3, 1)]),
        (b"sshd: 10.1.2.3/24\n", [(NameKind.DAEMON, b"sshd", 1, 1)]),
    ],
)
def test_names_are_listed_with_their_places(
    text: bytes, wanted: list[tuple[NameKind, bytes, int, int]]
) -> None:
    assert names(text) == wanted


def test_a_run_of_address_lines_names_its_daemon_once_where_it_stands_first() -> None:
    text = b"ftpd: .org\nSSHD: 10.1.2.3\nsshd: 10.1.2.4\nsshd: alpha\nftpd: 10.1.2.0/24\n"
    assert [(name, line) for kind, name, line, _ in names(text) if kind is NameKind.DAEMON] == [
        (b"ftpd", 1),
        (b"sshd", 2),
        (b"sshd", 4),
        (b"ftpd", 5),
    ]


def test_a_run_for_all_daemons_names_none() -> None:
    assert names(b"ALL: 10.1.2.3\nftp*: [2001:db8::1]\n") == []


def test_an_address_line_is_shown_as_it_stands() -> None:
    sources = Sources(allow=Text(b"# first\nSSHD : 10.1.2.3\r\n"))
    (use,) = names_used(build_table(sources), sources)
    assert (use.name, use.source_line) == (b"sshd", b"SSHD : 10.1.2.3\r")


def test_accounts_are_listed_with_their_places() -> None:
    sources = Sources(
        allow=Text(b"sshd: alpha: user bob\nALL: 10.1.2.3\n"),
        deny=Text(b"ALL: ALL: keepalive: group kmem\n"),
    )
    found = [
        (use.kind, use.name, use.line, use.column) for use in accounts_named(build_table(sources))
    ]
    assert found == [(NameKind.USER, b"bob", 1, 14), (NameKind.GROUP, b"kmem", 1, 22)]


def test_the_same_word_as_daemon_and_as_host_is_two_names() -> None:
    sources = Sources(allow=Text(b"mail: mail\nmail: mail\n"))
    found: list[NameUse] = first_uses(names_used(build_table(sources), sources))
    assert [(use.kind, use.line) for use in found] == [(NameKind.DAEMON, 1), (NameKind.HOST, 1)]
