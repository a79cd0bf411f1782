# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.option import Severity, Umask
from socketgate.rules.policy import Policy
from socketgate.rules.request import Access
from socketgate.rules.source import Sources, Text
from socketgate.rules.table import build_table

ALLOW = b"sshd: 192.0.2.\nsshd: [2001:db8::]/32\nALL: 10.9.0.0/16: deny\n"
DENY = b"ALL: 10.0.0.0/8\nsshd: 172.16. 172.17. : severity err : umask 22\nALL: [::]/1\n"


def policy_of(allow: bytes, deny: bytes) -> Policy:
    return build_table(Sources(allow=Text(allow), deny=Text(deny))).policy(b"sshd", 22)


@pytest.mark.parametrize(
    ("address", "access", "line"),
    [
        ("192.0.2.7", Access.ALLOW, 1),
        ("10.1.2.3", Access.DENY, 1),
        ("10.9.1.2", Access.DENY, 3),
        ("172.17.1.1", Access.DENY, 2),
        ("8.8.8.8", Access.ALLOW, None),
        ("::ffff:192.0.2.7", Access.ALLOW, 1),
        ("2001:db8::1", Access.ALLOW, 2),
        ("::1", Access.DENY, 3),
        ("fe80::1", Access.ALLOW, None),
    ],
)
def test_an_address_has_its_verdict(address: str, access: Access, line: int | None) -> None:
    verdict = policy_of(ALLOW, DENY).verdict(address)
    assert verdict is not None
    place = verdict.place
    assert (verdict.access, place and place.line) == (access, line)


@pytest.mark.parametrize(
    "address",
    ["unknown", "", "010.1.2.3", "10.1", "::1%lo", "1::10.1.2.3", "::ffff:255.255.255.255", "\0"],
)
def test_what_accept_never_gives_is_left_to_decide(address: str) -> None:
    assert policy_of(ALLOW, DENY).verdict(address) is None


@pytest.mark.parametrize(
    ("allow", "address", "is_ready"),
    [
        (b"ALL: 10.\nALL: alpha\n", "10.1.2.3", True),
        (b"ALL: alpha\nALL: 10.\n", "10.1.2.3", False),
        (b"ALL: 10.\nALL: alpha\n", "11.1.2.3", False),
        (b"ALL: 10.: spawn x\n", "10.1.2.3", False),
        (b"ALL: 10.: spawn x\n", "11.1.2.3", True),
        (b"ALL: 10.: bogus\n", "10.1.2.3", True),
        (b"ALL: 10.: aclexec x\n", "11.1.2.3", True),
    ],
)
def test_a_verdict_is_ready_when_nothing_else_counts(
    allow: bytes, address: str, is_ready: bool
) -> None:
    assert (policy_of(allow, b"").verdict(address) is not None) == is_ready


def test_actions_that_are_the_same_for_all_come_with_it() -> None:
    verdict = policy_of(ALLOW, DENY).verdict("172.16.1.1")
    assert verdict is not None
    assert verdict.actions == (Severity(None, "err"), Umask(0o22))


def test_an_error_of_the_rule_comes_with_it() -> None:
    verdict = policy_of(b"ALL: 10.: bogus\n", b"").verdict("10.1.2.3")
    assert verdict is not None
    assert verdict.messages == ('error: /etc/hosts.allow, line 1: bad option name: "bogus"',)


def test_a_broken_hosts_deny_comes_with_it() -> None:
    verdict = policy_of(b"", b"ALL: ALL").verdict("10.1.2.3")
    assert verdict is not None
    assert (verdict.access, verdict.place, len(verdict.messages)) == (Access.DENY, None, 2)


def test_ready_verdicts_are_kept_but_not_without_bound() -> None:
    lines = b"".join(b"ALL: 10.0.%d.%d\n" % divmod(number, 256) for number in range(10_100))
    policy = policy_of(b"", lines)
    for number in range(10_100):
        assert policy.verdict(f"10.0.{number // 256}.{number % 256}") is not None
    assert policy.verdict("10.0.0.0") is policy.verdict("10.0.0.0")
