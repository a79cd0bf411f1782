# SPDX-License-Identifier: MIT
"""Rules of one daemon and one address, as block lists have them by the million, without objects.

    ALL: 192.0.2.7          sshd: 198.51.100.0/24          ALL: [2001:db8::1] : deny

Lines that are quite like this are read in runs; their numbers and addresses go into arrays. All
others are left to the line reader. What is taken here means just what syntax.py would make of it.
"""

import re
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from socket import AF_INET6, inet_aton, inet_pton

from socketgate.rules.lines import LineReader
from socketgate.rules.request import TableName
from socketgate.rules.rule import NO_RULE, rule_number
from socketgate.rules.spans import LAST_QUAD

_OCTET = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_QUAD = rb"(?:" + _OCTET + rb"\.){3}" + _OCTET
_DAEMON = rb"(?!(?i:except)[ \t:])[A-Za-z0-9_.*?+-]{1,100}"
_GAP = rb"[ \t]{0,50}"
#: The same beginning, then an address, line after line.
_RUN = re.compile(
    rb"((" + _DAEMON + rb")" + _GAP + rb":" + _GAP + rb")" + _QUAD + rb"\n"
    rb"(?:\1" + _QUAD + rb"\n){0,50000}"
)  # fmt: skip
_LINE = re.compile(
    rb"(" + _DAEMON + rb")" + _GAP + rb":" + _GAP
    + rb"(?:(" + _QUAD + rb")(?:/([1-9]|[12][0-9]|3[012]))?"
    + rb"|\[([0-9A-Fa-f:]{2,39})\](?:/(0|[1-9][0-9]?|1[01][0-9]|12[0-8]))?)" + _GAP
    + rb"(?::" + _GAP + rb"(?i:(allow)|(deny))" + _GAP + rb")?\r?\n"
)  # fmt: skip


@dataclass(slots=True)
class AddressLines:
    """The rules of one daemon word: arrays that belong together, in the order of the lines."""

    words: "array[int]" = field(default_factory=lambda: array("I"))
    word_numbers: "array[int]" = field(default_factory=lambda: array("I"))
    nets: "array[int]" = field(default_factory=lambda: array("I"))
    net_lasts: "array[int]" = field(default_factory=lambda: array("I"))
    net_numbers: "array[int]" = field(default_factory=lambda: array("I"))
    #: IPv6 in halves: high, low.
    sixes: "array[int]" = field(default_factory=lambda: array("Q"))
    six_lengths: "array[int]" = field(default_factory=lambda: array("B"))
    six_numbers: "array[int]" = field(default_factory=lambda: array("I"))

    def __len__(self) -> int:
        return len(self.words) + len(self.nets) + len(self.six_lengths)

    def net_of(self, quad: int, first_number: int) -> int:
        """The first rule from that number on whose net has the address: for odd spellings."""
        nets = zip(self.nets, self.net_lasts, self.net_numbers, strict=True)
        return min(
            (
                number
                for first, last, number in nets
                if first <= quad <= last and number >= first_number
            ),
            default=NO_RULE,
        )

    def six_spans(self) -> Iterator[tuple[int, int, int]]:
        """First address, last address, rule number."""
        halves = iter(self.sixes)
        pairs = zip(halves, halves, strict=True)
        for (high, low), length, number in zip(
            pairs, self.six_lengths, self.six_numbers, strict=True
        ):
            size = (1 << (128 - length)) - 1
            net = (high << 64 | low) & ~size
            yield net, net | size, number

    def add_quad(self, quad: int, length: int | None, number: int) -> bool:
        """Take `quad` or `quad/length`; says no to a net with bits outside the mask."""
        if length is None:
            self.words.append(quad)
            self.word_numbers.append(number)
            return True
        size = (1 << (32 - length)) - 1
        if quad & size or quad == LAST_QUAD:
            return False
        self.nets.append(quad)
        self.net_lasts.append(min(quad | size, LAST_QUAD - 1))
        self.net_numbers.append(number)
        return True

    def add_six(self, packed: bytes, length: int, number: int) -> None:
        """Take `[packed]/length`."""
        self.sixes.extend((int.from_bytes(packed[:8]), int.from_bytes(packed[8:])))
        self.six_lengths.append(length)
        self.six_numbers.append(number)


#: By daemon word, in lower case.
AddressRules = dict[bytes, AddressLines]


def take_address_lines(reader: LineReader, table: TableName, rules: AddressRules) -> bool:
    """Take lines at the reader's place, if they are of the simple kind. Says whether any were."""
    if run := _RUN.match(reader.data, reader.position):
        _take_run(run, reader, table, rules)
        return True
    line = _LINE.match(reader.data, reader.position)
    if line is None or not _take_line(line, reader, table, rules):
        return False
    _advance(reader, line.end(), 1)
    return True


def _take_run(
    run: re.Match[bytes], reader: LineReader, table: TableName, rules: AddressRules
) -> None:
    beginning = run[1].decode()
    quads = run[0].decode()[len(beginning) : -1].split("\n" + beginning)
    lines = rules.setdefault(run[2].lower(), AddressLines())
    packed = array("I", b"".join(map(inet_aton, quads)))
    if sys.byteorder == "little":
        packed.byteswap()
    first = rule_number(table, reader.number + 1)
    lines.words += packed
    lines.word_numbers += array("I", range(first, first + 2 * len(quads), 2))
    _advance(reader, run.end(), len(quads))


def _take_line(
    line: re.Match[bytes], reader: LineReader, table: TableName, rules: AddressRules
) -> bool:
    daemon, quad, length, six, six_length, allow, deny = line.groups()
    is_turned = bool(deny if table is TableName.ALLOW else allow)
    number = rule_number(table, reader.number + 1, is_turned=is_turned)
    lines = rules.setdefault(daemon.lower(), AddressLines())
    if quad is not None:
        value = int.from_bytes(inet_aton(quad.decode()))
        return lines.add_quad(value, None if length is None else int(length), number)
    try:
        packed = inet_pton(AF_INET6, six.decode())
    except OSError:
        return False
    lines.add_six(packed, 128 if six_length is None else int(six_length), number)
    return True


def _advance(reader: LineReader, position: int, count: int) -> None:
    reader.position = position
    reader.number += count
    reader.physical += count
