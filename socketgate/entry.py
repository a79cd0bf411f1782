# SPDX-License-Identifier: MIT
"""What the journal is told of a connection: tcpd's words, and fields (docs/design.md 8).

    connect from CLIENT (ADDRESS)             info
    refused connect from CLIENT (ADDRESS)     warning

Most entries differ from the one before only in the client's address and a few numbers; what is the
same in them is kept in the connections' lane.
"""

from dataclasses import dataclass
from enum import Enum
from time import monotonic_ns

from socketgate.accept import Connection
from socketgate.clients import unmapped
from socketgate.identify import is_ip
from socketgate.journal import MESSAGE_ID, encode_entry
from socketgate.rules.option import Severity, Twist
from socketgate.rules.request import PARANOID, UNKNOWN, Access, Fact, Request
from socketgate.rules.verdict import Verdict

#: syslog(3)'s numbers by the names hosts_options(5) knows.
FACILITIES = {
    "kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "lpr": 6, "news": 7, "uucp": 8,
    "cron": 9,
    **{f"local{n}": 16 + n for n in range(8)},
}  # fmt: skip
LEVELS = {
    name: number
    for number, name in enumerate(
        ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
    )
}
DAEMON_FACILITY = FACILITIES["daemon"]


class Outcome(Enum):
    """How a connection ended."""

    HANDED_OVER = "handed-over"
    REFUSED = "refused"
    TWISTED = "twisted"
    BACKEND_UNAVAILABLE = "backend-unavailable"
    OVER_LIMIT = "over-limit"
    CLIENT_GONE = "client-gone"
    ERROR = "error"
    KEPT = "kept"

    #: By identity: members are singletons, and Enum's own hash is a call into Python.
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Kind:
    """How an outcome is written: text around the client, level, last digits of MESSAGE_ID.

    `is_summed_up`: a stranger can cause it as often as he likes.
    """

    before: str
    after: str
    level: int
    digits: str
    is_summed_up: bool


# fmt: off
KINDS = {
    Outcome.HANDED_OVER: Kind(
        "connect from", "", LEVELS["info"], "101", is_summed_up=False),
    Outcome.REFUSED: Kind(
        "refused connect from", "", LEVELS["warning"], "102", is_summed_up=True),
    Outcome.TWISTED: Kind(
        "twist", "", LEVELS["warning"], "103", is_summed_up=False),
    Outcome.BACKEND_UNAVAILABLE: Kind(
        "connect from", ", but no backend took it", LEVELS["err"], "104", is_summed_up=False),
    Outcome.OVER_LIMIT: Kind(
        "refused connect from", ": too many wait already", LEVELS["warning"], "105",
        is_summed_up=True),
    Outcome.CLIENT_GONE: Kind(
        "connect from", ", but the client has gone", LEVELS["info"], "106", is_summed_up=True),
    Outcome.ERROR: Kind(
        "refused connect from", ": internal error", LEVELS["err"], "107", is_summed_up=True),
    Outcome.KEPT: Kind(
        "connect from", ", kept for the gate's next start", LEVELS["info"], "10e",
        is_summed_up=False),
}
# fmt: on

#: The same for one that was refused by a ban: filters that would ban it again leave it alone.
BANNED_DIGITS = "10d"

#: The fields that differ between the connections of a lane.
VARYING = frozenset(
    {
        "MESSAGE",
        "SOCKETGATE_CLIENT_ADDR",
        "SOCKETGATE_CLIENT_PORT",
        "SOCKETGATE_ID",
        "SOCKETGATE_USEC",
    }
)


class EntryWriter:
    """Encodes the entries of one daemon."""

    def __init__(self, daemon: str) -> None:
        self._daemon = daemon

    def encode(self, connection: Connection, outcome: Outcome) -> bytes:
        """The entry for a connection that has ended so."""
        lane = connection.lane
        if lane is None or outcome is Outcome.TWISTED:
            return encode_entry(self.fields(connection, outcome))
        texts = lane.entries.get(outcome)
        if texts is None:
            texts = lane.entries[outcome] = self._constant_texts(connection, outcome)
        before, after, rest = texts
        client = connection.client
        return (
            f"{before}{client.address} ({client.address}){after}{client.bare_address}\n"
            f"SOCKETGATE_CLIENT_PORT={connection.peer[1]}\n"
            f"SOCKETGATE_ID={connection.id}\n"
            f"SOCKETGATE_USEC={(monotonic_ns() - connection.accepted_ns) // 1000}\n{rest}"
        ).encode("utf-8", "surrogateescape")

    def fields(self, connection: Connection, outcome: Outcome) -> dict[str, str | int]:
        """The entry's fields, in order."""
        kind = KINDS[outcome]
        verdict = connection.verdict
        level, facility = _severity(verdict, kind)
        fields: dict[str, str | int] = {"MESSAGE": message(connection, outcome)}
        if is_ip(connection.listener):
            fields["SOCKETGATE_CLIENT_ADDR"] = connection.bare_address
            fields["SOCKETGATE_CLIENT_PORT"] = int(connection.peer[1])
            fields["SOCKETGATE_SERVER_ADDR"] = unmapped(connection.server.address)
            fields["SOCKETGATE_SERVER_PORT"] = connection.server.port
        fields |= {
            "SOCKETGATE_ID": connection.id,
            "SOCKETGATE_USEC": (monotonic_ns() - connection.accepted_ns) // 1000,
            "PRIORITY": level,
            "SYSLOG_IDENTIFIER": self._daemon,
            "SYSLOG_FACILITY": facility,
            "MESSAGE_ID": MESSAGE_ID + kind.digits,
            "SOCKETGATE_DAEMON": self._daemon,
            "SOCKETGATE_VERDICT": _access(verdict).value,
            "SOCKETGATE_OUTCOME": outcome.value,
            "SOCKETGATE_RULES_GENERATION": connection.generation,
        }
        if connection.ban:
            fields["MESSAGE_ID"] = MESSAGE_ID + BANNED_DIGITS
            fields["SOCKETGATE_BAN"] = connection.ban
        if verdict is not None and verdict.place is not None:
            fields["SOCKETGATE_RULE_FILE"] = verdict.place.origin
            fields["SOCKETGATE_RULE_LINE"] = verdict.place.line
        if host := known_fact(connection.request, Fact.CLIENT_NAME):
            fields["SOCKETGATE_CLIENT_HOST"] = host
        if user := known_user(connection.request):
            fields["SOCKETGATE_CLIENT_USER"] = user
        if connection.lookup_notes:
            fields["SOCKETGATE_LOOKUP"] = "; ".join(connection.lookup_notes)
        return fields

    def _constant_texts(self, connection: Connection, outcome: Outcome) -> tuple[str, str, str]:
        kind = KINDS[outcome]
        fields = self.fields(connection, outcome)
        constant = {key: value for key, value in fields.items() if key not in VARYING}
        before, after = f"MESSAGE={kind.before} ", f"{kind.after}\nSOCKETGATE_CLIENT_ADDR="
        return before, after, encode_entry(constant).decode("utf-8", "surrogateescape")


def _access(verdict: Verdict | None) -> Access:
    """What the rules said; a connection that ended before they could was not let in."""
    return Access.DENY if verdict is None else verdict.access


def _severity(verdict: Verdict | None, kind: Kind) -> tuple[int, int]:
    """Level and facility: the last `severity` option's, else the kind's own."""
    level, facility = kind.level, DAEMON_FACILITY
    for action in verdict.actions if verdict is not None else ():
        if isinstance(action, Severity):
            level = LEVELS[action.level]
            facility = FACILITIES[action.facility] if action.facility else DAEMON_FACILITY
    return level, facility


def known_fact(request: Request | None, fact: Fact) -> str | None:
    """A name or user that was looked up and found, as text."""
    value = request.facts.get(fact) if request is not None else None
    if not isinstance(value, bytes) or value in (UNKNOWN, PARANOID):
        return None
    return value.decode("utf-8", "backslashreplace")


def known_user(request: Request | None) -> str | None:
    """The user, if one was found; a local one at least by the number that the kernel says."""
    user = known_fact(request, Fact.CLIENT_USER)
    if user is None and request is not None and request.uid is not None:
        return str(request.uid)
    return user


def message(connection: Connection, outcome: Outcome) -> str:
    """The text of an audit line, as tcpd has it: the client is `%c` of hosts_access(5)."""
    kind = KINDS[outcome]
    address = client_text(connection)
    host = known_fact(connection.request, Fact.CLIENT_NAME) or address
    user = known_user(connection.request)
    client = f"{user}@{host}" if user else host
    if outcome is Outcome.TWISTED and connection.verdict is not None:
        for action in connection.verdict.actions:
            if isinstance(action, Twist):
                return f"twist {client} to {action.command.decode('utf-8', 'backslashreplace')}"
    return f"{kind.before} {client} ({address}){kind.after}"


def client_text(connection: Connection) -> str:
    """The client's address for people; `unknown` for those who have none."""
    return connection.address or UNKNOWN.decode()
