# SPDX-License-Identifier: MIT
"""Many overlapping address rules as disjoint spans, each with the first rule that has it.

    spans with rule numbers ──flatten()──▶ firsts, lasts, owners ──▶ QuadTable, SixTable: one bisect

The tables are plain arrays, so that they can as well come from a mapped file.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from socketgate.rules.rule import NO_RULE

#: An IPv4 table that has at least so many spans gets an index by the first 16 bits.
_INDEX_FROM = 2048
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
    for key in keys:
        first, number, last = key >> bits + 32, key >> bits & NO_RULE, key & mask
        if opened:
            _emit(output, opened, at, first - 1)
        at = first
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


@dataclass(frozen=True, slots=True)
class QuadTable:
    """IPv4: firsts, lasts and owners are arrays of the same length."""

    firsts: Sequence[int]
    lasts: Sequence[int]
    owners: Sequence[int]
    #: Where the spans of each first 16 bits begin, or empty.
    index: Sequence[int]

    def find(self, quad: int) -> int:
        """The rule that has the address, or NO_RULE."""
        if self.index:
            high = quad >> 16
            at = bisect_right(self.firsts, quad, self.index[high], self.index[high + 1]) - 1
        else:
            at = bisect_right(self.firsts, quad) - 1
        return self.owners[at] if at >= 0 and quad <= self.lasts[at] else NO_RULE


@dataclass(frozen=True, slots=True)
class SixTable:
    """IPv6, in halves."""

    highs: Sequence[int]
    lows: Sequence[int]
    last_highs: Sequence[int]
    last_lows: Sequence[int]
    owners: Sequence[int]

    def find(self, six: int) -> int:
        """The rule that has the address, or NO_RULE."""
        high, low = six >> 64, six & _LOW_HALF
        end = bisect_right(self.highs, high)
        at = bisect_right(self.lows, low, bisect_left(self.highs, high, 0, end), end) - 1
        if at < 0 or (high, low) > (self.last_highs[at], self.last_lows[at]):
            return NO_RULE
        return self.owners[at]


def quad_table(keys: list[int]) -> QuadTable:
    """The table of these spans (`span_key` with 32 bits)."""
    flat = flatten(keys, 32)
    firsts = array("I", flat.firsts)
    index = array("I")
    if len(firsts) >= _INDEX_FROM:
        index.extend(bisect_left(firsts, high << 16) for high in range(1 << 16))
        index.append(len(firsts))
    return QuadTable(firsts, array("I", flat.lasts), array("I", flat.owners), index)


def six_table(keys: list[int]) -> SixTable:
    """The table of these spans (`span_key` with 128 bits)."""
    flat = flatten(keys, 128)
    return SixTable(*(_halves(flat.firsts)), *(_halves(flat.lasts)), array("I", flat.owners))


def _halves(values: Iterable[int]) -> "tuple[array[int], array[int]]":
    values = list(values)
    return (
        array("Q", [value >> 64 for value in values]),
        array("Q", [value & _LOW_HALF for value in values]),
    )
