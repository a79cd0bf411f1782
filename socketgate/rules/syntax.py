# SPDX-License-Identifier: MIT
"""From the text of hosts.allow or hosts.deny to rules. Never fails, whatever the bytes are.

    logical line ─▶ daemon list : client list [: options] ─▶ Rule

What libwrap skips is skipped, what it refuses on is kept as a step that refuses; lint.py says what
the admin should know about it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from socketgate.rules import lint
from socketgate.rules.addresslines import AddressRules, take_address_lines
from socketgate.rules.diagnostic import Diagnostic, Findings
from socketgate.rules.host import Forward, HostFile, HostPattern, Unopenable
from socketgate.rules.hostfile import build_library, paths_in
from socketgate.rules.keyword import parse_option, split_options
from socketgate.rules.lines import LineReader, LogicalLine
from socketgate.rules.request import RulePlace, TableName
from socketgate.rules.rule import (
    Broken,
    Rule,
    WordList,
    gather_clients,
    rule_number,
)
from socketgate.rules.source import Excerpt, Part, Source, Sources, Text, Unreadable
from socketgate.rules.split import Fields, Word, segments, split_fields, split_words
from socketgate.rules.word import ClientWord, Reading, parse_client_word, parse_daemon_word

#: Where a host file can be named: at the start of a word or behind an `@`. The slash comes first
#: here because it is rarer: a million addresses take 7 ms instead of 140.
_MAY_NAME_A_FILE = re.compile(rb"/(?<=[\s,:@]/)")
#: So many daemon lists of a file are kept to be used again.
_MAX_DAEMON_LISTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What a file says: rules one by one, address rules by the array, and what is wrong with it."""

    rules: tuple[Rule, ...] = ()
    address_rules: AddressRules = field(default_factory=dict)
    broken: Broken | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    dropped_count: int = 0
    #: All that is not in `address_rules`, for a table that has those compiled.
    excerpt: Excerpt = field(default_factory=lambda: Excerpt((), 0))
    #: Newlines read, as libwrap counts them, and in all.
    line_number: int = 0
    physical_lines: int = 0

    @property
    def rule_count(self) -> int:
        """How many rules there are."""
        return len(self.rules) + self.excerpt.address_rule_count

    @property
    def host_files(self) -> frozenset[bytes]:
        """The host files named in the rules."""
        return host_files_of(self.rules)


def parse(source: Source, origin: str, table: TableName, reading: Reading | None = None) -> Parsed:
    """Compile a rule file. Bad lines become diagnostics."""
    match source:
        case Text(data):
            parts = Excerpt((Part(data),), 0)
            return _Parser(parts, origin, table, reading or Reading()).parse()
        case Excerpt():
            return _Parser(source, origin, table, reading or Reading()).parse()
        case Unreadable(reason):
            findings = Findings(origin)
            lint.lint_unreadable(findings, reason)
            return Parsed(
                broken=Broken(rule_number(table, 0), (f"warning: cannot open {origin}: {reason}",)),
                diagnostics=tuple(findings.kept),
            )
        case _:
            return Parsed()


class _Parser:
    """One pass over one file."""

    def __init__(self, source: Excerpt, origin: str, table: TableName, reading: Reading) -> None:
        self._source = source
        self._reader = LineReader(b"")
        #: What is no address rule, and since where nothing was one.
        self._left: list[Part] = []
        self._begun = self._place()
        self._origin = origin
        self._table = table
        self._reading = reading
        self._findings = Findings(origin)
        self._rules: list[Rule] = []
        self._address_rules: AddressRules = {}
        self._daemon_lists: dict[bytes, WordList] = {}

    def parse(self) -> Parsed:
        broken = self._read_all()
        count = self._source.address_rule_count + sum(map(len, self._address_rules.values()))
        return Parsed(
            rules=tuple(self._rules),
            address_rules=self._address_rules,
            broken=broken,
            diagnostics=tuple(self._findings.kept),
            dropped_count=self._findings.dropped_count,
            excerpt=Excerpt(tuple(self._left), count),
            line_number=self._reader.number,
            physical_lines=self._reader.physical,
        )

    def _read_all(self) -> Broken | None:
        for part in self._source.parts:
            lint.lint_nul_bytes(self._findings, part.data, part.physical)
            self._reader = LineReader(part.data, part.number, part.physical)
            self._begun = self._place()
            broken = self._read_part()
            self._leave(self._reader.position)
            if broken is not None:
                return broken
        return None

    def _place(self) -> tuple[int, int, int]:
        return self._reader.position, self._reader.number, self._reader.physical

    def _leave(self, end: int) -> None:
        """Up to there nothing was an address rule; what is to come begins where reading is now."""
        position, number, physical = self._begun
        if end > position:
            self._left.append(Part(self._reader.data[position:end], number, physical))
        self._begun = self._place()

    def _read_part(self) -> Broken | None:
        while True:
            before = self._reader.position
            if take_address_lines(self._reader, self._table, self._address_rules):
                self._leave(before)
                continue
            line = self._reader.read()
            if line is None:
                return None
            lint.lint_line(self._findings, line)
            if not line.is_complete:
                return self._broken(line)
            if line.is_comment or line.is_blank:
                continue
            fields = split_fields(line.text, extensions=self._reading.extensions)
            if fields is None:
                lint.lint_no_fields(self._findings, line)
            else:
                self._rules.append(self._rule(line, fields))

    def _broken(self, line: LogicalLine) -> Broken:
        """Reading ends here; the number is behind the last line's, which no rule has."""
        context = f"warning: {self._origin}, line {line.number}: "
        texts = ("missing newline or line too long", "all the subsequent rules will be ignored")
        return Broken(
            rule_number(self._table, line.number + 1), tuple(context + text for text in texts)
        )

    def _rule(self, line: LogicalLine, fields: Fields) -> Rule:
        text = line.text
        daemons = split_words(text, 0, fields.daemons_end)
        clients = split_words(text, fields.daemons_end + 1, fields.clients_end)
        options = (
            () if fields.options_start is None else split_options(text[fields.options_start :])
        )
        steps = tuple(map(parse_option, options))
        stepped = tuple(zip(options, steps, strict=True))
        lint.lint_rule(
            self._findings, line, fields, lint.Parts(daemons, clients, stepped), self._reading
        )
        return Rule(
            number=rule_number(self._table, line.number),
            place=RulePlace(self._table, self._origin, line.number),
            daemons=self._daemons(text[: fields.daemons_end], daemons),
            clients=WordList(tuple(map(self._clients, segments(clients)))),
            steps=steps,
            line=line,
        )

    def _daemons(self, text: bytes, words: list[Word]) -> WordList:
        """The daemon list; most rules of a file have one of a few."""
        known = self._daemon_lists.get(text)
        if known is not None:
            return known
        daemons = WordList(
            tuple(
                tuple(parse_daemon_word(word.text, self._reading) for word in segment)
                for segment in segments(words)
            )
        )
        if len(self._daemon_lists) < _MAX_DAEMON_LISTS:
            self._daemon_lists[text] = daemons
        return daemons

    def _clients(self, segment: list[Word]) -> tuple[ClientWord, ...]:
        return gather_clients([parse_client_word(word.text, self._reading) for word in segment])


def patterns_of(rules: Iterable[Rule]) -> Iterator[HostPattern]:
    """Every host pattern of these rules, and those in the host files that they name."""
    lists = (part for rule in rules for part in (rule.daemons, rule.clients))
    words = (word for part in lists for segment in part.segments for word in segment)
    waiting = [word.host for word in words if word.host is not None]
    read: set[bytes] = set()
    while waiting:
        pattern = waiting.pop()
        yield pattern
        if isinstance(pattern, HostFile) and pattern.path not in read:
            read.add(pattern.path)
            contents = pattern.library.get(pattern.path, ())
            waiting += () if isinstance(contents, Unopenable) else contents


def host_files_of(rules: Iterable[Rule]) -> frozenset[bytes]:
    """The host files that these rules name, and those that these name."""
    return frozenset(one.path for one in patterns_of(rules) if isinstance(one, HostFile))


def forward_names_of(rules: Iterable[Rule]) -> frozenset[bytes]:
    """The names in `dns:NAME` patterns of these rules and of the host files they name."""
    return frozenset(one.name for one in patterns_of(rules) if isinstance(one, Forward))


def may_name_a_file(text: bytes) -> bool:
    """Whether rules like these can name a host file at all."""
    return _MAY_NAME_A_FILE.search(text) is not None


def host_files_named(sources: Sources) -> frozenset[bytes]:
    """All host files the rules name, and those that the host files among the sources name."""
    reading = Reading(sources.interfaces, extensions=sources.extensions)
    paths: set[bytes] = set()
    for source, table in ((sources.allow, TableName.ALLOW), (sources.deny, TableName.DENY)):
        if isinstance(source, Text) and may_name_a_file(source.data):
            paths |= parse(source, "", table, reading).host_files
    for contents in build_library(sources.host_files, reading).values():
        paths.update(paths_in(contents))
    return frozenset(paths)
