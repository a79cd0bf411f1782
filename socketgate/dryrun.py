# SPDX-License-Identifier: MIT
"""What the rules would say to a client: the gate's own judgement, of facts that somebody gives.

    request, given facts ──▶ judge ──▶ Verdict, and the facts that were asked for, in order

Nothing is executed: commands are taken to have the exit statuses that are given. What isn't given
is unknown, unless it is to be looked up; accounts and netgroups of this machine always are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

from socketgate.accounts import look_up_account
from socketgate.bans import without_brackets
from socketgate.judge import Judgement, judge, judge_by_known
from socketgate.lookup_values import Found
from socketgate.lookups import Lookups
from socketgate.netgroup import look_up_netgroup
from socketgate.rulefiles import read_source, with_host_files
from socketgate.rules.lines import NumberedLines
from socketgate.rules.request import (
    UNKNOWN,
    AccountExists,
    CommandStatus,
    Fact,
    ForwardAddresses,
    InNetgroup,
    Lookup,
    Need,
    Request,
    RulePlace,
    TableName,
)
from socketgate.rules.rule import Rule, rule_number
from socketgate.rules.source import Absent, Source, Sources, Text
from socketgate.rules.table import RuleTable
from socketgate.rules.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Given:
    """What is known beforehand. Netgroups that aren't given are the machine's."""

    facts: Mapping[Fact, bytes] = field(default_factory=dict)
    #: Exit statuses of commands in the order they are asked about; the last one goes on.
    statuses: tuple[int, ...] = (0,)
    netgroups: Mapping[bytes, frozenset[bytes]] | None = None

    def answer(self, fact: Lookup, request: Request) -> Found | None:
        """The answer if it is given; a command's always is."""
        match fact:
            case Fact():
                return Found(self.facts[fact]) if fact in self.facts else None
            case CommandStatus():
                before = sum(isinstance(other, CommandStatus) for other in request.facts)
                return Found(self.statuses[min(before, len(self.statuses) - 1)])
            case InNetgroup(group, host) if self.netgroups is not None:
                return Found(host.lower() in self.netgroups.get(group, frozenset()))
            case _:
                return None


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdict, and how it came about: the request's facts are those that were asked for."""

    verdict: Verdict
    request: Request
    notes: tuple[str, ...] = ()


class StillAsking(Exception):
    """A verdict was due and the rules asked on: a mistake of ours."""


def answer_given(table: RuleTable, request: Request, given: Given) -> Answer:
    """What the rules say; what isn't given is unknown."""

    def known(need: Need, request: Request) -> Found:
        return given.answer(need.fact, request) or _answer_of_machine(need.fact)

    return _answer(judge_by_known(table, request, known))


async def answer_looked_up(
    table: RuleTable, request: Request, given: Given, lookups: Lookups
) -> Answer:
    """What the rules say; what isn't given is looked up as the gate does.

    But for the user: there is no connection to ask about.
    """

    def known(need: Need, request: Request) -> Found | None:
        if need.fact is Fact.CLIENT_USER:
            return given.answer(need.fact, request) or Found(UNKNOWN)
        return given.answer(need.fact, request) or lookups.known(need, request)

    judgement = judge_by_known(table, request, known)
    _, judgement = await judge(table, judgement, known, lookups.find_out)
    return _answer(judgement)


def _answer(judgement: Judgement) -> Answer:
    if not isinstance(judgement.answer, Verdict):
        raise StillAsking(str(judgement.answer))
    return Answer(judgement.answer, judgement.request, judgement.notes)


def _answer_of_machine(fact: Lookup) -> Found:
    match fact:
        case InNetgroup(group, host):
            return look_up_netgroup(group, host)
        case AccountExists(name, is_group):
            return look_up_account(name, is_group=is_group)
        case ForwardAddresses():
            return Found(frozenset())
        case _:
            return Found(UNKNOWN)


def with_given_files(sources: Sources, files: Mapping[bytes, Source], folder: bytes) -> Sources:
    """The sources with all host files they name: those in the folder as given, others as read."""
    prefix = folder + b"/"

    def read(path: bytes) -> Source:
        if not path.startswith(prefix):
            return read_source(path)
        return files.get(path.removeprefix(prefix), Absent())

    return with_host_files(sources, read)


def rule_lines(table: RuleTable, sources: Sources, place: RulePlace) -> Iterator[bytes]:
    """The physical lines of the rule at a place."""
    rule = table.by_number.get(rule_number(place.table, place.line))
    if isinstance(rule, Rule):
        yield from (piece.source.rstrip(b"\r") for piece in rule.line.pieces)
        return
    source = sources.allow if place.table is TableName.ALLOW else sources.deny
    if isinstance(source, Text):  # a rule that is only a number is a line of its own
        yield NumberedLines(source.data).spot(place.line).source.rstrip(b"\r")


def canonical_address(text: str) -> str | None:
    """The address as getnameinfo(3) prints it, brackets left out; None for what is none.

    A zone is left as it is.
    """
    address, percent, zone = without_brackets(text).partition("%")
    family = AF_INET6 if ":" in address else AF_INET
    try:
        return inet_ntop(family, inet_pton(family, address)) + percent + zone
    except (OSError, ValueError):  # ValueError: a NUL
        return None
