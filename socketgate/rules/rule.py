# SPDX-License-Identifier: MIT
"""A rule as a value: two lists of words and the steps its options become."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from socketgate.rules.facts import Facts
from socketgate.rules.gather import addresses_of_any, gather
from socketgate.rules.host import HostPattern
from socketgate.rules.keyword import Command, CommandKind, Step
from socketgate.rules.lines import LogicalLine
from socketgate.rules.request import RulePlace, TableName
from socketgate.rules.spans import NO_ADDRESS, Spans
from socketgate.rules.word import ClientWord, DaemonWord

#: Rules are numbered in the order they are tried: hosts.allow's by line, then hosts.deny's. The
#: lowest bit says that a rule of one address ends in the option that turns its file's verdict.
DENY_BASE = 1 << 31
NO_RULE = 0xFFFFFFFF
_MAX_LINE = (1 << 30) - 2


def rule_number(table: TableName, line: int, *, is_turned: bool = False) -> int:
    """The number of the rule whose last line this is."""
    base = DENY_BASE if table is TableName.DENY else 0
    return base | min(line, _MAX_LINE) << 1 | is_turned


def numbered_line(number: int) -> tuple[TableName, int]:
    """The table and the line of a number."""
    table = TableName.DENY if number >= DENY_BASE else TableName.ALLOW
    return table, (number & ~DENY_BASE) >> 1


@dataclass(frozen=True, slots=True)
class Origins:
    """The two files' names, for the places in verdicts."""

    allow: str
    deny: str

    def place(self, number: int) -> RulePlace:
        """Where the rule of a number stands."""
        table, line = numbered_line(number)
        return RulePlace(table, self.allow if table is TableName.ALLOW else self.deny, line)


@dataclass(frozen=True, slots=True)
class WordList:
    """Words in segments between EXCEPTs: `a EXCEPT b EXCEPT c` is a, except (b except c)."""

    segments: tuple[tuple[DaemonWord | ClientWord, ...], ...]

    def matches(self, facts: Facts) -> bool:
        """Whether the list matches the daemon or the client."""
        return self.holds(lambda word: word.matches(facts))

    def holds(self, matches: Callable[[DaemonWord | ClientWord], bool]) -> bool:
        """Segments are tried as long as they match: an odd number of them is a match."""
        count = 0
        for segment in self.segments:
            if not any(map(matches, segment)):
                break
            count += 1
        return count % 2 == 1


@dataclass(frozen=True, slots=True)
class Rule:
    """One logical line."""

    number: int
    place: RulePlace
    daemons: WordList
    clients: WordList
    steps: tuple[Step, ...]
    line: LogicalLine = field(compare=False, repr=False)

    def matches(self, facts: Facts) -> bool:
        """Both lists match; the clients are looked at only if the daemons match."""
        facts.place = self.place
        return self.daemons.matches(facts) and self.clients.matches(facts)

    @property
    def has_aclexec(self) -> bool:
        """Whether the rule may count as not matching after all."""
        return any(
            isinstance(step, Command) and step.kind is CommandKind.ACLEXEC for step in self.steps
        )


@dataclass(frozen=True, slots=True)
class Broken:
    """A place in hosts.deny from which on everybody is refused: the rest can't be read.

    Libwrap notices when it gets there, so what stands before it still counts.
    """

    number: int
    messages: tuple[str, ...]


def gather_clients(words: Sequence[ClientWord]) -> tuple[ClientWord, ...]:
    """The same words, those that go by address alone joined."""
    gathered: list[ClientWord] = []
    hosts: list[HostPattern] = []
    for word in words:
        if word.user is None:
            hosts.append(word.host)
            continue
        gathered += [*map(ClientWord, gather(hosts)), word]
        hosts = []
    return tuple(gathered) + tuple(map(ClientWord, gather(hosts)))


def client_addresses(clients: WordList) -> Spans | None:
    """The addresses a client list matches, if it goes by address alone."""
    sets: list[Spans] = []
    for segment in clients.segments:
        hosts = [
            word.host for word in segment if isinstance(word, ClientWord) and word.user is None
        ]
        addresses = addresses_of_any(hosts) if len(hosts) == len(segment) else None
        if addresses is None:
            return None
        sets.append(addresses)
    matched = NO_ADDRESS
    for addresses in reversed(sets):
        matched = addresses.without(matched)
    return matched
