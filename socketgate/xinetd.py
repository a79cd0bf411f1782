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

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from socketgate.xinetdtext import Change, Place, Section, load_sections

# fmt: off
#: Attributes whose values are a set: `+=` and `-=` change what defaults say.
SETS = frozenset("""
    only_from no_access access_times env flags log_on_success log_on_failure passenv
    disabled enabled
""".split())
#: What a service has from `defaults` if it doesn't say otherwise; nothing else is taken there.
INHERITED = frozenset("""
    banner banner_fail banner_success bind cps groups instances interface log_on_failure
    log_on_success log_type max_load no_access only_from passenv per_source umask v6only
""".split())
#: Sets to which, in `defaults`, `=` adds as `+=` does.
CUMULATIVE = frozenset("""
    only_from no_access log_on_success log_on_failure passenv disabled enabled
""".split())
#: Attributes of exactly one word; one with more is passed over.
SINGLE = frozenset("""
    disable id socket_type protocol wait user group port server bind interface instances
    per_source nice libwrap umask groups v6only mdns
    rlimit_as rlimit_cpu rlimit_data rlimit_files rlimit_rss rlimit_stack
""".split())
# fmt: on
#: An attribute and its other name: only the first of them counts.
SYNONYMS = {"interface": "bind"}
BOOLEANS = frozenset({"disable", "wait", "groups", "v6only", "mdns"})


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


def load_configuration(paths: Sequence[Path]) -> Configuration:
    """These files and what they include."""
    read = load_sections(paths)
    defaults = _Attributes()
    faults = [*read.faults]
    for section in read.sections:
        if section.service is None:
            defaults.change_defaults(section.changes)
            faults += section.faults
    faults += defaults.faults
    services = tuple(
        _service(section, defaults.found)
        for section in read.sections
        if section.service is not None
    )
    return Configuration(services, tuple(faults), tuple(defaults.remarks))


def _service(section: Section, defaults: dict[str, Attribute]) -> Service:
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

    def change_defaults(self, changes: Sequence[Change]) -> None:
        """Take the lines of `defaults`."""
        for one in changes:
            if one.name not in INHERITED | CUMULATIVE:
                self._pass_over(one, "xinetd takes none from defaults")
            elif one.name in CUMULATIVE and one.operator == "=":
                self._take(Change(one.place, one.name, "+=", one.words))
            else:
                self._take(one)

    def change(self, changes: Sequence[Change]) -> None:
        """Take the lines of a service."""
        for one in changes:
            self._take(one)

    def _take(self, one: Change) -> None:
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

    def _words(self, name: str, one: Change) -> tuple[str, ...]:
        before = self.found.get(name)
        old = before.words if before else ()
        match one.operator:
            case "+=":
                return (*old, *one.words)
            case "-=":
                return tuple(word for word in old if word not in one.words)
            case _:
                return one.words

    def _pass_over(self, one: Change, reason: str) -> None:
        words = " ".join(one.words)
        text = f"{one.name} {one.operator} {words}".rstrip()
        self.remarks.append(f"{one.place}: {text}: passed over as by xinetd: {reason}")
