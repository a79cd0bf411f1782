# SPDX-License-Identifier: MIT
"""Rules that are never reached, because rules above them match all their clients.

Looked at for each daemon word by itself, together with the rules for ALL daemons. What it finds is
certain; it doesn't find all: names, users and EXCEPT among daemons are not seen through.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from socketgate.rules.addresslines import AddressLines
from socketgate.rules.flat import quad_table, six_table, span_key, split_six
from socketgate.rules.pattern import Anything
from socketgate.rules.rule import NO_RULE, Rule, client_addresses
from socketgate.rules.spans import Spans
from socketgate.rules.syntax import Parsed
from socketgate.rules.word import DaemonName, DaemonWord, Reading, parse_daemon_word

_ALL = DaemonWord(DaemonName(Anything()))
#: A rule's daemon words; None stands for a list that is not seen through.
_Key = DaemonWord | None


@dataclass(slots=True)
class _Group:
    """The rules of one daemon word."""

    quads: list[int] = field(default_factory=list)
    sixes: list[int] = field(default_factory=list)
    #: First address of each rule, to say which rule has it instead.
    first_quads: dict[int, int] = field(default_factory=dict)
    first_sixes: dict[int, int] = field(default_factory=dict)
    #: Rules that may match any client, and the first that matches every one.
    others: list[int] = field(default_factory=list)
    every_client: int = NO_RULE

    def add_quad(self, first: int, last: int, number: int) -> None:
        self.quads.append(span_key(first, last, number, 32))
        self.first_quads.setdefault(number, first)

    def add_rule(self, number: int, addresses: Spans) -> None:
        if addresses.is_everything:
            self.every_client = min(self.every_client, number)
        for span in addresses.quads:
            self.add_quad(*span, number)
        for span in addresses.sixes:
            self.add_six(*span, number)

    def add_six(self, first: int, last: int, number: int) -> None:
        self.sixes.append(span_key(first, last, number, 128))
        self.first_sixes.setdefault(number, first)


class _TooMany(Exception):
    """The table has more spans than are to be looked at."""


def hidden_rules(files: tuple[Parsed, Parsed], max_spans: int | None) -> dict[int, int]:
    """The rules that are never reached, each with the rule that matches before it.

    Nothing is looked for in tables with more than `max_spans`.
    """
    allow, deny = files
    if any(rule.has_aclexec for rule in allow.rules):
        # When that fails, what follows it is not looked at: hosts.deny is asked by itself.
        return _hidden_among([allow], max_spans) | _hidden_among([deny], max_spans)
    return _hidden_among(files, max_spans)


def _hidden_among(files: Sequence[Parsed], max_spans: int | None) -> dict[int, int]:
    """The same where each file is asked when the ones before it say nothing of the client."""
    try:
        groups = _Groups(files, max_spans).by_key
    except _TooMany:
        return {}
    everywhere = groups.setdefault(_ALL, _Group())
    hidden: dict[int, int] = {}
    reached: set[int] = set()
    for key, group in groups.items():
        of_group, hidden_here = _judge(group, everywhere if key != _ALL else _Group())
        reached |= of_group
        for number, by_number in hidden_here:
            hidden.setdefault(number, by_number)
    return {number: hidden[number] for number in sorted(hidden.keys() - reached)}


def _judge(group: _Group, everywhere: _Group) -> tuple[set[int], list[tuple[int, int]]]:
    """The rules that are reached; the group's others, each with the rule that is before it."""
    quads = quad_table(group.quads + everywhere.quads)
    sixes = six_table(group.sixes + everywhere.sixes)
    reached = {*quads.owners, *sixes.owners}
    hidden = [
        (number, quads.find(first))
        for number, first in group.first_quads.items()
        if number not in reached
    ]
    hidden += [
        (number, sixes.find(*split_six(first)))
        for number, first in group.first_sixes.items()
        if number not in reached and number not in group.first_quads
    ]
    every_client = min(group.every_client, everywhere.every_client)
    for number in group.others:
        if number <= every_client:
            reached.add(number)
        else:
            hidden.append((number, every_client))
    return reached, hidden


class _Groups:
    """The rules sorted by daemon word; gives up at too many spans."""

    def __init__(self, files: Sequence[Parsed], max_spans: int | None) -> None:
        self.by_key: dict[_Key, _Group] = {}
        self._max_spans = max_spans
        self._span_count = 0
        for file in files:
            for word, lines in file.address_rules.items():
                self._count(len(lines))
                self._add_lines(parse_daemon_word(word, Reading()), lines)
            for rule in file.rules:
                self._add_rule(rule)

    def _count(self, spans: int) -> None:
        self._span_count += spans
        if self._max_spans is not None and self._span_count > self._max_spans:
            raise _TooMany

    def _add_lines(self, key: DaemonWord, lines: AddressLines) -> None:
        group = self.by_key.setdefault(key, _Group())
        group.quads += lines.quad_keys()
        group.sixes += lines.six_keys()
        group.first_quads.update(zip(lines.word_numbers, lines.words, strict=True))
        group.first_quads.update(zip(lines.net_numbers, lines.nets, strict=True))
        group.first_sixes.update((number, first) for first, _, number in lines.six_spans())

    def _add_rule(self, rule: Rule) -> None:
        addresses = None if rule.has_aclexec else client_addresses(rule.clients)
        for key in _keys(rule):
            group = self.by_key.setdefault(key, _Group())
            if addresses is None or key is None:
                self._count(1)
                group.others.append(rule.number)
            else:
                self._count(len(addresses.quads.firsts) + len(addresses.sixes.firsts))
                group.add_rule(rule.number, addresses)


def _keys(rule: Rule) -> set[_Key]:
    words = rule.daemons.segments[0]
    if len(rule.daemons.segments) > 1 or any(word.host is not None for word in words):
        return {None}
    return {word for word in words if isinstance(word, DaemonWord)}
