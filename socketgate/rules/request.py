# SPDX-License-Identifier: MIT
"""What is asked of the rules and what they answer.

Request ──decide()──▶ Verdict          the judgement, with the rule it came from
                 └──▶ Need(fact)       look this up, add it to the request, ask again
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from socketgate.rules.option import Action, Inherited

#: The texts that stand for a fact that could not be found out, or contradicts itself. They are
#: ordinary texts to every pattern, as in libwrap: `UNKNOWN` in a rule is this very word.
UNKNOWN = b"unknown"
PARANOID = b"paranoid"


class Fact(Enum):
    """Something about an endpoint that must be looked up. The answer is a text (bytes)."""

    CLIENT_NAME = "client name"
    CLIENT_USER = "client user"
    SERVER_NAME = "server name"


@dataclass(frozen=True, slots=True)
class InNetgroup:
    """Whether innetgr(3) finds the host in the group. The answer is a bool."""

    group: bytes
    host: bytes


@dataclass(frozen=True, slots=True)
class AccountExists:
    """Whether getpwnam(3) knows a user (or getgrnam(3) a group). The answer is a bool."""

    name: bytes
    is_group: bool


@dataclass(frozen=True, slots=True)
class CommandStatus:
    """What `aclexec` wants to know: the command's wait status as subprocess gives it.

    The answer is an int: 0 success, positive an exit status, negative minus the signal's number;
    None when it could not be run, was cut off or killed by the gate: that refuses the client.
    `occurrence` counts how often the same decision has asked about the same command before;
    `inherited` is what the options before it have set for the command.
    """

    command: bytes
    occurrence: int = 0
    inherited: tuple[Inherited, ...] = ()


@dataclass(frozen=True, slots=True)
class ForwardAddresses:
    """The addresses a `dns:NAME` pattern's name has now: a frozenset of address texts (bytes)."""

    name: bytes


Lookup = Fact | InNetgroup | AccountExists | CommandStatus | ForwardAddresses
Answer = bytes | bool | int | None | frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a connection: numeric address as getnameinfo(3) prints it, or UNKNOWN; port."""

    address: bytes = UNKNOWN
    port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the rules may look at. A value; `with_fact` makes the next one."""

    daemon: bytes
    client: Endpoint = Endpoint()
    server: Endpoint = Endpoint()
    pid: int = 0
    facts: Mapping[Lookup, Answer] = field(default_factory=dict)
    #: Those of the facts that were known before the rules were asked: `%h` and `%c` show them,
    #: whether a pattern has asked for them or not.
    seen: frozenset[Fact] = frozenset()
    #: Zones of the addresses that are certain to exist: the connection came by that interface,
    #: even if it came up after the rules were read.
    zones: frozenset[bytes] = frozenset()
    #: The user at the other end of an AF_UNIX connection, as the kernel says (SO_PEERCRED).
    uid: int | None = None

    def with_fact(self, fact: Lookup, answer: Answer) -> "Request":
        """The same request, one fact richer."""
        return replace(self, facts={**self.facts, fact: answer})


class Access(Enum):
    """The two answers."""

    ALLOW = "allow"
    DENY = "deny"


class TableName(Enum):
    """Which of the two files a rule stands in."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class RulePlace:
    """Where a rule stands: the table, the file's path, and its last physical line."""

    table: TableName
    origin: str
    line: int


@dataclass(frozen=True, slots=True)
class Need:
    """The rules can't say before this is known. For the user, how long the rule lets it take.

    `actions` is what options before that place ask for, as in a verdict: libwrap has done it by
    then, and an `aclexec` may count on it. `rule` is the one that matched and whose options are
    being carried out; None: no rule has matched yet.
    """

    fact: Lookup
    timeout_seconds: int | None = None
    actions: tuple[Action, ...] = ()
    rule: RulePlace | None = None
