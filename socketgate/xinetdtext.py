# SPDX-License-Identifier: MIT
"""The text of xinetd's configuration, xinetd.conf(5): sections and their lines, inclusions applied.

What can't be read is a fault of its section, or of the file where it is in none; what follows is
read all the same.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Inclusions within inclusions; a file that includes itself ends here.
MAX_DEPTH = 8
MAX_FILE_BYTES = 1024 * 1024

_ATTRIBUTE = re.compile(r"(\w+)\s*(=|\+=|-=)\s*(.*)")
_SECTION = re.compile(r"service\s+(\S+)|defaults")
_INCLUSION = re.compile(r"(include|includedir)\s+(\S.*)")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class _Line:
    place: Place
    text: str

    @property
    def is_top(self) -> bool:
        """Whether it can only stand between sections."""
        return bool(_SECTION.fullmatch(self.text) or _INCLUSION.fullmatch(self.text))


@dataclass(frozen=True, slots=True)
class Change:
    """A line of a section: an attribute, and what it says of it."""

    place: Place
    name: str
    operator: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A section's lines; `service` is None for `defaults`."""

    place: Place
    service: str | None
    changes: list[Change] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sections:
    """All sections, in order, and what is wrong with the files outside of them."""

    sections: tuple[Section, ...]
    faults: tuple[str, ...]


def load_sections(paths: Sequence[Path]) -> Sections:
    """The sections of these files and of what they include."""
    loader = _Loader()
    for path in paths:
        loader.load(path)
    return Sections(tuple(loader.sections), tuple(loader.faults))


class _Loader:
    """Reads files into sections; what can't be read is noted, and what follows it is read."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.faults: list[str] = []

    def load(self, path: Path, origin: Place | None = None, depth: int = 0) -> None:
        """A file's sections and those of its inclusions, in order."""
        if depth > MAX_DEPTH:
            self.faults.append(f"{origin}: includes itself")
            return
        lines = self._lines(path, origin)
        while lines:
            line = lines.pop()
            if match := _INCLUSION.fullmatch(line.text):
                for included in self._included(match[1], Path(match[2]), line.place):
                    self.load(included, line.place, depth + 1)
            elif match := _SECTION.fullmatch(line.text):
                section = Section(line.place, match[1])
                _read_block(section, lines)
                self.sections.append(section)
            else:
                self._skip(line, lines)

    def _skip(self, line: _Line, lines: list[_Line]) -> None:
        """What is no section: with its block, if it has one."""
        if match := re.fullmatch(r"(service\s+(\S+)|defaults)\s*\{", line.text):
            section = Section(line.place, match[2])
            section.faults.append(f"{line.place}: the '{{' must be on a line of its own")
            self.sections.append(section)
        else:
            self.faults.append(
                f"{line.place}: {line.text!r}: expected 'service NAME', 'defaults', 'include' or"
                " 'includedir'"
            )
        _skip_block(lines)

    def _included(self, kind: str, path: Path, place: Place) -> list[Path]:
        """xinetd.conf(5): names with a dot or a tilde at the end aren't taken from a folder."""
        if kind == "include":
            return [path]
        try:
            names = sorted(entry.name for entry in path.iterdir() if entry.is_file())
        except OSError as error:
            self.faults.append(f"{place}: {path}: {error.strerror}")
            return []
        return [path / name for name in names if "." not in name and not name.endswith("~")]

    def _lines(self, path: Path, origin: Place | None) -> list[_Line]:
        """The lines that say something, the last one first."""
        before = f"{origin}: " if origin else ""
        try:
            with path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            self.faults.append(f"{before}{path}: {error.strerror}")
            return []
        if len(data) > MAX_FILE_BYTES:
            self.faults.append(f"{before}{path}: longer than {MAX_FILE_BYTES} bytes")
            return []
        return list(_said(data.decode("utf-8", "replace"), path))[::-1]


def _said(text: str, path: Path) -> Iterator[_Line]:
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if line and not line.startswith("#"):
            yield _Line(Place(str(path), number), line)


def _skip_block(lines: list[_Line]) -> None:
    while lines and not lines[-1].is_top:
        lines.pop()


def _read_block(section: Section, lines: list[_Line]) -> None:
    """The attributes between the braces after a section's first line."""
    if not lines or lines[-1].text != "{":
        place = lines[-1].place if lines else section.place
        section.faults.append(f"{place}: expected '{{' on a line of its own")
        _skip_block(lines)
        return
    lines.pop()
    while lines and not lines[-1].is_top:
        line = lines.pop()
        if line.text == "}":
            return
        if match := _ATTRIBUTE.fullmatch(line.text):
            name, operator, value = match.groups()
            section.changes.append(Change(line.place, name, operator, tuple(value.split())))
        else:
            section.faults.append(f"{line.place}: {line.text!r}: expected ATTRIBUTE = VALUE")
    section.faults.append(f"{section.place}: the '}}' that ends this is missing")
