# SPDX-License-Identifier: MIT
"""Many overlapping address rules as disjoint spans, each with the first rule that has it.

    spans with rule numbers ──flatten()──▶ firsts, lasts, owners ──▶ QuadTable, SixTable: one bisect

The tables are plain arrays, so that they can as well come from a mapped file.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import islice, zip_longest

from socketgate.rules.rule import NO_RULE

Numbers = Sequence[int]

#: A table that has at least so many spans gets an index of 65,536 parts.
_INDEX_FROM = 2048
_INDEX_BITS = 16
#: The parts of an IPv6 index divide what lies between the lowest and the highest of so many.
_OUTLIERS = 64
_LOW_HALF = (1 << 64) - 1


class _Output:
    """Disjoint spans in order; neighbours with the same owner become one."""

    __slots__ = ("firsts", "lasts", "owners")

    def __init__(self) -> None:
        self.firsts: list[int] = []
        self.lasts: list[int] = []
        self.owners: list[int] = []

    def add(self, first: int, last: int, owner: int) -> None:
        if self.owners and self.owners[-1] == owner and self.lasts[-1] == first - 1:
            self.lasts[-1] = last
            return
        self.firsts.append(first)
        self.lasts.append(last)
        self.owners.append(owner)

    def begin_at_zero(self) -> None:
        """Let the first span begin at 0, so that a search always ends at one."""
        if not self.firsts or self.firsts[0]:
            self.firsts.insert(0, 0)
            self.lasts.insert(0, 0)
            self.owners.insert(0, NO_RULE)


def span_key(first: int, last: int, number: int, bits: int) -> int:
    """A span as one integer: sorts by first address, then by rule."""
    return (first << 32 | number) << bits | last


def flatten(keys: list[int], bits: int) -> _Output:
    """The spans of these keys, disjoint; of rules that overlap the lowest number wins.

    One pass over the sorted spans, with a heap of those that are open.
    """
    keys.sort()
    output = _Output()
    opened: list[tuple[int, int]] = []
    at = 0
    mask = (1 << bits) - 1
    for key, following in zip_longest(keys, islice(keys, 1, None), fillvalue=-1):
        first, number, last = key >> bits + 32, key >> bits & NO_RULE, key & mask
        if opened:
            _emit(output, opened, at, first - 1)
        at = first
        if not opened and (following < 0 or following >> bits + 32 > last):
            output.add(first, last, number)
        else:
            heappush(opened, (number, last))
    _emit(output, opened, at, mask)
    return output


def _emit(output: _Output, opened: list[tuple[int, int]], at: int, until: int) -> None:
    """Write out the addresses from `at` to `until`; spans that end there are closed."""
    while opened and at <= until:
        number, last = opened[0]
        if last > until:
            output.add(at, until, number)
            return
        heappop(opened)
        if last >= at:
            output.add(at, last, number)
            at = last + 1


class QuadTable:
    """IPv4: firsts, lasts and owners are arrays of the same length; the first one begins at 0."""

    __slots__ = ("_shift", "firsts", "index", "lasts", "owners")

    def __init__(self, firsts: Numbers, lasts: Numbers, owners: Numbers, index: Numbers) -> None:
        self.firsts = firsts
        self.lasts = lasts
        self.owners = owners
        #: Where the spans of each value of the address's leading bits begin, and the end.
        self.index = index
        self._shift = 33 - (len(index) - 1).bit_length()

    def find(self, quad: int) -> int:
        """The rule that has the address, or NO_RULE."""
        part = quad >> self._shift
        at = bisect_right(self.firsts, quad, self.index[part], self.index[part + 1]) - 1
        return self.owners[at] if quad <= self.lasts[at] else NO_RULE


class SixTable:
    """IPv6, in halves; the first span begins at 0."""

    __slots__ = (
        "_base", "_last_part", "_shift", "highs", "index", "last_highs", "last_lows", "lows",
        "owners",
    )  # fmt: skip

    def __init__(
        self,
        highs: Numbers,
        lows: Numbers,
        last_highs: Numbers,
        last_lows: Numbers,
        owners: Numbers,
        index: Numbers,
    ) -> None:
        self.highs = highs
        self.lows = lows
        self.last_highs = last_highs
        self.last_lows = last_lows
        self.owners = owners
        #: Where the spans of each part of the addresses begin, and the end.
        self.index = index
        self._last_part = len(index) - 2
        self._base, self._shift = _scale(highs, self._last_part.bit_length())

    def find(self, high: int, low: int) -> int:
        """The rule that has the address, or NO_RULE."""
        highs = self.highs
        part = high - self._base >> self._shift
        if part < 0:
            part = 0
        elif part > self._last_part:
            part = self._last_part
        end = bisect_right(highs, high, self.index[part], self.index[part + 1])
        at = end - 1
        if highs[at] != high:
            pass
        elif at and highs[at - 1] == high:
            start = bisect_left(highs, high, self.index[part], end)
            at = bisect_right(self.lows, low, start, end) - 1
        elif low < self.lows[at]:
            at -= 1
        last_high = self.last_highs[at]
        if high < last_high or (high == last_high and low <= self.last_lows[at]):
            return self.owners[at]
        return NO_RULE


def _scale(highs: Numbers, bits: int) -> tuple[int, int]:
    """Where the parts of an index begin, and how many bits each of them has.

    Most addresses share their first bits, so the parts divide only what most of them lie between;
    what is below and above belongs to the first part and to the last.
    """
    outliers = len(highs) // _OUTLIERS
    base, top = highs[outliers], highs[len(highs) - 1 - outliers]
    return base, max((top - base).bit_length() - bits, 0)


def quad_table(keys: list[int]) -> QuadTable:
    """The table of these spans (`span_key` with 32 bits)."""
    flat = flatten(keys, 32)
    flat.begin_at_zero()
    firsts = array("I", flat.firsts)
    bits = _INDEX_BITS if len(firsts) >= _INDEX_FROM else 0
    starts = (bisect_left(firsts, part << (32 - bits)) for part in range(1 << bits))
    index = array("I", [*starts, len(firsts)])
    return QuadTable(firsts, array("I", flat.lasts), array("I", flat.owners), index)


def six_table(keys: list[int]) -> SixTable:
    """The table of these spans (`span_key` with 128 bits)."""
    flat = flatten(keys, 128)
    flat.begin_at_zero()
    highs, lows = _halves(flat.firsts)
    bits = _INDEX_BITS if len(highs) >= _INDEX_FROM else 0
    base, shift = _scale(highs, bits)
    starts = (bisect_left(highs, base + (part << shift)) for part in range(1, 1 << bits))
    index = array("I", [0, *starts, len(highs)])
    return SixTable(highs, lows, *_halves(flat.lasts), array("I", flat.owners), index)


def split_six(value: int) -> tuple[int, int]:
    """The two halves of an address."""
    return value >> 64, value & _LOW_HALF


def _halves(values: list[int]) -> "tuple[array[int], array[int]]":
    return (
        array("Q", [value >> 64 for value in values]),
        array("Q", [value & _LOW_HALF for value in values]),
    )
