# SPDX-License-Identifier: MIT
"""Patterns for one text: the daemon's name, a user's name, one of a host's two texts.

What a word means is seen from its form, in the order of `_FORMS` (hosts_access(5); docs/language.md
has the corners). Case never counts. A pattern is a value; `matches` asks a Subject.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from socketgate.rules.address import Subject, six
from socketgate.rules.request import UNKNOWN


@dataclass(frozen=True, slots=True)
class Anything:
    """ALL."""

    def matches(self, subject: Subject) -> bool:
        """Always."""
        return True


@dataclass(frozen=True, slots=True)
class NotUnknown:
    """KNOWN, for a single text."""

    def matches(self, subject: Subject) -> bool:
        """Any text but `unknown`."""
        return subject.plain != UNKNOWN


@dataclass(frozen=True, slots=True)
class EndsWith:
    """`.example.org`: the text goes on before it."""

    suffix: bytes

    def matches(self, subject: Subject) -> bool:
        """Longer than the suffix and ending in it."""
        plain = subject.plain
        return len(plain) > len(self.suffix) and plain.endswith(self.suffix)


@dataclass(frozen=True, slots=True)
class StartsWith:
    """`192.0.2.`: the text begins so."""

    prefix: bytes

    def matches(self, subject: Subject) -> bool:
        """Beginning with the prefix, or just the prefix."""
        return subject.plain.startswith(self.prefix)


@dataclass(frozen=True, slots=True)
class Equals:
    """Any other word: the very text."""

    text: bytes

    def matches(self, subject: Subject) -> bool:
        """The same text."""
        return subject.plain == self.text


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`*` any run, `?` one byte. With one of these in a word, nothing else in it is special.

    The pieces between the stars, each without one. Each star takes the shortest run that lets the
    next piece match and never goes back: enough for a match, and a hostile name costs no more.
    """

    pieces: tuple[re.Pattern[bytes], ...]
    last_length: int

    def matches(self, subject: Subject) -> bool:
        """In time proportional to both lengths at worst, whatever the stars."""
        text = subject.plain
        first, *others = self.pieces
        if not others:
            return first.fullmatch(text) is not None
        found = first.match(text)
        for piece in others[:-1]:
            found = piece.search(text, found.end()) if found else None
        start = len(text) - self.last_length
        return (
            found is not None and found.end() <= start and others[-1].match(text, start) is not None
        )


@dataclass(frozen=True, slots=True)
class SameSix:
    """`[2001:db8::1]`: the same IPv6 address in any spelling; None is no address."""

    value: int | None

    def matches(self, subject: Subject) -> bool:
        """The same 128 bits."""
        return self.value is not None and subject.six == self.value


TextPattern = Anything | NotUnknown | EndsWith | StartsWith | Equals | Wildcard | SameSix

_Form = tuple[Callable[[bytes], bool], Callable[[bytes, frozenset[bytes]], TextPattern]]


def wildcard(word: bytes) -> Wildcard:
    """Compile `*` and `?`. Two stars at the end want at least one byte, as in libwrap."""
    starred = re.sub(rb"\*\*+\Z", rb"?*", word.lower())
    pieces = re.split(rb"\*+", starred)
    compiled = (re.compile(re.escape(piece).replace(rb"\?", b"."), re.DOTALL) for piece in pieces)
    return Wildcard(tuple(compiled), len(pieces[-1]))


def is_bracketed(word: bytes) -> bool:
    """`[...]`."""
    return word[:1] == b"[" and word[-1:] == b"]"


#: The order counts: the first form that fits says what the word is.
_FORMS: tuple[_Form, ...] = (
    (lambda word: b"*" in word or b"?" in word, lambda word, _: wildcard(word)),
    (lambda word: word[:1] == b".", lambda word, _: EndsWith(word.lower())),
    (lambda word: word.lower() == b"all", lambda _word, _: Anything()),
    (lambda word: word.lower() == b"known", lambda _word, _: NotUnknown()),
    (lambda word: word[-1:] == b".", lambda word, _: StartsWith(word.lower())),
    (is_bracketed, lambda word, interfaces: SameSix(six(word[1:-1], interfaces))),
)


def parse_text_pattern(word: bytes, interfaces: frozenset[bytes] = frozenset()) -> TextPattern:
    """What a word means for a single text."""
    for fits, make in _FORMS:
        if fits(word):
            return make(word, interfaces)
    return Equals(word.lower())
