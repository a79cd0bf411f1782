# SPDX-License-Identifier: MIT
"""How all verbs print: plain text in a pipe; colour and a pager on a terminal, as systemd's tools.

NO_COLOR                  no colour (https://no-color.org)
SYSTEMD_COLORS            a boolean: colour or not, wherever the output goes (systemctl(1))
SYSTEMD_PAGER, PAGER      the pager; empty or `cat` for none
SYSTEMD_LESS              the options of less (systemctl(1))
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TextIO

from socketgate.cli.streams import put

#: systemd's own: quit if it fits on the screen, keep colours, don't clear the screen.
LESS_OPTIONS = "FRSXMK"
_FALSE = frozenset({"0", "no", "n", "false", "f", "off"})
_NO_PAGER = frozenset({"", "cat"})


class Tone(Enum):
    """What a piece of text is, and with it how it looks (ECMA-48, SGR)."""

    GOOD = "0;1;32"
    BAD = "0;1;31"
    WARNING = "0;1;33"
    STRONG = "0;1;39"
    FAINT = "0;90"
    HEADING = "0;4"


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours text, or leaves it alone."""

    is_on: bool

    def __call__(self, tone: Tone, text: str) -> str:
        """The text in this tone."""
        return f"\033[{tone.value}m{text}\033[0m" if self.is_on and text else text


def paint_for(stream: TextIO, environ: Mapping[str, str] | None = None) -> Paint:
    """Colour on a terminal, unless the environment says otherwise."""
    environ = os.environ if environ is None else environ
    wish = environ.get("SYSTEMD_COLORS", "").lower()
    if wish:
        return Paint(wish not in _FALSE)
    is_plain = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
    return Paint(stream.isatty() and not is_plain)


def printable(text: bytes | str) -> str:
    """Foreign text made fit for a terminal: what isn't printable is escaped; tabs stay."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    return "".join(map(_shown, text))


def _shown(letter: str) -> str:
    if letter.isprintable() or letter == "\t":
        return letter
    if "\udc80" <= letter <= "\udcff":
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return ascii(letter)[1:-1]


def width(text: str) -> int:
    """How many columns a printable text takes (Unicode Standard Annex 11)."""
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], paint: Paint) -> str:
    """A table as systemctl prints one: aligned columns, headings underlined on a terminal."""
    lines = [tuple(headings), *map(tuple, rows)]
    widths = [max(map(width, column)) for column in zip(*lines, strict=True)]
    first, *rest = (_line(line, widths) for line in lines)
    first = paint(Tone.HEADING, first)  # then its last blanks are underlined, too, and stay
    return "".join(line.rstrip() + "\n" for line in [first, *rest])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return " ".join(
        cell + " " * (wide - width(cell)) for cell, wide in zip(cells, widths, strict=True)
    )


def fields(pairs: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Names and values as `systemctl status` prints them; names that have no value are left out."""
    shown = [(name, lines) for name, lines in pairs if lines]
    indent = max((len(name) for name, _ in shown), default=0)
    text = []
    for name, lines in shown:
        text.append(f"{name:>{indent}}: {lines[0]}")
        text += [" " * (indent + 2) + line for line in lines[1:]]
    return "".join(line.rstrip() + "\n" for line in text)


def json_text(value: object) -> str:
    """A value as the verbs' --json prints it; bytes that are no UTF-8 are lone surrogates."""
    return json.dumps(value, indent=2) + "\n"


def add_pager(parser: argparse.ArgumentParser) -> None:
    """The option of verbs that print by `show`."""
    parser.add_argument("--no-pager", action="store_true", help="print without a pager")


def show(text: str, *, by_pager: bool = True) -> None:
    """Print it, on a terminal by the pager. A reader that has seen enough is no error."""
    pager = pager_words(os.environ) if by_pager and sys.stdout.isatty() else []
    if pager and _page(text, pager):
        return
    write(text)


def write(text: str) -> None:
    """Print it at once, by `streams.put`.

    What the locale has no letter for is escaped, as Python does on standard error.
    """
    encoding = sys.stdout.encoding
    put(text.encode(encoding, "backslashreplace").decode(encoding))


def pager_words(environ: Mapping[str, str]) -> list[str]:
    """The pager's command line; empty for none."""
    wish = environ.get("SYSTEMD_PAGER", environ.get("PAGER", "less")).strip()
    try:
        return [] if wish in _NO_PAGER else shlex.split(wish)
    except ValueError:  # a quotation mark too many: print rather than fail
        return []


def _page(text: str, words: Sequence[str]) -> bool:
    """Show the text by this program. Says no if it can't be started."""
    less = os.environ.get("SYSTEMD_LESS", LESS_OPTIONS)
    sys.stdout.flush()
    try:
        # The admin's own pager, from the admin's own environment.
        subprocess.run(  # noqa: S603  # the pager the user named
            words,
            input=text.encode("utf-8", "replace"),
            check=False,
            env=os.environ | {"LESS": less},
        )
    except OSError:
        return False
    return True
