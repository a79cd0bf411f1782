# SPDX-License-Identifier: MIT
"""Reads xinetd's configuration, xinetd.conf(5): the services, with defaults and inclusions applied.

    defaults            service telnet              include FILE
    {                   {                           includedir FOLDER
        only_from = A       port = 23
    }                       only_from += B C
                        }

Every attribute keeps its file and line, for whoever says what became of it (`xinetdplan`). It is
read as xinetd 2.3.15 reads it: what that passes over is passed over, a service that it doesn't
start has a fault, and nothing that is wrong keeps the rest from being read.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Inclusions within inclusions; a file that includes itself ends here.
MAX_DEPTH = 8
MAX_FILE_BYTES = 1024 * 1024

# fmt: off
#: Attributes whose values are a set: `+=` and `-=` change what defaults say.
SETS = frozenset("""
    only_from no_access access_times env flags log_on_success log_on_failure passenv
    disabled enabled
""".split())  # noqa: SIM905
#: What a service has from `defaults` if it doesn't say otherwise; nothing else is taken there.
INHERITED = frozenset("""
    banner banner_fail banner_success bind cps groups instances interface log_on_failure
    log_on_success log_type max_load no_access only_from passenv per_source umask v6only
""".split())  # noqa: SIM905
#: Sets to which, in `defaults`, `=` adds as `+=` does.
CUMULATIVE = frozenset("""
    only_from no_access log_on_success log_on_failure passenv disabled enabled
""".split())  # noqa: SIM905
#: Attributes of exactly one word; one with more is passed over.
SINGLE = frozenset("""
    disable id socket_type protocol wait user group port server bind interface instances
    per_source nice libwrap umask groups v6only mdns redirect_port
    rlimit_as rlimit_cpu rlimit_data rlimit_files rlimit_rss rlimit_stack
""".split())  # noqa: SIM905
# fmt: on
#: An attribute and its other name: only the first of them counts.
SYNONYMS = {"interface": "bind"}
BOOLEANS = frozenset({"disable", "wait", "groups", "v6only", "mdns"})
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
class Attribute:
    """An attribute as it holds: where it was said last, and its words."""

    place: Place
    name: str
    words: tuple[str, ...]

    @property
    def text(self) -> str:
        """As one would write it."""
        return f"{self.name} = {' '.join(self.words)}".rstrip()


@dataclass(frozen=True, slots=True)
class Service:
    """One service, with what it has from the defaults.

    `faults` are why xinetd would not start it, `remarks` what it passes over.
    """

    place: Place
    name: str
    attributes: dict[str, Attribute] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def words(self, name: str) -> tuple[str, ...]:
        """The words of an attribute; none if it isn't there."""
        attribute = self.attributes.get(name)
        return attribute.words if attribute else ()

    def word(self, name: str) -> str:
        """The first word of an attribute, or nothing."""
        return next(iter(self.words(name)), "")

    def says(self, name: str) -> bool:
        """Whether a boolean attribute is yes."""
        return self.word(name).lower() == "yes"

    @property
    def id(self) -> str:
        """What tells services of the same name apart."""
        return self.word("id") or self.name


@dataclass(frozen=True, slots=True)
class Configuration:
    """All there is. `faults` are those of the files themselves, `remarks` those of defaults."""

    services: tuple[Service, ...]
    faults: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    place: Place
    text: str

    @property
    def is_top(self) -> bool:
        """Whether it can only stand between sections."""
        return bool(_SECTION.fullmatch(self.text) or _INCLUSION.fullmatch(self.text))


@dataclass(frozen=True, slots=True)
class _Change:
    place: Place
    name: str
    operator: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Section:
    place: Place
    service: str | None  # None: defaults
    changes: list[_Change] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def load_configuration(paths: Sequence[Path]) -> Configuration:
    """These files and what they include."""
    loader = _Loader()
    for path in paths:
        loader.load(path)
    defaults = _Attributes()
    faults = loader.faults
    for section in loader.sections:
        if section.service is None:
            defaults.change_defaults(section.changes)
            faults += section.faults
    faults += defaults.faults
    services = tuple(
        _service(section, defaults.found)
        for section in loader.sections
        if section.service is not None
    )
    return Configuration(services, tuple(faults), tuple(defaults.remarks))


def _service(section: _Section, defaults: dict[str, Attribute]) -> Service:
    attributes = _Attributes({name: one for name, one in defaults.items() if name in INHERITED})
    attributes.change(section.changes)
    service = Service(
        section.place,
        section.service or "",
        attributes.found,
        (*section.faults, *attributes.faults),
        tuple(attributes.remarks),
    )
    for name in ("disabled", "enabled"):  # by id, xinetd.conf(5)
        listed = defaults.get(name)
        if listed is not None and (service.id in listed.words) == (name == "disabled"):
            service.attributes["disable"] = Attribute(listed.place, "disable", ("yes",))
    return service


class _Attributes:
    """The attributes of a section, as its lines say one after the other."""

    def __init__(self, inherited: dict[str, Attribute] | None = None) -> None:
        self.found = dict(inherited or {})
        self.faults: list[str] = []
        self.remarks: list[str] = []
        self._said: set[str] = set()

    def change_defaults(self, changes: Sequence[_Change]) -> None:
        """Take the lines of `defaults`."""
        for one in changes:
            if one.name not in INHERITED | CUMULATIVE:
                self._pass_over(one, "xinetd takes none from defaults")
            elif one.name in CUMULATIVE and one.operator == "=":
                self._take(_Change(one.place, one.name, "+=", one.words))
            else:
                self._take(one)

    def change(self, changes: Sequence[_Change]) -> None:
        """Take the lines of a service."""
        for one in changes:
            self._take(one)

    def _take(self, one: _Change) -> None:
        name = SYNONYMS.get(one.name, one.name)
        if one.name == "env" and one.operator == "-=":
            self.faults.append(f"{one.place}: env takes no '-='")
        elif one.name not in SETS and one.operator != "=":
            self._pass_over(one, "it takes '=' only")
        elif one.name not in SETS and name in self._said:
            self._pass_over(one, "it is set already, and the first one counts")
        elif one.name in SINGLE and len(one.words) != 1:
            self._pass_over(one, "it takes one word")
        elif one.name in BOOLEANS and one.words[0].lower() not in ("yes", "no"):
            self.faults.append(f"{one.place}: {one.name} is yes or no, not {one.words[0]!r}")
        else:
            self._said.add(name)
            self.found[name] = Attribute(one.place, one.name, self._words(name, one))

    def _words(self, name: str, one: _Change) -> tuple[str, ...]:
        before = self.found.get(name)
        old = before.words if before else ()
        match one.operator:
            case "+=":
                return (*old, *one.words)
            case "-=":
                return tuple(word for word in old if word not in one.words)
            case _:
                return one.words

    def _pass_over(self, one: _Change, reason: str) -> None:
        words = " ".join(one.words)
        text = f"{one.name} {one.operator} {words}".rstrip()
        self.remarks.append(f"{one.place}: {text}: passed over as by xinetd: {reason}")


class _Loader:
    """Reads files into sections; what can't be read is noted, and what follows it is read."""

    def __init__(self) -> None:
        self.sections: list[_Section] = []
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
                section = _Section(line.place, match[1])
                _read_block(section, lines)
                self.sections.append(section)
            else:
                self._skip(line, lines)

    def _skip(self, line: _Line, lines: list[_Line]) -> None:
        """What is no section: with its block, if it has one."""
        if match := re.fullmatch(r"(service\s+(\S+)|defaults)\s*\{", line.text):
            section = _Section(line.place, match[2])
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


def _read_block(section: _Section, lines: list[_Line]) -> None:
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
            section.changes.append(_Change(line.place, name, operator, tuple(value.split())))
        else:
            section.faults.append(f"{line.place}: {line.text!r}: expected ATTRIBUTE = VALUE")
    section.faults.append(f"{section.place}: the '}}' that ends this is missing")
