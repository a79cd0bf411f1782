# SPDX-License-Identifier: MIT
"""Lists of host patterns made fast: what goes by address alone becomes one sorted set.

Such a pattern never asks for a name, so their order among themselves doesn't matter, and a list of
a million addresses costs one bisect. `addresses_of` says for a pattern which addresses it matches,
as long as they are written as getnameinfo(3) writes them.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from socketgate.rules.address import canonical_quad
from socketgate.rules.host import (
    MAX_DEPTH,
    AnyText,
    HostFile,
    HostPattern,
    Nothing,
    OneOf,
    QuadNet,
    SixNet,
    Unopenable,
)
from socketgate.rules.pattern import Anything, Equals, SameSix, StartsWith
from socketgate.rules.spans import (
    EVERY_ADDRESS,
    LAST_QUAD,
    Span,
    SpanList,
    Spans,
    compact,
    merged,
    union,
)

_NET_PREFIX = re.compile(rb"(?:(?:0|[1-9][0-9]{0,2})\.){1,3}")


@dataclass(slots=True)
class _Run:
    """Words that go by address alone, so far."""

    patterns: list[HostPattern] = field(default_factory=list)
    quads: list[int] = field(default_factory=list)
    words: list[Span] = field(default_factory=list)
    nets: list[Span] = field(default_factory=list)
    sixes: list[Span] = field(default_factory=list)
    odd_words: set[bytes] = field(default_factory=set)
    prefixes: list[bytes] = field(default_factory=list)

    def take(self, pattern: HostPattern) -> bool:
        """Add a pattern, if it can be part of a run."""
        match pattern:
            case QuadNet(net, mask) if (span := _net_span(net, mask)) is not None:
                self.nets.append(span)
            case SixNet(net, length):
                self.sixes.append(_six_span(net, length))
            case AnyText(SameSix(value)):
                self.sixes += [] if value is None else [(value, value)]
            case AnyText(Equals(text), by_address=True):
                quad = canonical_quad(text)
                if quad is None:
                    self.odd_words.add(text)
                else:
                    self.words.append((quad, quad))
            case AnyText(StartsWith(prefix), by_address=True) if span := _prefix_span(prefix):
                self.words.append(span)
                self.prefixes.append(prefix)
            case Nothing():
                pass
            case _:
                return False
        self.patterns.append(pattern)
        return True

    def finish(self) -> list[HostPattern]:
        """The run as at most one pattern."""
        if not self.quads and len(self.patterns) <= 1:
            return self.patterns
        return [
            OneOf(
                words=compact(self._word_spans()),
                nets=compact(merged(self.nets)),
                sixes=merged(self.sixes),
                odd_words=frozenset(self.odd_words),
                prefixes=tuple(self.prefixes),
            )
        ]

    def _word_spans(self) -> SpanList:
        quads = sorted(set(self.quads))
        if not self.words:
            return SpanList(quads, quads)
        return merged([*self.words, *zip(quads, quads, strict=True)])


def gather(patterns: Iterable[HostPattern]) -> tuple[HostPattern, ...]:
    """The same list of patterns, runs of address patterns joined."""
    gathered: list[HostPattern] = []
    run = _Run()
    for pattern in patterns:
        if not run.take(pattern):
            gathered += [*run.finish(), pattern]
            run = _Run()
    return tuple(gathered + run.finish())


def gather_words(
    words: Iterable[bytes], parse: Callable[[bytes], HostPattern]
) -> tuple[HostPattern, ...]:
    """The same from words, made for a million plain addresses."""
    gathered: list[HostPattern] = []
    run = _Run()
    for word in words:
        quad = canonical_quad(word)
        if quad is not None:
            run.quads.append(quad)
        elif not run.take(pattern := parse(word)):
            gathered += [*run.finish(), pattern]
            run = _Run()
    return tuple(gathered + run.finish())


def addresses_of(pattern: HostPattern, opened: tuple[bytes, ...] = ()) -> Spans | None:
    """The addresses a pattern matches, if it goes by address alone; else None."""
    match pattern:
        case AnyText(Anything()):
            return EVERY_ADDRESS
        case OneOf(words, nets, sixes):
            return Spans(compact(merged([*words, *nets])) if nets.firsts else words, sixes)
        case HostFile(path, library):
            contents = library.get(path, ())
            if isinstance(contents, Unopenable) or path in opened or len(opened) >= MAX_DEPTH:
                return None
            return addresses_of_any(contents, (*opened, path))
        case _:
            run = _Run()
            if not run.take(pattern):
                return None
            return Spans(merged(run.words + run.nets), merged(run.sixes))


def addresses_of_any(
    patterns: Iterable[HostPattern], opened: tuple[bytes, ...] = ()
) -> Spans | None:
    """The addresses that any of the patterns matches, if all go by address alone."""
    sets = []
    for pattern in patterns:
        addresses = addresses_of(pattern, opened)
        if addresses is None:
            return None
        sets.append(addresses)
    return union(sets)


def _net_span(net: int, mask: int) -> Span | None:
    """A contiguous net's addresses, but 255.255.255.255, which no net matches."""
    size = LAST_QUAD ^ mask
    if size & (size + 1):
        return None
    return net, min(net | size, LAST_QUAD - 1)


def _six_span(net: int, length: int) -> Span:
    size = (1 << (128 - length)) - 1
    return net & ~size, net | size


def _prefix_span(prefix: bytes) -> Span | None:
    """The addresses that begin with `192.0.2.`."""
    parts = [int(part) for part in prefix.split(b".")[:-1]] if _NET_PREFIX.fullmatch(prefix) else []
    if not parts or max(parts) > 255:
        return None
    first = int.from_bytes(bytes(parts + [0] * (4 - len(parts))))
    return first, first | (1 << 8 * (4 - len(parts))) - 1
