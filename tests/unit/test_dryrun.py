# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest

from socketgate.dryrun import (
    Given,
    answer_given,
    canonical_address,
    rule_lines,
    with_given_files,
)
from socketgate.rules.request import Access, CommandStatus, Fact, InNetgroup, RulePlace, TableName
from socketgate.rules.source import Absent, Directory, Source, Sources, Text
from socketgate.rules.table import build_table
from tests.support.build import request, table, text_of


def access(allow: str, given: Given) -> Access:
    """The verdict, when hosts.deny refuses all others."""
    return answer_given(table(allow, "ALL: ALL\n"), request(), given).verdict.access


def test_a_given_fact_decides() -> None:
    given = Given({Fact.CLIENT_NAME: b"a.example.org"})
    assert access("ALL: .example.org\n", given) is Access.ALLOW


def test_a_fact_that_is_not_given_is_unknown() -> None:
    assert access("ALL: UNKNOWN\n", Given()) is Access.ALLOW


def test_the_facts_of_an_answer_are_those_asked_for_in_order() -> None:
    rules = table("sshd: a@ALL .example.org\n", "")
    given = Given(dict.fromkeys(Fact, b"x"))
    facts = answer_given(rules, request(), given).request.facts
    assert list(facts) == [Fact.CLIENT_USER, Fact.CLIENT_NAME]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [((0,), Access.ALLOW), ((1,), Access.DENY), ((1, 0), Access.ALLOW), ((0, 7), Access.DENY)],
)
def test_commands_have_the_statuses_given_in_their_order(
    statuses: tuple[int, ...], expected: Access
) -> None:
    rules = "ALL: ALL: aclexec one: aclexec two\n"
    assert access(rules, Given(statuses=statuses)) is expected


def test_the_last_status_goes_on() -> None:
    facts = {CommandStatus(b"a"): 1, CommandStatus(b"b"): 0}
    asked = request()
    for fact, status in facts.items():
        asked = asked.with_fact(fact, status)
    found = Given(statuses=(1, 0)).answer(CommandStatus(b"c"), asked)
    assert found is not None
    assert found.answer == 0


def test_given_netgroups_stand_for_the_machines() -> None:
    given = Given(netgroups={b"lab": frozenset({b"alpha"})})
    found = given.answer(InNetgroup(b"lab", b"Alpha"), request())
    assert found is not None
    assert found.answer is True


def test_host_files_in_the_folder_are_the_given_ones_and_others_are_read(tmp_path: Path) -> None:
    path = bytes(tmp_path / "real")
    (tmp_path / "real").write_text("192.0.2.7")
    allow = b"ALL: /x/a /x/none %s\n" % path
    files: dict[bytes, Source] = {b"a": Text(b"/x/b"), b"b": Directory()}
    found = with_given_files(Sources(allow=Text(allow)), files, b"/x")
    assert found.host_files == {
        b"/x/a": Text(b"/x/b"),
        b"/x/b": Directory(),
        b"/x/none": Absent(),
        path: Text(b"192.0.2.7"),
    }


@pytest.mark.parametrize(
    ("text", "line", "lines"),
    [
        pytest.param("#\nsshd: .x.org\n", 2, [b"sshd: .x.org"], id="a-rule"),
        pytest.param("#\nsshd: ::1\nsshd: 192.0.2.7\n", 3, [b"sshd: 192.0.2.7"], id="an-address"),
        pytest.param("sshd:\\\n .x.org\n", 2, [b"sshd:\\", b" .x.org"], id="of-two-lines"),
        pytest.param("sshd: ALL\r\n", 1, [b"sshd: ALL"], id="crlf"),
        pytest.param("#\0\n#\nsshd: 192.0.2.7\n", 2, [b"sshd: 192.0.2.7"], id="behind-a-nul"),
        pytest.param("ALL: ::1\r\nALL: 192.0.2.7\r\n", 2, [b"ALL: 192.0.2.7"], id="address-crlf"),
    ],
)
def test_a_rules_lines_are_those_of_its_file(text: str, line: int, lines: list[bytes]) -> None:
    sources = Sources(deny=text_of(text))
    place = RulePlace(TableName.DENY, sources.deny_origin, line)
    assert list(rule_lines(build_table(sources), sources, place)) == lines


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[::1]", "::1"),
        ("[::1", None),
        ("::1]", None),
        ("fe80::1%lo", "fe80::1%lo"),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.7"),
        ("192.0.2.07", None),
        ("10.1", None),
        ("localhost", None),
        ("", None),
        ("\0", None),
    ],
)
def test_an_address_is_written_as_the_gate_sees_it(text: str, address: str | None) -> None:
    assert canonical_address(text) == address
