# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.request import TableName
from socketgate.rules.rule import numbered_line
from socketgate.rules.shadow import hidden_rules
from socketgate.rules.source import Text
from socketgate.rules.syntax import parse

Hidden = list[tuple[int, int]]


def hidden(allow: bytes, deny: bytes, max_spans: int | None = None) -> Hidden:
    """Lines of hidden rules and of those that hide them; hosts.deny's lines are negative."""
    files = (
        parse(Text(allow), "allow", TableName.ALLOW),
        parse(Text(deny), "deny", TableName.DENY),
    )

    def line(number: int) -> int:
        table, line = numbered_line(number)
        return line if table is TableName.ALLOW else -line

    return [(line(number), line(by)) for number, by in hidden_rules(files, max_spans).items()]


@pytest.mark.parametrize(
    ("allow", "deny", "wanted"),
    [
        (b"", b"ALL: 10.1.2.3\nALL: 10.1.2.3\n", [(-2, -1)]),
        (b"", b"ALL: 10.0.0.0/8\nsshd: 10.1.2.3\n", [(-2, -1)]),
        (b"", b"sshd: 10.0.0.0/8\nALL: 10.1.2.3\n", []),
        (b"", b"sshd: 10.0.0.0/8\nftpd: 10.1.2.3\n", []),
        (b"", b"ALL: 10. 11.\nALL: 10.1. 11.1.\nALL: 10.1. 12.\n", [(-2, -1)]),
        (b"", b"ALL: 10.0.0.0/9\nALL: 10.128.0.0/9\nALL: 10.\n", [(-3, -1)]),
        (b"ALL: ALL\n", b"ALL: alpha\nsshd: 10.\nALL: [::1]\n", [(-1, 1), (-2, 1), (-3, 1)]),
        (b"ALL: ALL EXCEPT 10.\n", b"ALL: alpha\n", []),
        (b"ALL: ALL: aclexec x\n", b"ALL: 10.\n", []),
        (b"ALL: 10.\n", b"ALL: 10.: aclexec x\n", []),
        (b"ALL: 10.: aclexec x\nALL: ALL\n", b"ALL: 10.\n", []),
        (b"ALL: 10.: aclexec x\nALL: ALL\nALL: 10.\n", b"ALL: ALL\nALL: 10.\n", [(3, 2), (-2, -1)]),
        (b"ALL: ALL\n", b"ALL: 10.: aclexec x\n", [(-1, 1)]),
        (b"sshd: ALL\n", b"sshd, ftpd: alpha\n", []),
        (b"sshd, ftpd: ALL\n", b"sshd ftpd: alpha\n", [(-1, 1)]),
        (b"ALL EXCEPT sshd: ALL\n", b"ftpd: 10.\n", []),
        (b"ALL: ALL\n", b"ALL EXCEPT sshd: 10.\nsshd@192.0.2.1: 10.\n", [(-1, 1), (-2, 1)]),
        (b"ALL: [2001:db8::]/32\n", b"ALL: [2001:db8::1]\nALL: [2001:db9::]/64\n", [(-1, 1)]),
        (b"", b"ALL: 10.1.2.3/8\nALL: ALL\n", []),
        (b"", b": 10.\nALL: ALL\nALL: ALL\n", [(-3, -2)]),
    ],
)
def test_a_rule_that_cant_be_reached_is_found(allow: bytes, deny: bytes, wanted: Hidden) -> None:
    assert hidden(allow, deny) == wanted


@pytest.mark.parametrize(("max_spans", "count"), [(1, 0), (3, 1)])
@pytest.mark.parametrize("deny", [b"ALL: 10.1.2.3\nALL: 10.1.2.3\n", b"ALL: ALL\nALL: alpha\n"])
def test_nothing_is_looked_for_in_tables_that_are_too_large(
    deny: bytes, max_spans: int, count: int
) -> None:
    assert len(hidden(b"", deny, max_spans)) == count
