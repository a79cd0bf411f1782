# SPDX-License-Identifier: MIT
"""socketgate.rules.trace: the story of a verdict."""

import pytest

from socketgate.rules.decide import decide
from socketgate.rules.request import CommandStatus, Fact, Request
from socketgate.rules.table import RuleTable
from socketgate.rules.trace import MAX_SHOWN, Trace, trace
from socketgate.rules.verdict import Verdict
from tests.support.build import request, table

ALLOW = """\
smtp: ALL
sshd: .example.org EXCEPT bad.example.org
sshd: 192.0.2.0/24 EXCEPT 192.0.2.7
"""
DENY = "sshd: 198.51.100.1\nsshd: 198.51.100.2\nALL: ALL\n"


def traced(rules: RuleTable, asked: Request) -> Trace:
    verdict = decide(rules, asked)
    assert isinstance(verdict, Verdict), verdict
    return trace(rules, asked, verdict)


def story(asked: Request, allow: str = ALLOW, deny: str = DENY) -> list[tuple[int, bool, str]]:
    found = traced(table(allow, deny), asked)
    return [(one.place.line, one.is_match, one.why) for one in found.considered]


def named(name: bytes, address: str = "192.0.2.7") -> Request:
    return request(address).with_fact(Fact.CLIENT_NAME, name)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param(
            named(b"a.example.org"),
            [
                (1, False, "not for sshd"),
                (2, True, "the client name is a.example.org"),
            ],
            id="by-its-name",
        ),
        pytest.param(
            named(b"bad.example.org"),
            [
                (1, False, "not for sshd"),
                (2, False, "its EXCEPT takes the client out"),
                (3, False, "its EXCEPT takes the client out"),
                (3, True, "the address alone does it"),
            ],
            id="taken-out",
        ),
        pytest.param(
            named(b"unknown", "198.51.100.2"),
            [
                (1, False, "not for sshd"),
                (2, False, "the client is none of these; the client name is not known"),
                (3, False, "the client is none of these; the client name is not known"),
                (2, True, "the address is 198.51.100.2"),
            ],
            id="one-of-many-address-rules",
        ),
    ],
)
def test_each_rule_says_why(asked: Request, expected: list[tuple[int, bool, str]]) -> None:
    assert story(asked) == expected


def test_address_rules_that_were_passed_over_are_counted() -> None:
    assert traced(table(ALLOW, DENY), named(b"unknown", "198.51.100.2")).not_shown_count == 1


def test_a_rule_whose_aclexec_failed_is_followed_by_the_other_file() -> None:
    asked = request().with_fact(CommandStatus(b"/bin/false"), 1)
    allow = "sshd: ALL: aclexec /bin/false\nsshd: 192.0.2.0/255.255.255.0: setenv A b\n"
    found = story(asked, allow, "ALL: 192.0.2.\nALL: ALL\n")
    assert found == [(1, True, "the address alone does it"), (1, True, "the address alone does it")]


def test_a_file_that_cannot_be_read_on_is_the_end() -> None:
    ((line, is_match, why),) = story(request(), "", "ALL: ALL: allow" * 200)
    assert (line, is_match) == (1, True), why


def test_without_a_matching_rule_all_have_been_considered() -> None:
    assert [found for _, found, _ in story(named(b"unknown"), ALLOW, "")] == [False] * 3


def test_a_long_story_is_told_from_its_end() -> None:
    rules = table("".join(f"sshd: .n{number}.example\n" for number in range(500)), "ALL: ALL\n")
    found = traced(rules, named(b"unknown"))
    assert (len(found.considered), found.not_shown_count) == (MAX_SHOWN, 501 - MAX_SHOWN)
