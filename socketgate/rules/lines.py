# SPDX-License-Identifier: MIT
"""From bytes to logical lines, as libwrap's xgets() reads them into its buffer of 2048 bytes.

A backslash before the newline joins, before anything else is recognised. A line that is too long,
or a last one without newline, is not complete: reading ends there. A NUL hides the rest of what
was read in one go, newline included.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from socketgate.rules.text import BLANKS

#: The longest logical line, final newline included.
MAX_LINE_BYTES = 2047


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a logical line that comes from one physical line, which `source` has.

    Of a part that begins far into a very long line `source` has what comes from there on.
    """

    offset: int
    line: int
    column: int
    source: bytes


@dataclass(frozen=True, slots=True)
class Spot:
    """A place for the admin: 1-based line and column in the file, and the line's text."""

    line: int
    column: int
    source: bytes


class Places:
    """Finds places in a file, asked for from its beginning on."""

    __slots__ = ("_counted", "_data", "_number", "_start")

    def __init__(self, data: bytes, physical: int = 0) -> None:
        self._data = data
        self._number = physical + 1
        #: Where that line begins, and up to where newlines are counted.
        self._start = 0
        self._counted = 0

    def spot(self, offset: int) -> Spot:
        """Where that byte stands; of a long line only the beginning is kept."""
        newlines = self._data.count(b"\n", self._counted, offset)
        if newlines:
            self._number += newlines
            self._start = self._data.rfind(b"\n", self._counted, offset) + 1
        self._counted = offset
        source = self._data[self._start : self._start + MAX_LINE_BYTES].split(b"\n", 1)[0]
        return Spot(self._number, offset - self._start + 1, source)


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """A joined line with its final newline. `number` is libwrap's: the newlines read so far."""

    text: bytes
    number: int
    pieces: tuple[Piece, ...]
    has_nul: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether it fits and ends in a newline."""
        return self.text.endswith(b"\n")

    @property
    def is_comment(self) -> bool:
        """`#` in the very first column."""
        return self.text[:1] == b"#"

    @property
    def is_blank(self) -> bool:
        """Nothing but blanks, tabs, CR and LF."""
        return not self.text.strip(BLANKS)

    def spot(self, offset: int) -> Spot:
        """Where a byte of the joined text stands in the file."""
        piece = next(piece for piece in reversed(self.pieces) if piece.offset <= offset)
        return Spot(piece.line, piece.column + offset - piece.offset + 1, piece.source)


class LineReader:
    """Reads logical lines one by one; a faster reader may move the position and the counters."""

    __slots__ = ("_searched", "_start", "data", "number", "physical", "position")

    def __init__(self, data: bytes, number: int = 0, physical: int = 0) -> None:
        self.data = data
        #: Where the physical line begins that is being read, and up to where newlines were sought.
        self._start = self._searched = 0
        #: Where the next logical line begins.
        self.position = 0
        #: Newlines counted by libwrap, and all newlines, before that place.
        self.number = number
        self.physical = physical

    def __iter__(self) -> Iterator[LogicalLine]:
        while (line := self.read()) is not None:
            yield line

    def read(self) -> LogicalLine | None:
        """The next logical line, or None at the end of the file."""
        joined = bytearray()
        pieces: list[Piece] = []
        has_nul = False
        while self.position < len(self.data) and len(joined) < MAX_LINE_BYTES:
            if pieces and pieces[-1].offset == len(joined):
                pieces.pop()
            pieces.append(self._piece_at(len(joined)))
            read = self._read_piece(MAX_LINE_BYTES - len(joined))
            kept = read.partition(b"\0")[0]
            has_nul = has_nul or len(kept) < len(read)
            joined += kept
            if kept.endswith(b"\n"):
                self.number += 1
                if not kept.endswith(b"\\\n"):
                    return LogicalLine(bytes(joined), self.number, tuple(pieces), has_nul)
                del joined[-2:]
        return LogicalLine(bytes(joined), self.number, tuple(pieces), has_nul) if joined else None

    def _read_piece(self, room: int) -> bytes:
        """As fgets(3) reads: to the newline, or as much as there is room for."""
        newline = self.data.find(b"\n", self.position, self.position + room)
        end = newline + 1 if newline >= 0 else min(self.position + room, len(self.data))
        read = self.data[self.position : end]
        self.position = end
        self.physical += newline >= 0
        return read

    def _piece_at(self, offset: int) -> Piece:
        """Where reading goes on; of a very long line only what is near is kept."""
        newline = self.data.rfind(b"\n", self._searched, self.position)
        if newline >= 0:
            self._start = newline + 1
        self._searched = self.position
        column = self.position - self._start
        start = self._start if column <= MAX_LINE_BYTES else self.position
        end = self.data.find(b"\n", self.position, self.position + MAX_LINE_BYTES)
        source = self.data[start : end if end >= 0 else self.position + MAX_LINE_BYTES]
        return Piece(offset, self.physical + 1, column, source)


class NumberedLines:
    """The lines of a file by libwrap's numbers, which count no newline behind a NUL."""

    __slots__ = ("_lines", "_shown")

    def __init__(self, data: bytes) -> None:
        self._lines = data.split(b"\n")
        #: By libwrap's number that of editors, if there are NULs.
        self._shown: dict[int, int] = {}
        if b"\0" in data:
            self._shown = {line.number: line.pieces[-1].line for line in LineReader(data)}

    def shown(self, number: int) -> int:
        """The same line's number in an editor."""
        return self._shown.get(number, number)

    def spot(self, number: int) -> Spot:
        """The beginning of that line."""
        line = self.shown(number)
        return Spot(line, 1, self._lines[line - 1])
