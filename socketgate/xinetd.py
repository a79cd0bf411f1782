# SPDX-License-Identifier: MIT
"""Reads xinetd's configuration, xinetd.conf(5): the services, with defaults and inclusions applied.

    defaults            service telnet              include FILE
    {                   {                           includedir FOLDER
        only_from = A       port = 23
    }                       only_from += B C
                        }

Every attribute keeps its file and line, for whoever says what became of it (`xinetdplan`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from socketgate.errors import ConfigError

#: Inclusions within inclusions; a file that includes itself ends here.
MAX_DEPTH = 8
MAX_FILE_BYTES = 1024 * 1024

#: Attributes whose values are a set: `+=` and `-=` change what defaults say.
SETS = frozenset(
    """only_from no_access access_times env flags log_on_success log_on_failure passenv
    disabled enabled""".split()  # noqa: SIM905
)
#: What a service has from `defaults` if it doesn't say otherwise.
INHERITED = frozenset(
    """access_times banner banner_fail banner_success bind cps deny_time env flags groups instances
    interface log_on_failure log_on_success log_type max_load mdns nice no_access only_from passenv
    per_source rlimit_as rlimit_cpu rlimit_data rlimit_files rlimit_rss rlimit_stack umask
    v6only""".split()  # noqa: SIM905
)
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

    def error(self, what: str) -> ConfigError:
        """What is wrong there."""
        return ConfigError(f"{self}: {what}")


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
    """One service, with what it has from the defaults."""

    place: Place
    name: str
    attributes: dict[str, Attribute] = field(default_factory=dict)

    def words(self, name: str) -> tuple[str, ...]:
        """The words of an attribute; none if it isn't there."""
        attribute = self.attributes.get(name)
        return attribute.words if attribute else ()

    def word(self, name: str) -> str:
        """The first word of an attribute, or nothing."""
        return next(iter(self.words(name)), "")

    @property
    def id(self) -> str:
        """What tells services of the same name apart."""
        return self.word("id") or self.name


@dataclass(frozen=True, slots=True)
class _Line:
    place: Place
    text: str


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
    changes: list[_Change]


def load_services(paths: Sequence[Path]) -> list[Service]:
    """All services of these files and of what they include. Raises ConfigError."""
    sections = [section for path in paths for section in _load(path, None, 0)]
    defaults: dict[str, Attribute] = {}
    for section in sections:
        if section.service is None:
            _apply(defaults, section.changes)
    return [_service(section, defaults) for section in sections if section.service is not None]


def _service(section: _Section, defaults: dict[str, Attribute]) -> Service:
    service = Service(section.place, section.service or "")
    service.attributes.update({name: one for name, one in defaults.items() if name in INHERITED})
    _apply(service.attributes, section.changes)
    listed = [name for name in ("disabled", "enabled") if name in defaults]
    for name in listed:  # by id, xinetd.conf(5)
        is_named = service.id in defaults[name].words
        if is_named == (name == "disabled"):
            place = defaults[name].place
            service.attributes["disable"] = Attribute(place, "disable", ("yes",))
    return service


def _apply(attributes: dict[str, Attribute], changes: Sequence[_Change]) -> None:
    for change in changes:
        before = attributes.get(change.name)
        old = before.words if before else ()
        match change.operator:
            case "+=":
                words = (*old, *change.words)
            case "-=":
                words = tuple(word for word in old if word not in change.words)
            case _:
                words = change.words
        attributes[change.name] = Attribute(change.place, change.name, words)


def _load(path: Path, origin: Place | None, depth: int) -> list[_Section]:
    """A file's sections and those of its inclusions, in order."""
    if depth > MAX_DEPTH:
        raise ConfigError(f"{origin}: includes itself")
    lines = _lines(path, origin)
    sections = []
    for line in lines:
        if match := _INCLUSION.fullmatch(line.text):
            for included in _included(match[1], Path(match[2]), line.place):
                sections += _load(included, line.place, depth + 1)
        elif match := _SECTION.fullmatch(line.text):
            sections.append(_Section(line.place, match[1], _block(line.place, lines)))
        else:
            raise line.place.error(
                f"{line.text!r}: expected 'service NAME', 'defaults', 'include' or 'includedir'"
            )
    return sections


def _included(kind: str, path: Path, place: Place) -> list[Path]:
    """xinetd.conf(5): names with a dot or a tilde at the end aren't taken from a folder."""
    if kind == "include":
        return [path]
    try:
        names = sorted(entry.name for entry in path.iterdir() if entry.is_file())
    except OSError as error:
        raise place.error(f"{path}: {error.strerror}") from error
    return [path / name for name in names if "." not in name and not name.endswith("~")]


def _lines(path: Path, origin: Place | None) -> Iterator[_Line]:
    """The lines that say something."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        before = f"{origin}: " if origin else ""
        raise ConfigError(f"{before}{path}: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: longer than {MAX_FILE_BYTES} bytes")
    for number, text in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        text = text.strip()
        if text and not text.startswith("#"):
            yield _Line(Place(str(path), number), text)


def _block(place: Place, lines: Iterator[_Line]) -> list[_Change]:
    """The attributes between the braces after a section's first line."""
    opening = next(lines, None)
    if opening is None or opening.text != "{":
        raise (opening.place if opening else place).error("expected '{' on a line of its own")
    changes: list[_Change] = []
    for line in lines:
        if line.text == "}":
            return changes
        changes.append(_change(line))
    raise place.error("the '}' that ends this is missing")


def _change(line: _Line) -> _Change:
    match = _ATTRIBUTE.fullmatch(line.text)
    if match is None:
        raise line.place.error(f"{line.text!r}: expected ATTRIBUTE = VALUE")
    name, operator, value = match.groups()
    if operator != "=" and name not in SETS:
        raise line.place.error(f"{name} takes '=' only, not '{operator}'")
    return _Change(line.place, name, operator, tuple(value.split()))
