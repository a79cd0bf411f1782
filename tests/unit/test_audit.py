# SPDX-License-Identifier: MIT
import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from socketgate.accept import Connection
from socketgate.activation import Listener
from socketgate.audit import Audit
from socketgate.clients import Client, PeerAddress, ip_text
from socketgate.entry import FACILITIES, LEVELS, Outcome
from socketgate.identify import ServerAddresses
from socketgate.journal import MESSAGE_ID, Journal
from socketgate.repetition import Repetition
from socketgate.rules.option import Action, KeepAlive, Severity, Twist
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
from tests.support.clients import connected, listening, listening_locally
from tests.support.inbox import Fields, parse_entry
from tests.support.waiting import play

PLACE = RulePlace(TableName.DENY, "/etc/hosts.deny", 12)
ALLOWED = Verdict(Access.ALLOW)
DENIED = Verdict(Access.DENY, PLACE)


class Record:
    """An audit, and the entries it has written."""

    def __init__(self, path: Path, repetition: Repetition) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.sock.bind(str(path))
        self.journal = Journal(str(path))
        self.audit = Audit(self.journal, "sshd", repetition)
        self._taken: list[Fields] = []

    def take(self) -> None:
        """Keep what has come; the kernel's queue is short."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._taken.append(parse_entry(self.sock.recv(1 << 20)))

    def entries(self) -> list[Fields]:
        """All that has come since the last call."""
        self.take()
        taken, self._taken = self._taken, []
        return taken

    def close(self) -> None:
        self.journal.close()
        self.sock.close()


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    made = Record(tmp_path / "journal", Repetition(20, 1000))
    yield made
    made.close()


@contextlib.contextmanager
def client(
    listener: Listener, verdict: Verdict | None = None, **facts: bytes
) -> Iterator[Connection]:
    """A connection with this verdict, and these facts known: name, user."""
    with connected(listener) as (connection, _):
        connection.server = ServerAddresses(listener).of(connection)
        connection.verdict = verdict
        known = {"name": Fact.CLIENT_NAME, "user": Fact.CLIENT_USER}
        values: dict[Lookup, Answer] = {known[key]: value for key, value in facts.items()}
        base = request()
        connection.request = Request(
            daemon=base.daemon, client=base.client, server=base.server, facts=values
        )
        yield connection


def written(
    record: Record,
    outcome: Outcome,
    verdict: Verdict | None = ALLOWED,
    facts: Mapping[str, bytes] | None = None,
) -> Fields:
    """The one entry of one connection."""
    with listening() as listener, client(listener, verdict, **(facts or {})) as connection:
        record.audit.write(connection, outcome)
    (entry,) = record.entries()
    return entry


@pytest.mark.parametrize(
    ("outcome", "text", "level", "digits"),
    [
        (Outcome.HANDED_OVER, "connect from 127.0.0.1 (127.0.0.1)", "6", "101"),
        (Outcome.REFUSED, "refused connect from 127.0.0.1 (127.0.0.1)", "4", "102"),
        (
            Outcome.BACKEND_UNAVAILABLE,
            "connect from 127.0.0.1 (127.0.0.1), but no backend took it",
            "3",
            "104",
        ),
        (
            Outcome.OVER_LIMIT,
            "refused connect from 127.0.0.1 (127.0.0.1): too many wait already",
            "4",
            "105",
        ),
        (
            Outcome.CLIENT_GONE,
            "connect from 127.0.0.1 (127.0.0.1), but the client has gone",
            "6",
            "106",
        ),
        (
            Outcome.ERROR,
            "refused connect from 127.0.0.1 (127.0.0.1): internal error",
            "3",
            "107",
        ),
    ],
    ids=lambda value: value if isinstance(value, Outcome) else "",
)
def test_each_outcome_has_its_text_level_and_message_id(
    record: Record, outcome: Outcome, text: str, level: str, digits: str
) -> None:
    entry = written(record, outcome)
    assert (entry["MESSAGE"], entry["PRIORITY"], entry["MESSAGE_ID"]) == (
        text,
        level,
        MESSAGE_ID + digits,
    )


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        pytest.param(
            {"name": b"a.example.org"}, "connect from a.example.org (127.0.0.1)", id="name"
        ),
        pytest.param(
            {"name": b"a.example.org", "user": b"eve"},
            "connect from eve@a.example.org (127.0.0.1)",
            id="user-and-name",
        ),
        pytest.param({"user": b"eve"}, "connect from eve@127.0.0.1 (127.0.0.1)", id="user"),
        pytest.param({"name": UNKNOWN}, "connect from 127.0.0.1 (127.0.0.1)", id="unknown-name"),
        pytest.param({"name": PARANOID}, "connect from 127.0.0.1 (127.0.0.1)", id="paranoid"),
        pytest.param({"user": UNKNOWN}, "connect from 127.0.0.1 (127.0.0.1)", id="unknown-user"),
        pytest.param(
            {"name": b"\xff.org"}, "connect from \\xff.org (127.0.0.1)", id="name-in-no-script"
        ),
    ],
)
def test_the_client_is_written_as_tcpd_writes_it(
    record: Record, facts: dict[str, bytes], text: str
) -> None:
    assert written(record, Outcome.HANDED_OVER, facts=facts)["MESSAGE"] == text


def test_an_entry_has_the_fields_of_the_contract(record: Record) -> None:
    with (
        listening() as listener,
        client(listener, DENIED, name=b"a.example.org", user=b"eve") as connection,
    ):
        connection.generation = 7
        connection.lookup_notes = ("user: slow", "name: late")
        record.audit.write(connection, Outcome.REFUSED)
        (entry,) = record.entries()
        assert int(entry.pop("SOCKETGATE_USEC")) >= 0
        assert entry == {
            "MESSAGE": "refused connect from eve@a.example.org (127.0.0.1)",
            "PRIORITY": "4",
            "SYSLOG_IDENTIFIER": "sshd",
            "SYSLOG_FACILITY": "3",
            "MESSAGE_ID": MESSAGE_ID + "102",
            "SOCKETGATE_DAEMON": "sshd",
            "SOCKETGATE_ID": str(connection.id),
            "SOCKETGATE_VERDICT": "deny",
            "SOCKETGATE_OUTCOME": "refused",
            "SOCKETGATE_CLIENT_ADDR": "127.0.0.1",
            "SOCKETGATE_CLIENT_PORT": str(connection.peer[1]),
            "SOCKETGATE_CLIENT_HOST": "a.example.org",
            "SOCKETGATE_CLIENT_USER": "eve",
            "SOCKETGATE_SERVER_ADDR": "127.0.0.1",
            "SOCKETGATE_SERVER_PORT": str(connection.server.port),
            "SOCKETGATE_RULE_FILE": "/etc/hosts.deny",
            "SOCKETGATE_RULE_LINE": "12",
            "SOCKETGATE_RULES_GENERATION": "7",
            "SOCKETGATE_LOOKUP": "user: slow; name: late",
        }


def test_a_rule_that_did_not_decide_is_no_field(record: Record) -> None:
    entry = written(record, Outcome.HANDED_OVER)
    assert not [key for key in entry if key.startswith("SOCKETGATE_RULE_")]


def test_a_connection_without_a_verdict_counts_as_denied(record: Record) -> None:
    assert written(record, Outcome.ERROR, None)["SOCKETGATE_VERDICT"] == "deny"


def test_a_local_client_has_no_address(record: Record, tmp_path: Path) -> None:
    with listening_locally(tmp_path) as listener, connected(listener) as (connection, _):
        connection.verdict = ALLOWED
        record.audit.write(connection, Outcome.HANDED_OVER)
    (entry,) = record.entries()
    assert entry["MESSAGE"] == "connect from unknown (unknown)"
    assert not [key for key in entry if key.endswith(("_ADDR", "_PORT"))]


@pytest.mark.parametrize(
    ("peer", "text", "field"),
    [
        pytest.param(
            ("::ffff:192.0.2.7", 1, 0, 0),
            "connect from ::ffff:192.0.2.7 (::ffff:192.0.2.7)",
            "192.0.2.7",
            id="mapped",
        ),
        pytest.param(
            ("fe80::1", 1, 0, socket.if_nametoindex("lo")),
            "connect from fe80::1%lo (fe80::1%lo)",
            "fe80::1",
            id="link-local",
        ),
    ],
)
def test_the_text_has_tcpd_s_form_of_an_address_and_the_field_systemd_s(
    record: Record, peer: PeerAddress, text: str, field: str
) -> None:
    with listening("::") as listener, client(listener, ALLOWED) as connection:
        connection.peer = peer
        connection.client = Client(ip_text(peer), None)
        record.audit.write(connection, Outcome.HANDED_OVER)
    (entry,) = record.entries()
    assert (entry["MESSAGE"], entry["SOCKETGATE_CLIENT_ADDR"]) == (text, field)


@pytest.mark.parametrize(
    ("actions", "level", "facility"),
    [
        pytest.param((Severity(None, "notice"),), "5", "3", id="level"),
        pytest.param((Severity("auth", "info"),), "6", "4", id="facility-and-level"),
        pytest.param((Severity("local7", "debug"),), "7", "23", id="local7"),
        pytest.param((Severity("mail", "crit"), KeepAlive()), "2", "2", id="among-others"),
        pytest.param((Severity("mail", "crit"), Severity(None, "err")), "3", "3", id="last-wins"),
        pytest.param((KeepAlive(),), "4", "3", id="without"),
    ],
)
def test_a_severity_option_sets_level_and_facility(
    record: Record, actions: tuple[Action, ...], level: str, facility: str
) -> None:
    entry = written(record, Outcome.REFUSED, Verdict(Access.DENY, PLACE, actions))
    assert (entry["PRIORITY"], entry["SYSLOG_FACILITY"]) == (level, facility)


def test_a_twist_is_written_with_its_command(record: Record) -> None:
    verdict = Verdict(Access.DENY, PLACE, (Twist(b"/bin/echo no"),))
    entry = written(record, Outcome.TWISTED, verdict)
    assert entry["MESSAGE"] == "twist 127.0.0.1 to /bin/echo no"


def refuse(record: Record, count: int, outcome: Outcome = Outcome.REFUSED) -> None:
    with listening() as listener, client(listener, DENIED) as connection:
        for _ in range(count):
            record.audit.write(connection, outcome)
            record.take()


def test_a_flood_of_refusals_is_summed_up(record: Record) -> None:
    async def scene() -> list[Fields]:
        refuse(record, 100)
        record.audit.close()
        return record.entries()

    *written_out, summary = play(scene())
    assert len(written_out) == 20
    assert summary == {
        "MESSAGE": "refused connect from 127.0.0.0/24: and 80 more in 10 s",
        "SOCKETGATE_OUTCOME": "refused",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "sshd",
        "SYSLOG_FACILITY": "3",
        "MESSAGE_ID": MESSAGE_ID + "108",
        "SOCKETGATE_DAEMON": "sshd",
        "SOCKETGATE_CLIENT_NETWORK": "127.0.0.0/24",
        "SOCKETGATE_COUNT": "80",
    }


def test_local_clients_have_a_summary_too(record: Record, tmp_path: Path) -> None:
    async def scene() -> str:
        with listening_locally(tmp_path) as listener, connected(listener) as (connection, _):
            connection.verdict = DENIED
            for _ in range(22):
                record.audit.write(connection, Outcome.REFUSED)
                record.take()
        record.audit.close()
        return record.entries()[-1]["MESSAGE"]

    assert play(scene()) == "refused connect from unknown: and 2 more in 10 s"


def test_what_goes_wrong_for_a_crowd_is_summed_up(
    record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        with listening() as listener, client(listener, DENIED) as connection:
            for _ in range(100):
                record.audit.say(connection, logging.ERROR, "no such banner")
        record.audit.close()

    play(scene())
    *said, summary = [one.getMessage() for one in caplog.records]
    assert said == ["no such banner"] * 20
    assert summary == "sshd: and 80 more about clients from 127.0.0.0/24 in 10 s"


def test_no_flood_is_no_summary(record: Record) -> None:
    refuse(record, 20)
    record.audit.close()
    assert len(record.entries()) == 20


def test_counters_stay_exact_in_a_flood(record: Record) -> None:
    async def scene() -> None:
        refuse(record, 100)
        refuse(record, 30, Outcome.OVER_LIMIT)
        refuse(record, 3, Outcome.HANDED_OVER)
        record.audit.close()

    play(scene())
    assert {key: count for key, count in record.audit.counts.items() if count} == {
        Outcome.REFUSED: 100,
        Outcome.OVER_LIMIT: 30,
        Outcome.HANDED_OVER: 3,
    }


def test_those_let_in_are_all_written(tmp_path: Path) -> None:
    record = Record(tmp_path / "journal", Repetition(1, 1))
    refuse(record, 5, Outcome.HANDED_OVER)
    assert len(record.entries()) == 5
    record.close()


def test_after_a_summary_refusals_are_written_again(tmp_path: Path) -> None:
    record = Record(tmp_path / "journal", Repetition(1, 1))

    async def scene() -> list[str]:
        refuse(record, 3)
        record.audit.close()
        refuse(record, 1)
        return [entry["MESSAGE_ID"][-3:] for entry in record.entries()]

    assert play(scene()) == ["102", "108", "102"]
    record.close()


def test_the_summary_s_timer_does_not_outlive_the_audit(record: Record) -> None:
    async def scene() -> int:
        refuse(record, 100)
        record.audit.close()
        record.audit.close()
        await asyncio.sleep(0)
        return len(record.entries())

    assert play(scene()) == 21


def test_the_facilities_and_levels_have_syslog_s_numbers() -> None:
    assert (FACILITIES["local0"], FACILITIES["cron"], LEVELS["emerg"], LEVELS["debug"]) == (
        16,
        9,
        0,
        7,
    )


def test_a_flood_of_one_kind_does_not_hide_another(record: Record) -> None:
    async def scene() -> list[Fields]:
        refuse(record, 100)
        refuse(record, 1, Outcome.ERROR)
        refuse(record, 21, Outcome.CLIENT_GONE)
        record.audit.close()
        return record.entries()

    entries = play(scene())
    texts = [entry["MESSAGE"] for entry in entries]
    assert "refused connect from 127.0.0.1 (127.0.0.1): internal error" in texts
    assert "connect from 127.0.0.0/24, but the client has gone: and 1 more in 10 s" in texts
