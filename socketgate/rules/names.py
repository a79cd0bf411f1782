# SPDX-License-Identifier: MIT
"""Names in the rules that mean something outside: for a check against the machine's databases."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from socketgate.rules.diagnostic import Diagnostic, Severity
from socketgate.rules.host import AnyText, Forward, HostFile, HostPattern, Netgroup
from socketgate.rules.keyword import BecomeAccount, parse_option, split_options
from socketgate.rules.lines import LogicalLine, NumberedLines
from socketgate.rules.option import RunAsUser
from socketgate.rules.pattern import Equals
from socketgate.rules.rule import Rule, numbered_line
from socketgate.rules.source import Source, Sources, Text
from socketgate.rules.split import Word, split_fields, split_words
from socketgate.rules.syntax import Parsed
from socketgate.rules.table import RuleTable
from socketgate.rules.text import find_outside
from socketgate.rules.word import DaemonName, Reading, parse_daemon_word, parse_host_pattern


class NameKind(Enum):
    """What a name is the name of."""

    DAEMON = "daemon"
    HOST = "host"
    FORWARD = "forward name"
    NETGROUP = "netgroup"
    HOST_FILE = "host file"
    USER = "user"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class NameUse:
    """A name at its place: 1-based line and column in the file, and that line's text."""

    kind: NameKind
    name: bytes
    origin: str
    line: int
    column: int
    source_line: bytes

    def diagnostic(self, severity: Severity, code: str, message: str, hint: str) -> Diagnostic:
        """Something to say about the name, at its place."""
        return Diagnostic(
            severity=severity,
            code=code,
            origin=self.origin,
            line=self.line,
            column=self.column,
            message=message,
            hint=hint,
            source_line=self.source_line,
        )


def names_used(table: RuleTable, sources: Sources) -> Iterator[NameUse]:
    """Every name in hosts.allow and hosts.deny, in order, as often as it is there.

    Of lines that have only a daemon and an address, each daemon's first. `sources` are the table's.
    """
    for parsed, source, origin in (
        (table.allow, sources.allow, table.origins.allow),
        (table.deny, sources.deny, table.origins.deny),
    ):
        found = [
            *_names_in(parsed.rules, table.reading),
            *_daemons_of_lines(parsed, source, origin, table.reading),
        ]
        found.sort(key=lambda use: (use.line, use.column))
        yield from found


def accounts_named(table: RuleTable) -> list[NameUse]:
    """The users and groups that options name, in order. Cheap where there are none."""
    rules = [
        rule
        for rule in table.allow.rules + table.deny.rules
        if any(isinstance(step, BecomeAccount) for step in rule.steps)
    ]
    uses = _names_in(rules, table.reading)
    return [use for use in uses if use.kind in (NameKind.USER, NameKind.GROUP)]


def first_uses(uses: Iterable[NameUse]) -> list[NameUse]:
    """Each name once in each file, where it stands first: one finding for each is enough."""
    first: dict[tuple[str, NameKind, bytes], NameUse] = {}
    for use in uses:
        first.setdefault((use.origin, use.kind, use.name.lower()), use)
    return list(first.values())


def _names_in(rules: Iterable[Rule], reading: Reading) -> Iterator[NameUse]:
    for rule in rules:
        for kind, name, offset in _names_of(rule.line, reading):
            spot = rule.line.spot(offset)
            yield NameUse(kind, name, rule.place.origin, spot.line, spot.column, spot.source)


def _daemons_of_lines(
    parsed: Parsed, source: Source, origin: str, reading: Reading
) -> Iterator[NameUse]:
    """Daemons of rules that are only numbers: each is the first word of a line of its own."""
    if not isinstance(source, Text) or not parsed.address_rules:
        return
    numbered = NumberedLines(source.data)
    for word, lines in parsed.address_rules.items():
        daemon = parse_daemon_word(word, reading).daemon
        if isinstance(daemon, DaemonName) and isinstance(daemon.name, Equals):
            spot = numbered.spot(numbered_line(lines.first_number)[1])
            name = daemon.name.text
            yield NameUse(NameKind.DAEMON, name, origin, spot.line, spot.column, spot.source)


def _names_of(line: LogicalLine, reading: Reading) -> Iterator[tuple[NameKind, bytes, int]]:
    fields = split_fields(line.text, extensions=reading.extensions)
    if fields is None:
        return
    for word in split_words(line.text, 0, fields.daemons_end):
        daemon = parse_daemon_word(word.text, reading).daemon
        if word.is_except:
            continue
        if isinstance(daemon, DaemonName) and isinstance(daemon.name, Equals):
            yield NameKind.DAEMON, daemon.name.text, word.start
        yield from _host_name(word, reading, needs_at=True)
    for word in split_words(line.text, fields.daemons_end + 1, fields.clients_end):
        if not word.is_except:
            yield from _host_name(word, reading, needs_at=False)
    if fields.options_start is not None:
        yield from _account_names(line.text, fields.options_start)


def _host_name(
    word: Word, reading: Reading, *, needs_at: bool
) -> Iterator[tuple[NameKind, bytes, int]]:
    at = find_outside(word.text, b"@", 1)
    if at < 0 and needs_at:
        return
    named = _named(parse_host_pattern(word.text[at + 1 :], reading))
    if named is not None:
        yield *named, word.start + at + 1


def _named(pattern: HostPattern) -> tuple[NameKind, bytes] | None:
    match pattern:
        case AnyText(Equals(text), by_address=False):
            return NameKind.HOST, text
        case Forward(name):
            return NameKind.FORWARD, name
        case Netgroup(group):
            return NameKind.NETGROUP, group
        case HostFile(path):
            return NameKind.HOST_FILE, path
        case _:
            return None


def _account_names(line: bytes, start: int) -> Iterator[tuple[NameKind, bytes, int]]:
    for option in split_options(line[start:]):
        match parse_option(option):
            case BecomeAccount(action):
                if isinstance(action, RunAsUser):
                    yield NameKind.USER, action.user, start + option.start
                if action.group is not None:
                    yield NameKind.GROUP, action.group, start + option.start
            case _:
                pass
