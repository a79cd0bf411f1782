# SPDX-License-Identifier: MIT
"""An entry's words and fields; what becomes of it is test_audit.py's."""

import pytest

from socketgate.accept import Connection
from socketgate.clients import Client, ip_text
from socketgate.entry import (
    BANNED_DIGITS,
    KINDS,
    EntryWriter,
    Outcome,
    known_fact,
    known_user,
    message,
)
from socketgate.identify import ServerAddresses, build_request
from socketgate.lane import Lane
from socketgate.rules.option import Severity, Twist
from socketgate.rules.request import (
    PARANOID,
    UNKNOWN,
    Access,
    Answer,
    Fact,
    Lookup,
    Request,
    RulePlace,
    TableName,
)
from socketgate.rules.verdict import Verdict
from tests.support.build import request
from tests.support.clients import connected, listening
from tests.support.inbox import Fields, parse_entry

PLACE = RulePlace(TableName.ALLOW, "/etc/hosts.allow", 3)
ALLOWED = Verdict(Access.ALLOW, PLACE)


def prepared(connection: Connection, verdict: Verdict) -> None:
    """The connection with all that the gate has found out about it."""
    connection.client = Client(ip_text(connection.peer), None)
    connection.server = ServerAddresses(connection.listener).of(connection)
    connection.verdict = verdict
    connection.generation = 5


def encoded(connection: Connection, outcome: Outcome) -> Fields:
    """The entry without the time it took."""
    entry = parse_entry(EntryWriter("sshd").encode(connection, outcome))
    assert int(entry.pop("SOCKETGATE_USEC")) >= 0
    return entry


def test_every_outcome_has_a_kind_of_its_own() -> None:
    digits = [KINDS[outcome].digits for outcome in Outcome]
    assert len({*digits, BANNED_DIGITS}) == len(Outcome) + 1


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.TWISTED])
def test_an_entry_made_of_its_lanes_texts_is_the_same(outcome: Outcome) -> None:
    with listening() as listener, connected(listener) as (connection, _):
        prepared(connection, ALLOWED)
        alone = encoded(connection, outcome)
        connection.lane = Lane(ALLOWED, connection.server)
        assert [encoded(connection, outcome) for _ in range(2)] == [alone, alone]


def test_each_connection_of_a_lane_has_its_own_port_and_number() -> None:
    with (
        listening() as listener,
        connected(listener) as (first, _),
        connected(listener) as (second, _),
    ):
        entries = []
        lane = None
        for connection in (first, second):
            prepared(connection, ALLOWED)
            connection.lane = lane = lane or Lane(ALLOWED, connection.server)
            entries.append(encoded(connection, Outcome.HANDED_OVER))
        ports = [entry["SOCKETGATE_CLIENT_PORT"] for entry in entries]
        assert ports == [str(first.peer[1]), str(second.peer[1])]


def test_the_last_severity_of_a_rule_counts() -> None:
    actions = (Severity("mail", "err"), Severity(None, "debug"))
    with listening() as listener, connected(listener) as (connection, _):
        prepared(connection, Verdict(Access.ALLOW, PLACE, actions))
        entry = encoded(connection, Outcome.HANDED_OVER)
    assert (entry["PRIORITY"], entry["SYSLOG_FACILITY"]) == ("7", "3")


def test_a_twist_says_what_became_of_the_client() -> None:
    verdict = Verdict(Access.DENY, PLACE, (Twist(b"/bin/echo no"),))
    with listening() as listener, connected(listener) as (connection, _):
        prepared(connection, verdict)
        connection.request = build_request(connection)
        assert message(connection, Outcome.TWISTED) == "twist 127.0.0.1 to /bin/echo no"


def test_a_ban_has_a_message_id_of_its_own() -> None:
    with listening() as listener, connected(listener) as (connection, _):
        prepared(connection, Verdict(Access.DENY))
        connection.ban = "127.0.0.0/8"
        entry = encoded(connection, Outcome.REFUSED)
    assert (entry["SOCKETGATE_BAN"], entry["MESSAGE_ID"][-3:]) == ("127.0.0.0/8", BANNED_DIGITS)


@pytest.mark.parametrize(
    ("facts", "user"), [({}, "1000"), ({Fact.CLIENT_USER: b"bob"}, "bob")], ids=["number", "name"]
)
def test_a_local_user_is_known_at_least_by_the_number(
    facts: dict[Lookup, Answer], user: str
) -> None:
    assert known_user(Request(daemon=b"sshd", uid=1000, facts=facts)) == user


@pytest.mark.parametrize("answer", [UNKNOWN, PARANOID, None, True])
def test_what_is_not_known_is_no_fact(answer: Answer) -> None:
    assert known_fact(request().with_fact(Fact.CLIENT_NAME, answer), Fact.CLIENT_NAME) is None
