# SPDX-License-Identifier: MIT
"""What the control socket takes and answers: the interface io.socketgate.Gate, as types.

These are the fields of `--json` too. Times are seconds by time.time(); what is not there is null.
"""

from pathlib import Path
from typing import TypedDict

from socketgate.bans import NEVER, Ban
from socketgate.varlink import Interface, Signature

INTERFACE = "io.socketgate.Gate"

#: Where gates have their folders (the unit files' RuntimeDirectory=), and the socket in each.
GATES = Path("/run/socketgate/gate")
SOCKET = "control"


class BackendState(TypedDict):
    """A backend: its socket, and what it has not taken over yet."""

    path: str
    channels: int
    unacknowledged: int
    trouble: str | None
    trouble_at: float | None


class RefusedBy(TypedDict):
    """The rule or ban that refused somebody; of a ban the net."""

    file: str | None
    line: int | None
    ban: str | None


class RefusalCount(RefusedBy):
    """How many clients a ban, or a rule of those in force, has refused."""

    refused: int


class RefusedClient(RefusedBy):
    """One of the last refused clients."""

    at: float
    address: str


class GateState(TypedDict):
    """One listening socket: who waits, and how its connections have ended, by outcome."""

    daemon: str
    address: str
    waiting: int
    held: int
    backends: list[BackendState]
    outcomes: dict[str, int]
    top_refusals: list[RefusalCount]
    last_refused: list[RefusedClient]


class RulesState(TypedDict):
    """The rules in force; `error` says why what the files say now is not."""

    generation: int
    count: int
    loaded_at: float
    files: list[str]
    error: str | None


class CommandsState(TypedDict):
    """Who runs the commands of rules: on `path`, or as a child of the gate."""

    path: str | None
    connected: bool
    trouble: str | None


class StatusAnswer(TypedDict):
    """All of the process; `commands` is null if no rule has one."""

    version: str
    pid: int
    started_at: float
    rules: RulesState
    bans: int
    commands: CommandsState | None
    gates: list[GateState]


class GateCounters(TypedDict):
    """The numbers since the start, exact, of a listening socket, or of all with one address."""

    daemon: str
    address: str
    waiting: int
    held: int
    outcomes: dict[str, int]


class CountersAnswer(TypedDict):
    """What is worth a graph."""

    started_at: float
    rules_generation: int
    rules_count: int
    rules_loaded_at: float
    rules_in_error: bool
    commands_in_trouble: bool
    bans: int
    gates: list[GateCounters]


class BanEntry(TypedDict):
    """A net that is refused; `until` is null for a ban without an end."""

    net: str
    daemon: str
    made: int
    until: int | None
    origin: str
    reason: str


class BansAnswer(TypedDict):
    """Some of the bans; `total` of all."""

    bans: list[BanEntry]
    total: int


class ConsideredRule(TypedDict):
    """A rule that was looked at: whether it matched, and why or why not. Or `count` of them that
    don't match, on lines from `first_line` to `line`: then there is no text.
    """

    file: str
    first_line: int
    line: int
    count: int
    text: str
    matched: bool
    why: str


class FactUsed(TypedDict):
    """Something that had to be found out; `age` in seconds, 0 when it was just looked up."""

    fact: str
    answer: str
    source: str
    age: float
    note: str | None


class RulesVerdict(TypedDict):
    """What the rules say."""

    verdict: str
    by: str
    file: str | None
    line: int | None
    text: str | None


class ExplainAnswer(TypedDict):
    """The verdict, and how it came about. `not_in_force` says why what the files say now is not.
    For a banned client, `unbanned` is what the rules would say without the ban, and `rules` why.
    """

    verdict: str
    by: str
    file: str | None
    line: int | None
    text: str | None
    generation: int | None
    not_in_force: str | None
    rules: list[ConsideredRule]
    facts: list[FactUsed]
    messages: list[str]
    bans: list[BanEntry]
    never_banned: bool
    unbanned: RulesVerdict | None
    limits: list[str]


class ReloadAnswer(TypedDict):
    """What is in force after the files were read."""

    generation: int
    changed: bool
    count: int


class Status(TypedDict):
    """The whole state, for people."""


class Counters(TypedDict):
    """Numbers, for graphs."""


class Rules(TypedDict):
    """The rules in force."""


class ListBans(TypedDict):
    """A thousand bans, from `offset` on; with `address` only those that have it."""

    address: str | None
    offset: int | None


class Explain(TypedDict):
    """What a client of a daemon would be told now, and why. Names and users not given are looked
    up as for a real client. `server` is the address he comes to, where the gate has several.
    """

    daemon: str
    address: str
    name: str | None
    user: str | None
    server: str | None


class Reload(TypedDict):
    """Read the files now. For root and the admins' groups only."""


class ReloadFailed(TypedDict):
    """The files have errors; the rules in force are as before."""

    message: str


class InternalError(TypedDict):
    """A mistake of ours; the journal has more."""


class NoSuchDaemon(TypedDict):
    """This gate serves no daemon of that name."""

    daemon: str


DEFINITION = Interface(
    name=INTERFACE,
    about="What a gate does and decides. See docs/control.md.",
    methods=(
        Signature("Status", Status, StatusAnswer),
        Signature("Counters", Counters, CountersAnswer),
        Signature("Rules", Rules, RulesState),
        Signature("Bans", ListBans, BansAnswer),
        Signature("Explain", Explain, ExplainAnswer),
        Signature("Reload", Reload, ReloadAnswer),
    ),
    errors={
        "ReloadFailed": ReloadFailed,
        "NoSuchDaemon": NoSuchDaemon,
        "InternalError": InternalError,
    },
)


def ban_entry(ban: Ban) -> BanEntry:
    """A ban; without an end it has `until` null."""
    return {
        "net": str(ban.net),
        "daemon": ban.daemon,
        "made": ban.made,
        "until": None if ban.until == NEVER else ban.until,
        "origin": ban.origin,
        "reason": ban.reason,
    }
