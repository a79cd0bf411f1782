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
from struct import unpack

from socketgate.rules.flat import span_key
from socketgate.rules.lines import LineReader
from socketgate.rules.request import TableName
from socketgate.rules.rule import NO_RULE, rule_number
from socketgate.rules.spans import LAST_QUAD

_OCTET = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#: Also used to pass over plain addresses in host files.
QUAD = rb"(?:" + _OCTET + rb"\.){3}" + _OCTET
_DAEMON = rb"(?!(?i:except)[ \t:])[A-Za-z0-9_.*?+-]{1,100}"
_GAP = rb"[ \t]{0,50}"
_ADDRESS = (
    rb"(?:" + QUAD + rb"(?:/(?:[1-9]|[12][0-9]|3[012]))?"
    rb"|\[[0-9A-Fa-f:]{2,39}\](?:/(?:[0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))?)"
)  # fmt: skip
#: Lines that differ only in the address. No more than so many at once: lines that look right and
#: are not are left to the line reader, and what follows them is looked at again.
_MAX_RUN = 128
_RUN = re.compile(
    rb"((" + _DAEMON + rb")" + _GAP + rb":" + _GAP + rb")" + _ADDRESS
    + rb"(" + _GAP + rb"(?::" + _GAP + rb"((?i:allow|deny))" + _GAP + rb")?\r?\n)"
    + rb"(?:\1" + _ADDRESS + rb"\3){0,%d}" % (_MAX_RUN - 1)
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

    @property
    def first_number(self) -> int:
        """The lowest of the rules' numbers."""
        numbers = (self.word_numbers, self.net_numbers, self.six_numbers)
        return min((one[0] for one in numbers if one), default=NO_RULE)

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

    def quad_keys(self) -> list[int]:
        """The IPv4 spans, each as `span_key` has it."""
        words = zip(self.words, self.word_numbers, strict=True)
        nets = zip(self.nets, self.net_lasts, self.net_numbers, strict=True)
        # A million of them may be words: their key is made here.
        keys = [(quad << 32 | number) << 32 | quad for quad, number in words]
        return keys + [span_key(*net, 32) for net in nets]

    def six_keys(self) -> list[int]:
        """The IPv6 spans likewise."""
        return [span_key(*span, 128) for span in self.six_spans()]

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

    def add_quads(self, quads: list[str], first_number: int) -> None:
        """Take plain addresses of lines that follow each other."""
        packed = array("I", b"".join(map(inet_aton, quads)))
        if sys.byteorder == "little":  # pragma: no branch  # a machine has one order
            packed.byteswap()
        self.words += packed
        self.word_numbers += array("I", range(first_number, first_number + 2 * len(quads), 2))

    def add(self, text: str, number: int) -> bool:
        """Take one address or net. Says no to a net that can't match and to bad IPv6."""
        address, _, length = text.partition("/")
        if address[0] == "[":
            return self._add_six(address[1:-1], int(length or 128), number)
        return self._add_quad(int.from_bytes(inet_aton(address)), int(length or 0), number)

    def _add_quad(self, quad: int, length: int, number: int) -> bool:
        if not length:
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

    def _add_six(self, address: str, length: int, number: int) -> bool:
        try:
            high, low = unpack("!QQ", inet_pton(AF_INET6, address))
        except OSError:
            return False
        self.sixes.append(high)
        self.sixes.append(low)
        self.six_lengths.append(length)
        self.six_numbers.append(number)
        return True


#: By daemon word, in lower case. None is without rules.
AddressRules = dict[bytes, AddressLines]


def take_address_lines(reader: LineReader, table: TableName, rules: AddressRules) -> bool:
    """Take lines at the reader's place, if they are of the simple kind. Says whether any were."""
    run = _RUN.match(reader.data, reader.position)
    if run is None:
        return False
    block, beginning, daemon, ending, option = run[0], run[1], run[2], run[3], run[4]
    items = block[len(beginning) : -len(ending)].decode().split((ending + beginning).decode())
    lines = rules.get(daemon.lower(), AddressLines())
    is_turned = option is not None and option.lower() != table.value.encode()
    first = rule_number(table, reader.number + 1, is_turned=is_turned)
    if b"/" not in block and b"[" not in block:
        lines.add_quads(items, first)
        taken = len(items)
    else:
        taken = _take_one_by_one(items, lines, first)
    if not taken:
        return False
    rules[daemon.lower()] = lines
    around = len(beginning) + len(ending)
    reader.position += sum(map(len, items[:taken])) + taken * around
    reader.number += taken
    reader.physical += taken
    return True


def _take_one_by_one(items: list[str], lines: AddressLines, first_number: int) -> int:
    for index, item in enumerate(items):
        if not lines.add(item, first_number + 2 * index):
            return index
    return len(items)
