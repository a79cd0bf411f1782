# SPDX-License-Identifier: MIT
"""socketgate.rules.trace: the story of a verdict."""

import itertools
from dataclasses import replace

import pytest

from socketgate.rules.decide import decide
from socketgate.rules.policy import Compiled
from socketgate.rules.request import CommandStatus, Fact, Request, TableName
from socketgate.rules.rule import NO_RULE, rule_number
from socketgate.rules.source import Text
from socketgate.rules.table import PolicyKey, build_table
from socketgate.rules.trace import MAX_SHOWN, Considered, is_address_rule, line_of, trace
from socketgate.rules.verdict import Verdict
from tests.support.build import request, sources, table

#: Some pieces of a file.
FAR = "".join(f"ALL: 10.1.{number >> 8}.{number & 255}\n" for number in range(4000, 4463)) * 60
MANY = "".join(f"ALL: 10.0.0.{number}\n" for number in range(30))
OUT_BY_NAME = "EXCEPT bad.example.org takes the client out"
ALLOW = """\
smtp: ALL
sshd: .example.org EXCEPT bad.example.org
sshd: 192.0.2.0/24 EXCEPT 192.0.2.7
"""
DENY = "sshd: 198.51.100.1\nsshd: 198.51.100.2\nALL: ALL\n"


def traced(asked: Request, allow: str = ALLOW, deny: str = DENY) -> tuple[Considered, ...]:
    rules = table(allow, deny)
    verdict = decide(rules, asked)
    assert isinstance(verdict, Verdict), verdict
    return trace(rules, sources(allow, deny), asked, verdict)


def story(asked: Request, allow: str = ALLOW, deny: str = DENY) -> list[tuple[int, bool, str]]:
    return [(one.place.line, one.is_match, one.why) for one in traced(asked, allow, deny)]


def lines(found: tuple[Considered, ...]) -> list[tuple[int, int, int]]:
    """First line, last line, number of rules."""
    return [(one.first_line, one.place.line, one.count) for one in found]


def named(name: bytes, address: str = "192.0.2.7") -> Request:
    return request(address).with_fact(Fact.CLIENT_NAME, name)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param(
            named(b"a.example.org"),
            [
                (1, False, "not for sshd"),
                (2, True, ".example.org: the client name is a.example.org"),
            ],
            id="by-its-name",
        ),
        pytest.param(
            named(b"bad.example.org"),
            [
                (1, False, "not for sshd"),
                (2, False, f"{OUT_BY_NAME}: the client name is bad.example.org"),
                (3, False, "EXCEPT 192.0.2.7 takes the client out: the address is 192.0.2.7"),
                (1, False, "it doesn't list 192.0.2.7"),
                (2, False, "it doesn't list 192.0.2.7"),
                (3, True, "ALL: everybody"),
            ],
            id="taken-out",
        ),
        pytest.param(
            named(b"unknown", "198.51.100.2"),
            [
                (1, False, "not for sshd"),
                (2, False, "it doesn't list 198.51.100.2: the client name is not known"),
                (3, False, "it doesn't list 198.51.100.2"),
                (1, False, "it doesn't list 198.51.100.2"),
                (2, True, "the address is 198.51.100.2"),
            ],
            id="one-of-many-address-rules",
        ),
    ],
)
def test_each_rule_says_why(asked: Request, expected: list[tuple[int, bool, str]]) -> None:
    assert story(asked) == expected


def test_address_rules_have_their_text() -> None:
    found = traced(named(b"unknown", "198.51.100.2"))
    texts = [one.text for one in found if one.place.table is TableName.DENY]
    assert texts == [b"sshd: 198.51.100.1", b"sshd: 198.51.100.2"]


def test_a_line_that_is_not_the_rule_is_not_told_as_its_text() -> None:
    """A NUL hides a newline, so that libwrap's numbers are not those of the lines."""
    (one,) = traced(request(), "", "#\0\nsmtp: .x\nALL: 10.0.0.1\n")
    assert (one.place.line, one.text, one.is_match) == (2, b"", False)


def test_many_address_rules_are_told_as_one() -> None:
    found = traced(
        named(b"unknown"), "", f"ALL: .x\n{MANY}#\n{MANY}ALL: .y\n{MANY}ALL: 192.0.2.7\n"
    )
    assert lines(found) == [(1, 1, 1), (2, 62, 60), (63, 63, 1), (64, 93, 30), (94, 94, 1)]


def test_the_address_rules_before_the_one_that_decides_are_told() -> None:
    found = traced(request(), "", f"{MANY}ALL: 192.0.2.7\n{MANY}")
    assert lines(found) == [(1, 30, 30), (31, 31, 1)]


def test_none_is_told_that_stands_behind_the_rule_that_decides() -> None:
    assert lines(traced(request(), "ALL: ALL\nsshd: 10.0.0.1\nsshd: .x\n", MANY)) == [(1, 1, 1)]


def test_a_rule_on_several_lines_is_told_with_all_of_them() -> None:
    (one,) = traced(request(), "", "ALL: \\\n ALL\n")
    assert (one.first_line, one.place.line, one.text) == (1, 2, b"ALL: \\ ALL")


@pytest.mark.parametrize("tail", ["", MANY])
def test_a_compiled_table_tells_the_same_lines(tail: str) -> None:
    """Of what is compiled the table has no text and no numbers: only what stands between."""
    deny = f"{MANY}ALL: .x\n# a\n{MANY}ALL: .y\n{tail}"
    whole = table("", deny)
    excerpt = sources("", deny)
    excerpt = replace(excerpt, deny=whole.deny.excerpt)
    compiled = Compiled(tuple(whole.policy(b"sshd", 22).segments_by_file), 0, NO_RULE)
    small = build_table(excerpt, compiled={(b"sshd", 22): compiled})
    asked = named(b"unknown")
    verdict = decide(small, asked)
    assert isinstance(verdict, Verdict)
    assert lines(trace(small, excerpt, asked, verdict)) == lines(traced(asked, "", deny))


def test_a_rule_whose_aclexec_failed_is_followed_by_the_other_file() -> None:
    asked = request().with_fact(CommandStatus(b"/bin/false"), 1)
    allow = "sshd: ALL: aclexec /bin/false\nsshd: 192.0.2.0/255.255.255.0: setenv A b\n"
    assert story(asked, allow, "ALL: 192.0.2.\nALL: ALL\n") == [
        (1, True, "ALL: everybody; but an aclexec failed, so it does not count"),
        (1, True, "192.0.2.: the address is 192.0.2.7"),
    ]


def test_a_rule_of_hosts_deny_whose_aclexec_failed_is_the_end() -> None:
    asked = request().with_fact(CommandStatus(b"/bin/false"), 1)
    found = story(asked, "", "sshd: ALL: aclexec /bin/false\nALL: ALL\n")
    assert [line for line, _, _ in found] == [1]


@pytest.mark.parametrize(
    ("allow", "deny", "expected"),
    [
        ("ALL: ALL: twist /bin/x\n", "", "ALL: everybody; its options refuse"),
        ("ALL: 192.0.2.7: deny\n", "", "the address is 192.0.2.7; its options refuse"),
        ("", "ALL: ALL: allow\n", "ALL: everybody; its options let in"),
        ("ALL: ALL: spawn x\n", "", "ALL: everybody"),
    ],
)
def test_options_that_turn_a_rule_are_told(allow: str, deny: str, expected: str) -> None:
    ((_, _, why),) = story(request(), allow, deny)
    assert why == expected


def test_what_follows_a_failed_aclexec_in_hosts_deny_does_not_count_either() -> None:
    asked = request().with_fact(CommandStatus(b"/bin/false"), 1)
    found = story(asked, "sshd: ALL: aclexec /bin/false\n", "ALL: ALL: nice\nALL: ALL\n")
    assert found[1] == (1, True, "ALL: everybody; but an aclexec failed, so it does not count")


def without_its_list(deny: str) -> list[tuple[int, bool, str]]:
    """The story by a compiled table, whose host file is no longer at hand."""
    whole = sources("", deny, __etc__list="192.0.2.7\n")
    rules = build_table(whole)
    compiled: dict[PolicyKey, Compiled] = {
        (b"sshd", 22): Compiled(tuple(rules.policy(b"sshd", 22).segments_by_file), 0, NO_RULE)
    }
    left = replace(whole, deny=rules.deny.excerpt, host_files={b"/etc/list": Text(b"")})
    small = build_table(left, compiled=compiled)
    verdict = decide(small, request())
    assert isinstance(verdict, Verdict)
    told = trace(small, left, request(), verdict, lacks_lists=True)
    return [(one.place.line, one.is_match, one.why) for one in told]


def test_a_large_host_file_that_decides_is_told() -> None:
    assert without_its_list("ALL: /etc/list\n") == [(1, True, "the address is 192.0.2.7")]


def test_a_large_host_file_that_takes_out_is_told() -> None:
    found = without_its_list("ALL: ALL EXCEPT /etc/list\n")
    assert found == [(1, False, "it doesn't list 192.0.2.7")]


def test_a_large_host_file_is_not_said_to_be_empty() -> None:
    assert without_its_list("smtp: ALL\nALL: /etc/list EXCEPT ALL\n")[1][2] == (
        "it doesn't list 192.0.2.7"
    )


def test_a_file_that_cannot_be_read_on_is_the_end() -> None:
    ((line, is_match, why),) = story(request(), "", "ALL: ALL: allow" * 200)
    assert (line, is_match) == (1, True), why


def test_without_a_matching_rule_all_have_been_considered() -> None:
    assert [found for _, found, _ in story(named(b"unknown"), ALLOW, "")] == [False] * 3


def test_a_long_story_is_told_from_its_end() -> None:
    allow = "".join(f"sshd: .n{number}.example\n" for number in range(500))
    found = traced(named(b"unknown"), MANY + allow, "ALL: ALL\n")
    first_shown = 530 - MAX_SHOWN + 2
    assert lines(found)[:2] == [(1, first_shown - 1, first_shown - 1), (first_shown,) * 2 + (1,)]
    assert len(found) == MAX_SHOWN + 1


PIECES = [b"a\nb", b"b\r\n", b"\nd", b"", b"d\n", b"e"]


@pytest.mark.parametrize(
    ("number", "line"), [(1, b"a"), (2, b"bb"), (3, b""), (4, b"dd"), (5, b"e"), (6, b""), (9, b"")]
)
def test_a_line_is_found_by_its_number(number: int, line: bytes) -> None:
    assert line_of(PIECES, number) == line


def test_of_a_line_no_more_is_read_than_a_rule_can_have() -> None:
    endless = itertools.repeat(b"x" * 1000)
    assert len(line_of(endless, 1)) == 3000


def test_a_line_far_into_a_file_is_found() -> None:
    found = traced(request("10.1.17.111"), "", MANY + FAR + "ALL: 10.1.17.111\n")
    assert found[-1].text == b"ALL: 10.1.17.111"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("ALL: 192.0.2.7", True, id="the-rule"),
        pytest.param("ALL: 192.0.2.0/24 : deny", True, id="another-that-says-the-same"),
        pytest.param("ALL: 192.0.2.8", False, id="another-address"),
        pytest.param("smtp: 192.0.2.7", False, id="another-daemon"),
        pytest.param("ALL: 192.0.2.7: allow", False, id="another-verdict"),
        pytest.param("ALL: 192.0.2.", False, id="another-kind"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_a_line_is_the_rule_if_it_decides_alike(line: str, expected: bool) -> None:
    assert is_address_rule(line.encode(), rule_number(TableName.DENY, 2), request()) is expected
