# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.facts import Facts
from socketgate.rules.request import Endpoint, Request, TableName
from socketgate.rules.rule import (
    DENY_BASE,
    NO_RULE,
    Origins,
    Rule,
    client_addresses,
    gather_clients,
    numbered_line,
    rule_number,
)
from socketgate.rules.source import Text
from socketgate.rules.syntax import parse
from socketgate.rules.word import Reading, parse_client_word


def rule(text: bytes) -> Rule:
    return parse(Text(text + b"\n"), "hosts.deny", TableName.DENY).rules[0]


@pytest.mark.parametrize("line", [0, 1, 2, 1 << 29])
@pytest.mark.parametrize("table", TableName)
@pytest.mark.parametrize("is_turned", [True, False])
def test_a_number_says_table_and_line(table: TableName, line: int, is_turned: bool) -> None:
    assert numbered_line(rule_number(table, line, is_turned=is_turned)) == (table, line)


def test_numbers_rise_from_hosts_allow_to_hosts_deny() -> None:
    last = rule_number(TableName.ALLOW, 1 << 40, is_turned=True)
    assert last < DENY_BASE <= rule_number(TableName.DENY, 0)
    assert rule_number(TableName.DENY, 1 << 40, is_turned=True) < NO_RULE


def test_a_place_names_the_file() -> None:
    origins = Origins("a", "d")
    places = [origins.place(rule_number(table, 3)) for table in TableName]
    assert [(place.origin, place.line) for place in places] == [("a", 3), ("d", 3)]


@pytest.mark.parametrize(
    ("clients", "matches"),
    [
        (b"10.", True),
        (b"11. 10.", True),
        (b"ALL EXCEPT 10.1.2.3", False),
        (b"ALL EXCEPT 10.1.2.3 EXCEPT 10.", True),
        (b"EXCEPT 11.", False),
        (b"ALL EXCEPT EXCEPT 10.", True),
        (b"10. EXCEPT", True),
        (b"11. EXCEPT 12.", False),
    ],
)
def test_a_list_matches_but_for_its_exceptions(clients: bytes, matches: bool) -> None:
    facts = Facts(Request(daemon=b"sshd", client=Endpoint(b"10.1.2.3")))
    assert rule(b"sshd ftpd: " + clients).matches(facts) == matches


def test_clients_are_not_looked_at_for_another_daemon() -> None:
    facts = Facts(Request(daemon=b"ftpd", client=Endpoint(b"10.1.2.3")))
    assert not rule(b"sshd: .example.org : deny").matches(facts)


def test_users_part_the_runs_of_addresses() -> None:
    words = [parse_client_word(word, Reading()) for word in (b"10.", b"11.", b"bob@12.", b"13.")]
    assert [word.user is None for word in gather_clients(words)] == [True, False, True]


@pytest.mark.parametrize(
    ("clients", "goes_by_address"),
    [(b"10. 11.", True), (b"ALL EXCEPT 10.", True), (b"10. bob@11.", False), (b"10. alpha", False)],
)
def test_a_list_goes_by_address_if_all_its_words_do(clients: bytes, goes_by_address: bool) -> None:
    found = client_addresses(rule(b"ALL@192.0.2.1: " + clients).clients)
    assert (found is not None) == goes_by_address


@pytest.mark.parametrize(
    ("option", "has"), [(b"aclexec x", True), (b"spawn x", False), (b"deny", False)]
)
def test_a_rule_knows_its_aclexec(option: bytes, has: bool) -> None:
    assert rule(b"ALL: ALL: " + option).has_aclexec == has
