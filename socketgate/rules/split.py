# SPDX-License-Identifier: MIT
"""Cutting a logical line into its fields and the fields into words, with places kept."""

import re
from dataclasses import dataclass

from socketgate.rules.text import find_outside

_WORD = re.compile(rb"[^, \t\r\n]+")
_SEPARATORS = b", \t\r\n"
#: A `dns:NAME` whose colon does not end the client list; docs/language.md says why just this.
_FORWARD = re.compile(rb"dns:(?:[a-z0-9_-]+\.)+[a-z0-9_-]*(?=[,: \t\r\n]|\Z)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Word:
    """A word and where it stands in the logical line."""

    start: int
    text: bytes

    @property
    def is_except(self) -> bool:
        """EXCEPT is the one operator."""
        return self.text.lower() == b"except"


@dataclass(frozen=True, slots=True)
class Fields:
    """A rule's three parts: where the two lists end, where options begin if there are any."""

    daemons_end: int
    clients_end: int
    options_start: int | None


def split_fields(line: bytes, *, extensions: bool) -> Fields | None:
    """Cut at the first two colons outside brackets; None without a first one."""
    daemons_end = find_outside(line, b":")
    if daemons_end < 0:
        return None
    start = daemons_end + 1
    rest = line[start:]
    colon = find_outside(rest, b":")
    while extensions and colon >= 0 and _is_forward(rest, colon):
        colon = find_outside(rest, b":", colon + 1)
    if colon < 0:
        return Fields(daemons_end, len(line), None)
    return Fields(daemons_end, start + colon, start + colon + 1)


def _is_forward(clients: bytes, colon: int) -> bool:
    start = colon - len(b"dns")
    begins_word = start == 0 or (start > 0 and clients[start - 1] in _SEPARATORS)
    return begins_word and _FORWARD.match(clients, start) is not None


def split_words(line: bytes, start: int, end: int) -> list[Word]:
    """The words of a list."""
    return [Word(found.start(), found[0]) for found in _WORD.finditer(line, start, end)]


def segments(words: list[Word]) -> list[list[Word]]:
    """The words between the EXCEPTs."""
    parts: list[list[Word]] = [[]]
    for word in words:
        if word.is_except:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts
