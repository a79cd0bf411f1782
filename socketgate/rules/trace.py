# SPDX-License-Identifier: MIT
"""How a verdict came about: the rules that were looked at, in order, and why each did or didn't
match. For people; decide() knows nothing of it and is not slower for it.

The request is the one that was judged: with every fact that was looked up for it. Rules that are
only numbers are told by their lines where those are at hand and few, else many as one.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import groupby

from socketgate.rules.addresslines import AddressRules, take_address_lines
from socketgate.rules.host import Nothing
from socketgate.rules.lines import MAX_LINE_BYTES, LineReader
from socketgate.rules.request import Access, CommandStatus, Request, RulePlace, TableName
from socketgate.rules.rule import NO_RULE, Broken, Rule, numbered_line, rule_number
from socketgate.rules.source import Source, Sources, Text
from socketgate.rules.syntax import Parsed
from socketgate.rules.table import RuleTable
from socketgate.rules.text import shown
from socketgate.rules.verdict import Verdict
from socketgate.rules.why import why
from socketgate.rules.word import Reading

#: A longer story is told from its end; what comes before is summed up.
MAX_SHOWN = 100
#: So many address rules that follow each other are told one by one.
MAX_ADDRESS_RULES = 20
#: No line has this number.
_BEYOND = 1 << 31
#: Lines are counted in pieces of a file: nobody waits long for the interpreter.
PIECE_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Considered:
    """One rule, or `count` of them on lines from `first_line` on: whether they match, and why.

    `text` is empty where there are several, and for a rule whose text is not at hand.
    """

    place: RulePlace
    text: bytes
    is_match: bool
    why: str
    first_line: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class _AddressRules:
    """Address rules of a file that follow each other: first and last lines of all that are."""

    table: TableName
    spans: tuple[tuple[int, int], ...]


_Item = Rule | Broken | _AddressRules


@dataclass(frozen=True, slots=True)
class _Extent:
    """Where rules of a file stand, and how many they are."""

    table: TableName
    first: int
    last: int
    count: int

    def __add__(self, other: "_Extent") -> "_Extent":
        return _Extent(self.table, self.first, other.last, self.count + other.count)


def trace(
    table: RuleTable,
    sources: Sources,
    request: Request,
    verdict: Verdict,
    *,
    lacks_lists: bool = False,
) -> tuple[Considered, ...]:
    """Follow a decision. A rule may match and not count: then what comes next tells.

    The sources are those of the table, as far as they are at hand: of a compiled one host files
    may be lacking. May take long where there are very many rules.
    """
    last = deciding_number(table, verdict)
    teller = _Teller(table, sources, request, last, verdict.access, lacks_lists)
    items = _items(table, last)
    told = [*teller.sum_up(items[:-MAX_SHOWN])]
    for item in items[-MAX_SHOWN:]:
        told += teller.tell(item)
    told = _without_skipped(told)
    if last != NO_RULE and last not in table.by_number:
        told.append(teller.address_rule(last))
    return tuple(told)


def is_address_rule(text: bytes, number: int, request: Request) -> bool:
    """Whether a line of a file is the address rule of this number, and has the client."""
    is_same = _number_of(text, *numbered_line(number)) == number
    return is_same and why(text, request, Reading())[0]


def _number_of(text: bytes, table: TableName, line: int) -> int:
    """The number of the address rule that a line is; NO_RULE if it is none."""
    rules: AddressRules = {}
    take_address_lines(LineReader(text + b"\n", line - 1), table, rules)
    return min((lines.first_number for lines in rules.values()), default=NO_RULE)


def line_of(pieces: Iterable[bytes], number: int) -> bytes:
    """A line of a file that comes in pieces, by its number; empty behind the last one."""
    line, left = b"", number - 1
    for piece in pieces:
        count = piece.count(b"\n") if left else 0
        if count < left:
            left -= count
            continue
        start = 0
        for _ in range(left):
            start = piece.find(b"\n", start) + 1
        left = 0
        end = piece.find(b"\n", start)
        line += piece[start : end if end >= 0 else len(piece)]
        if end >= 0 or len(line) > MAX_LINE_BYTES:
            break
    return line.rstrip(b"\r")


def deciding_number(table: RuleTable, verdict: Verdict) -> int:
    """The number of the rule that decided; NO_RULE when none did."""
    place = verdict.place
    if place is not None:
        number = rule_number(place.table, place.line)
        is_turned = (verdict.access is Access.DENY) != (place.table is TableName.DENY)
        return number if number in table.by_number else number | is_turned
    if verdict.access is Access.DENY and table.deny.broken is not None:
        return table.deny.broken.number
    return NO_RULE


def _items(table: RuleTable, last: int) -> list[_Item]:
    """All there is up to the rule that decided, in order; that one only if it is a value."""
    items: list[tuple[int, _Item]] = [
        (number, rule) for number, rule in table.by_number.items() if number <= last
    ]
    for file, name in ((table.allow, TableName.ALLOW), (table.deny, TableName.DENY)):
        values = sorted(rule.place.line for rule in file.rules)
        until = _line_before(last, name)
        spans = ((first, min(end, until)) for first, end in _spans(file) if first <= until)
        for _, group in groupby(spans, key=lambda span: bisect_left(values, span[0])):
            run = _AddressRules(name, tuple(group))
            items.append((rule_number(name, run.spans[0][0]), run))
    return [item for _, item in sorted(items, key=lambda pair: pair[0])]


def _line_before(number: int, table: TableName) -> int:
    """The last line of that file which stands before a rule."""
    of_rule, line = numbered_line(number)
    if number == NO_RULE or (table is TableName.ALLOW and of_rule is TableName.DENY):
        return _BEYOND
    return line - 1 if table is of_rule else 0


def _spans(file: Parsed) -> Iterator[tuple[int, int]]:
    """Where a file's address rules stand: everywhere between the parts of its excerpt."""
    physical, left = 0, file.excerpt.address_rule_count
    for part in file.excerpt.parts:
        count = part.physical - physical
        if count:
            yield part.number - count + 1, part.number
        left -= count
        physical = part.physical + part.data.count(b"\n")
    if left:
        before = file.line_number - (file.physical_lines - physical)
        yield before + 1, before + left


def _without_skipped(told: Iterable[Considered]) -> list[Considered]:
    """Without what follows, in the same file, a rule that matches: its aclexec failed."""
    kept: list[Considered] = []
    for one in told:
        if not (kept and kept[-1].is_match and kept[-1].place.table is one.place.table):
            kept.append(one)
    return kept


@dataclass(frozen=True, slots=True)
class _Teller:
    """Puts rules into words; `last` is the number of the one that decided, and for what."""

    table: RuleTable
    sources: Sources
    request: Request
    last: int
    access: Access
    lacks_lists: bool

    def tell(self, item: _Item) -> Iterator[Considered]:
        """A rule, or what there is to say of address rules."""
        match item:
            case Rule():
                yield self._rule(item)
            case Broken(number=number):
                text = "from here on the file can't be read: everybody is refused"
                place = self.table.origins.place(number)
                yield Considered(place, b"", is_match=True, why=text, first_line=place.line)
            case _AddressRules():
                yield from self._address_rules(item)

    def sum_up(self, items: Sequence[_Item]) -> Iterator[Considered]:
        """What comes before the story, by file."""
        for _, extents in groupby(map(self._extent, items), key=lambda extent: extent.table):
            yield self._many(reduce(_Extent.__add__, extents), "none of them decides")

    def address_rule(self, number: int) -> Considered:
        """A rule that decided and is only a number."""
        place = self.table.origins.place(number)
        source = self._source(place.table)
        text = _line(source.data, place.line) if isinstance(source, Text) else b""
        text = text if is_address_rule(text, number, self.request) else b""
        reason = f"the address is {self._client}{self._turned(place)}"
        return Considered(place, text, is_match=True, why=reason, first_line=place.line)

    def _turned(self, place: RulePlace) -> str:
        """What options made of the rule that decided."""
        usual = Access.DENY if place.table is TableName.DENY else Access.ALLOW
        turned = {Access.DENY: "; its options refuse", Access.ALLOW: "; its options let in"}
        return "" if self.access is usual else turned[self.access]

    def _rule(self, rule: Rule) -> Considered:
        text = b" ".join(piece.source.strip() for piece in rule.line.pieces)
        library = self.table.reading.library
        if self.lacks_lists:  # what is empty may be left out
            library = {path: contents or (Nothing(),) for path, contents in library.items()}
        reading = replace(self.table.reading, library=library)
        decided = self._decided(rule, *why(rule.line.text, self.request, reading))
        return Considered(rule.place, text, *decided, rule.line.pieces[0].line)

    def _decided(self, rule: Rule, is_match: bool, reason: str) -> tuple[bool, str]:  # noqa: FBT001  # from `why`
        """The same by what was decided: of a compiled table large host files are not at hand."""
        if rule.number == self.last:
            reason = reason if is_match else f"the address is {self._client}"
            return True, reason + self._turned(rule.place)
        if not is_match:
            return False, reason
        if rule.steps and self._has_aclexec_failed:
            return True, f"{reason}; but an aclexec failed, so it does not count"
        return False, f"it doesn't list {self._client}"

    def _address_rules(self, rules: _AddressRules) -> Iterator[Considered]:
        source, extent = self._source(rules.table), self._extent(rules)
        if extent.count > MAX_ADDRESS_RULES or not isinstance(source, Text):
            daemon = shown(self.request.daemon)
            yield self._many(extent, f"no address rule for {daemon} that has {self._client}")
            return
        for line in (line for first, last in rules.spans for line in range(first, last + 1)):
            yield self._passed_over(_line(source.data, line), rules.table, line)

    def _passed_over(self, text: bytes, table: TableName, line: int) -> Considered:
        """An address rule that doesn't match. Where a file has NUL bytes, lines are other lines."""
        if _number_of(text, table, line) == NO_RULE:
            return self._many(_Extent(table, line, line, 1), "another address rule")
        place = self.table.origins.place(rule_number(table, line))
        return Considered(place, text, *why(text, self.request, self.table.reading), line)

    def _extent(self, item: _Item) -> _Extent:
        if isinstance(item, _AddressRules):
            count = sum(last - first + 1 for first, last in item.spans)
            return _Extent(item.table, item.spans[0][0], item.spans[-1][1], count)
        place = self.table.origins.place(item.number)
        return _Extent(place.table, place.line, place.line, 1)

    def _many(self, extent: _Extent, reason: str) -> Considered:
        place = self.table.origins.place(rule_number(extent.table, extent.last))
        return Considered(
            place, b"", is_match=False, why=reason, first_line=extent.first, count=extent.count
        )

    def _source(self, table: TableName) -> Source:
        return self.sources.allow if table is TableName.ALLOW else self.sources.deny

    @property
    def _has_aclexec_failed(self) -> bool:
        facts = self.request.facts.items()
        return any(isinstance(fact, CommandStatus) and status != 0 for fact, status in facts)

    @property
    def _client(self) -> str:
        return shown(self.request.client.address)


def _line(data: bytes, number: int) -> bytes:
    starts = range(0, len(data), PIECE_BYTES)
    return line_of((data[start : start + PIECE_BYTES] for start in starts), number)
