# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.policy import Policy
from socketgate.rules.source import Sources, Text
from socketgate.rules.table import build_table


def policy_of(allow: bytes = b"", deny: bytes = b"", port: int | None = None) -> Policy:
    return build_table(Sources(allow=Text(allow), deny=Text(deny))).policy(b"sshd", port)


@pytest.mark.parametrize(
    ("rule", "is_residual"),
    [
        (b"sshd: 10. 11.\n", False),
        (b"ftpd: alpha\n", False),
        (b"sshd: alpha\n", True),
        (b"sshd: bob@10.\n", True),
        (b"sshd@192.0.2.1: 10.\n", True),
        (b"ftpd@192.0.2.1: 10.\n", False),
        (b"sshd@ALL: 10.\n", False),
        (b"ALL EXCEPT sshd@192.0.2.1: 10.\n", True),
        (b"ALL EXCEPT sshd: alpha\n", False),
        (b"ALL, sshd@192.0.2.1: 10. 11.\n", False),
    ],
)
def test_rules_that_need_more_than_the_address_are_apart(rule: bytes, is_residual: bool) -> None:
    assert bool(policy_of(deny=rule).residual) == is_residual


@pytest.mark.parametrize(("port", "count"), [(22, 1), (23, 0), (None, 0)])
def test_ports_are_told_apart(port: int | None, count: int) -> None:
    assert len(policy_of(deny=b"22: 10. 11.\n", port=port).everyone) == count


@pytest.mark.parametrize(
    ("allow", "count"),
    [(b"ALL: 10.: aclexec x\n", 2), (b"ALL: 10.\n", 1), (b"ftpd: 10.: aclexec x\n", 1)],
)
def test_the_files_have_spans_of_their_own_where_a_rule_may_not_count(
    allow: bytes, count: int
) -> None:
    assert len(policy_of(allow, b"ALL: 10.1.2.3\n").segments) == count


@pytest.mark.parametrize(("deny", "count"), [(b"ALL: ALL", 1), (b"ALL: ALL\n", 1), (b"", 0)])
def test_a_broken_hosts_deny_is_like_a_rule_for_everybody(deny: bytes, count: int) -> None:
    assert len(policy_of(deny=deny).everyone) == count
