# SPDX-License-Identifier: MIT
from collections.abc import Iterator

import pytest

from socketgate.accept import Connection
from socketgate.clients import Client
from socketgate.refusals import LAST_REFUSED, MAX_CAUSES, MAX_NOTED, Refusals
from socketgate.rules.request import Access, RulePlace, TableName
from socketgate.rules.verdict import Verdict
from tests.support.clients import connected, listening

BY_NO_RULE = Verdict(Access.DENY)


def place(line: int) -> tuple[str, int]:
    return "/etc/hosts.deny", line


@pytest.fixture
def connection() -> Iterator[Connection]:
    with listening() as listener, connected(listener) as (connection, _):
        yield connection


def refuse(refusals: Refusals, connection: Connection, *lines: int) -> None:
    """Once by each of these rules."""
    for line in lines:
        connection.verdict = Verdict(Access.DENY, RulePlace(TableName.DENY, *place(line)))
        refusals.add(connection)


def ban(refusals: Refusals, connection: Connection, net: str) -> None:
    connection.verdict, connection.ban = BY_NO_RULE, net
    refusals.add(connection)
    connection.ban = ""


def test_the_rule_that_refuses_most_comes_first(connection: Connection) -> None:
    refusals = Refusals()
    refuse(refusals, connection, 7, 3, 3)
    assert refusals.top(5) == [(place(3), 2), (place(7), 1)]


def test_no_more_are_told_than_asked_for(connection: Connection) -> None:
    refusals = Refusals()
    refuse(refusals, connection, 1, 2, 3)
    assert len(refusals.top(2)) == 2


@pytest.mark.parametrize("verdict", [None, BY_NO_RULE])
def test_a_refusal_by_no_rule_counts_for_none(
    connection: Connection, verdict: Verdict | None
) -> None:
    refusals = Refusals()
    connection.verdict = verdict
    refusals.add(connection)
    assert refusals.top(5) == []


def test_a_refusal_by_a_ban_counts_for_its_net(connection: Connection) -> None:
    refusals = Refusals()
    refuse(refusals, connection, 1)
    for _ in range(2):
        ban(refusals, connection, "192.0.2.0/24")
    assert refusals.top(5) == [("192.0.2.0/24", 2), (place(1), 1)]


def test_with_other_rules_only_bans_go_on_counting(connection: Connection) -> None:
    refusals = Refusals()
    refuse(refusals, connection, 1)
    ban(refusals, connection, "192.0.2.0/24")
    refusals.forget_rules()
    assert refusals.top(5) == [("192.0.2.0/24", 1)]


def test_every_refusal_of_a_flood_counts(connection: Connection) -> None:
    refusals = Refusals()
    refuse(refusals, connection, *[3] * (2 * MAX_NOTED + 1))
    assert refusals.top(1) == [(place(3), 2 * MAX_NOTED + 1)]


def test_beyond_the_limit_what_refuses_much_is_still_counted_and_the_rest_forgotten(
    connection: Connection,
) -> None:
    refusals = Refusals()
    late = MAX_CAUSES + MAX_NOTED
    refuse(refusals, connection, 7, 7, 7, *range(late), late, late)
    top = refusals.top(MAX_CAUSES)
    assert top[:2] == [(place(7), 4), (place(late), 2)]
    assert len(top) < MAX_CAUSES


def test_the_last_refused_are_remembered_with_what_refused_them_and_no_more(
    connection: Connection,
) -> None:
    refusals = Refusals()
    connection.client = Client("::ffff:192.0.2.7", None)
    refuse(refusals, connection, *range(3 * LAST_REFUSED))
    ban(refusals, connection, "192.0.2.0/24")
    last = [(address, cause) for _, address, cause in refusals.last()]
    lines = range(2 * LAST_REFUSED + 1, 3 * LAST_REFUSED)
    expected = [*(("192.0.2.7", place(line)) for line in lines), ("192.0.2.7", "192.0.2.0/24")]
    assert last == expected
