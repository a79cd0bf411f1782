# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.names import NameKind, names_used
from socketgate.rules.source import Absent, Sources, Text


def names(text: bytes) -> list[tuple[NameKind, bytes, int, int]]:
    found = names_used(Sources(allow=Absent(), deny=Text(text)))
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
    ],
)
def test_names_are_listed_with_their_places(
    text: bytes, wanted: list[tuple[NameKind, bytes, int, int]]
) -> None:
    assert names(text) == wanted
