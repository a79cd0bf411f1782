# SPDX-License-Identifier: MIT
"""Sets of addresses as sorted, disjoint spans (first, last), both ends included."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

Span = tuple[int, int]

LAST_QUAD = 0xFFFFFFFF
LAST_SIX = (1 << 128) - 1


@dataclass(frozen=True, slots=True)
class SpanList:
    """Spans of one family, in order."""

    firsts: Sequence[int] = ()
    lasts: Sequence[int] = ()

    def __iter__(self) -> Iterator[Span]:
        return zip(self.firsts, self.lasts, strict=True)

    def __contains__(self, value: int) -> bool:
        index = bisect_right(self.firsts, value) - 1
        return index >= 0 and value <= self.lasts[index]


def merged(spans: Iterable[Span]) -> SpanList:
    """The same addresses, sorted, overlaps and neighbours joined."""
    firsts: list[int] = []
    lasts: list[int] = []
    end = -2
    for first, last in sorted(spans):
        if first > end + 1:
            firsts.append(first)
            lasts.append(last)
            end = last
        elif last > end:
            lasts[-1] = end = last
    return SpanList(firsts, lasts)


def without(spans: SpanList, taken: SpanList) -> SpanList:
    """The addresses of the first set that are not in the second; one pass over both."""
    kept = list(_without(spans, taken))
    return SpanList([first for first, _ in kept], [last for _, last in kept])


def _without(spans: SpanList, taken: SpanList) -> Iterator[Span]:
    index = 0
    for span_first, last in spans:
        first = span_first
        while index < len(taken.firsts) and taken.lasts[index] < first:
            index += 1
        while index < len(taken.firsts) and taken.firsts[index] <= last:
            if first < taken.firsts[index]:
                yield first, taken.firsts[index] - 1
            first = taken.lasts[index] + 1
            if first > last:
                break
            index += 1
        if first <= last:
            yield first, last


@dataclass(frozen=True, slots=True)
class Spans:
    """IPv4 addresses and IPv6 addresses."""

    quads: SpanList = SpanList()
    sixes: SpanList = SpanList()

    @property
    def is_everything(self) -> bool:
        """Whether no address is missing."""
        return len(self.quads.firsts) == len(self.sixes.firsts) == 1 and (
            *self.quads,
            *self.sixes,
        ) == ((0, LAST_QUAD), (0, LAST_SIX))

    def without(self, other: "Spans") -> "Spans":
        """The addresses that are not in the other set."""
        return Spans(compact(without(self.quads, other.quads)), without(self.sixes, other.sixes))


NO_ADDRESS = Spans()
EVERY_ADDRESS = Spans(SpanList((0,), (LAST_QUAD,)), SpanList((0,), (LAST_SIX,)))


def compact(quads: SpanList) -> SpanList:
    """IPv4 spans in arrays: eight bytes each."""
    return SpanList(array("I", quads.firsts), array("I", quads.lasts))


def union(sets: Sequence[Spans]) -> Spans:
    """The addresses of all the sets."""
    if len(sets) == 1:
        return sets[0]
    quads = merged(span for spans in sets for span in spans.quads)
    return Spans(compact(quads), merged(span for spans in sets for span in spans.sixes))
