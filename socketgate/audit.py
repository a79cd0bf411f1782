# SPDX-License-Identifier: MIT
"""The audit line: one journal entry for each connection, in tcpd's words (docs/design.md 8).

    connect from CLIENT (ADDRESS)             info
    refused connect from CLIENT (ADDRESS)     warning

A flood of refusals from one network, or in all, is summed up every ten seconds; counters stay
exact.
"""

import asyncio
import collections
import time
from dataclasses import dataclass
from enum import StrEnum

from socketgate.accept import Connection
from socketgate.identify import ip_text, is_ip, unmapped
from socketgate.journal import MESSAGE_ID, Journal, encode_entry
from socketgate.limits import WINDOW_SECONDS, Repetition
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


class Outcome(StrEnum):
    """How a connection ended."""

    HANDED_OVER = "handed-over"
    REFUSED = "refused"
    TWISTED = "twisted"
    BACKEND_UNAVAILABLE = "backend-unavailable"
    OVER_LIMIT = "over-limit"
    CLIENT_GONE = "client-gone"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Kind:
    """How an outcome is written: text around the client, level, last digits of MESSAGE_ID."""

    before: str
    after: str
    level: int
    digits: str


KINDS = {
    Outcome.HANDED_OVER: Kind("connect from", "", LEVELS["info"], "101"),
    Outcome.REFUSED: Kind("refused connect from", "", LEVELS["warning"], "102"),
    Outcome.TWISTED: Kind("twist", "", LEVELS["warning"], "103"),
    Outcome.BACKEND_UNAVAILABLE: Kind(
        "connect from", ", but no backend took it", LEVELS["err"], "104"
    ),
    Outcome.OVER_LIMIT: Kind(
        "refused connect from", ": too many wait already", LEVELS["warning"], "105"
    ),
    Outcome.CLIENT_GONE: Kind("connect from", ", but the client has gone", LEVELS["info"], "106"),
    Outcome.ERROR: Kind("refused connect from", ": internal error", LEVELS["err"], "107"),
}

#: The same for one that was refused by a ban: filters that would ban it again leave it alone.
BANNED_DIGITS = "10d"

#: Outcomes a stranger can cause as often as he likes.
SUMMED_UP = frozenset({Outcome.REFUSED, Outcome.OVER_LIMIT, Outcome.CLIENT_GONE, Outcome.ERROR})

#: How many of the last refused clients are remembered for `socketgate status`.
LAST_REFUSED = 10


class Audit:
    """Writes the audit lines of one daemon and counts its outcomes."""

    def __init__(self, journal: Journal, daemon: str, repetition: Repetition) -> None:
        self._journal = journal
        self._daemon = daemon
        self._repetition = repetition
        self._window: asyncio.TimerHandle | None = None
        #: Connections by outcome since the start, exact whatever was written out.
        self.counts: collections.Counter[Outcome] = collections.Counter()
        #: The last refused clients: wall-clock time in seconds, address.
        self.last_refused: collections.deque[tuple[float, str]] = collections.deque(
            maxlen=LAST_REFUSED
        )

    def write(self, connection: Connection, outcome: Outcome) -> None:
        """One connection has ended."""
        self.counts[outcome] += 1
        address = str(connection.peer[0]) if is_ip(connection.listener) else ""
        if outcome is Outcome.REFUSED:
            self.last_refused.append((time.time(), address))
        if outcome in SUMMED_UP and not self._repetition.admit(address):
            self._open_window()
            return
        self._journal.send(encode_entry(self._fields(connection, outcome)))

    def close(self) -> None:
        """Write what is still to be summed up."""
        if self._window is not None:
            self._window.cancel()
            self._sum_up()

    def _open_window(self) -> None:
        if self._window is None:
            self._window = asyncio.get_running_loop().call_later(WINDOW_SECONDS, self._sum_up)

    def _sum_up(self) -> None:
        self._window = None
        for network, count in self._repetition.close_window().items():
            self._journal.send(
                encode_entry(
                    {
                        "MESSAGE": f"refused connect from {network}: and {count} more "
                        f"in {WINDOW_SECONDS:.0f} s",
                        "PRIORITY": LEVELS["warning"],
                        "SYSLOG_IDENTIFIER": self._daemon,
                        "SYSLOG_FACILITY": DAEMON_FACILITY,
                        "MESSAGE_ID": MESSAGE_ID + "108",
                        "SOCKETGATE_DAEMON": self._daemon,
                        "SOCKETGATE_CLIENT_NETWORK": network,
                        "SOCKETGATE_COUNT": count,
                    }
                )
            )

    def _fields(self, connection: Connection, outcome: Outcome) -> dict[str, str | int]:
        kind = KINDS[outcome]
        verdict = connection.verdict
        level, facility = _severity(verdict, kind)
        fields: dict[str, str | int] = {
            "MESSAGE": message(connection, outcome),
            "PRIORITY": level,
            "SYSLOG_IDENTIFIER": self._daemon,
            "SYSLOG_FACILITY": facility,
            "MESSAGE_ID": MESSAGE_ID + kind.digits,
            "SOCKETGATE_DAEMON": self._daemon,
            "SOCKETGATE_ID": connection.id,
            "SOCKETGATE_VERDICT": _access(verdict).value,
            "SOCKETGATE_OUTCOME": outcome.value,
            "SOCKETGATE_RULES_GENERATION": connection.generation,
            "SOCKETGATE_USEC": (time.monotonic_ns() - connection.accepted_ns) // 1000,
        }
        if is_ip(connection.listener):
            fields["SOCKETGATE_CLIENT_ADDR"] = unmapped(str(connection.peer[0]))
            fields["SOCKETGATE_CLIENT_PORT"] = int(connection.peer[1])
            fields["SOCKETGATE_SERVER_ADDR"] = unmapped(connection.server.address)
            fields["SOCKETGATE_SERVER_PORT"] = connection.server.port
        if connection.ban:
            fields["MESSAGE_ID"] = MESSAGE_ID + BANNED_DIGITS
            fields["SOCKETGATE_BAN"] = connection.ban
        if verdict is not None and verdict.place is not None:
            fields["SOCKETGATE_RULE_FILE"] = verdict.place.origin
            fields["SOCKETGATE_RULE_LINE"] = verdict.place.line
        for name, fact in (("HOST", Fact.CLIENT_NAME), ("USER", Fact.CLIENT_USER)):
            if value := known_fact(connection.request, fact):
                fields[f"SOCKETGATE_CLIENT_{name}"] = value
        if connection.lookup_notes:
            fields["SOCKETGATE_LOOKUP"] = "; ".join(connection.lookup_notes)
        return fields


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


def message(connection: Connection, outcome: Outcome) -> str:
    """The text of an audit line, as tcpd has it: the client is `%c` of hosts_access(5)."""
    kind = KINDS[outcome]
    address = client_text(connection)
    host = known_fact(connection.request, Fact.CLIENT_NAME) or address
    user = known_fact(connection.request, Fact.CLIENT_USER)
    client = f"{user}@{host}" if user else host
    if outcome is Outcome.TWISTED and connection.verdict is not None:
        for action in connection.verdict.actions:
            if isinstance(action, Twist):
                return f"twist {client} to {action.command.decode('utf-8', 'backslashreplace')}"
    return f"{kind.before} {client} ({address}){kind.after}"


def client_text(connection: Connection) -> str:
    """The client's address for people; `unknown` for those who have none."""
    return ip_text(connection.peer) if is_ip(connection.listener) else UNKNOWN.decode()
