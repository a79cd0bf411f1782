# SPDX-License-Identifier: MIT
"""The configuration: /etc/socketgate/socketgate.toml and socketgate.d/*.toml, all of it optional.

    [rules]                                  where the rules are and what a mistake in them does
    [daemon.NAME]                            who gets the connections of the socket of that name
    [limits]                                 how much of anything a stranger can take up
    [lookups]                                how long lookups may take, and how many there may be
    [bans]                                   where bans are kept, and whom none concerns
    [control]                                who may look at a running gate, and who may change it
    [commands]                               who runs rules' commands, and how long they may take

The files are merged in the order of their names after the main file; a key said twice is an error,
so that what a package or `socketgate unit --install` wrote never silently overrides the admin.
"""

import difflib
import itertools
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from socketgate.bans import Net, parse_net
from socketgate.configfiles import read_files
from socketgate.daemonname import name_problem
from socketgate.errors import ConfigError
from socketgate.lookup_values import LookupLimits

T = TypeVar("T")

BACKEND_FOLDER = Path("/run/socketgate/backend")


class OnError(StrEnum):
    """What a mistake in the rule files does to a reload."""

    KEEP = "keep"
    LIBWRAP = "libwrap"


class HandoffMode(StrEnum):
    """How a backend takes its clients: many on one channel, or one for each Unix connection."""

    CHANNEL = "channel"
    CONNECTION = "connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesConfig:
    """Where the rules are."""

    allow: Path = Path("/etc/hosts.allow")
    deny: Path = Path("/etc/hosts.deny")
    on_error: OnError = OnError.KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonConfig:
    """Who gets a daemon's connections."""

    backend: tuple[Path, ...]
    handoff: HandoffMode = HandoffMode.CHANNEL
    backend_users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandsConfig:
    """Who runs the commands of rules, and how long they may take (docs/commands.md)."""

    socket: Path | None = None  # the runner's; None: the unit's, or a child of a gate run by hand
    seconds: int = 20  # for spawn and aclexec to end, for twist to begin
    twist_seconds: int = 3600  # for twist to end; it may be a whole session


# fmt: off
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a stranger can take up. Each: default, unit, reason."""

    held_connections: int = 512        # clients waiting for a backend; more wait in the kernel
    deciding_connections: int = 4096   # clients waiting for lookups; more are closed
    deciding_per_source: int = 512     # of these from one address (IPv6: /64)
    decide_seconds: int = 30           # for all lookups of a client; what's left is unknown
    handoff_seconds: int = 60          # for a backend to take a client; past it, it is closed
    drain_seconds: int = 20            # for the clients that a stopping gate still holds
    refusals_logged: int = 20          # of one network (/24, IPv6 /48) in 10 s; more are counted
    refusals_logged_total: int = 1000  # the same for all networks together
# fmt: on


#: Descriptors that no client may take: backends that come back, lookups, the journal need some.
RESERVED_DESCRIPTORS = 48


def affordable(limits: Limits, descriptors: int) -> Limits:
    """These limits, lower where a process with so few descriptors couldn't hold as many clients."""
    room = max(1, (descriptors - RESERVED_DESCRIPTORS) // 2)
    return replace(
        limits,
        held_connections=min(limits.held_connections, room),
        deciding_connections=min(limits.deciding_connections, room),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BansConfig:
    """Where bans are kept, and whom none concerns (docs/bans.md)."""

    store: Path = Path("/var/lib/socketgate/+bans/bans")
    never_ban: tuple[Net, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlConfig:
    """The groups that may use the control socket; root and the gate's user always may."""

    admin_groups: tuple[str, ...] = ("socketgate-admin",)
    viewer_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key stands, for the admin to go to."""

    path: Path
    text: str
    key: tuple[str, ...]

    @property
    def named(self) -> str:
        """File, line and key."""
        return f"{self.path}:{self.line}: {'.'.join(self.key)}"

    def error(self, what: str) -> ConfigError:
        """What is wrong there."""
        return ConfigError(f"{self.named} {what}")

    @property
    def line(self) -> int:
        """The key's line: after its section's header where it has one. The best guess wins."""
        lines = self.text.splitlines()
        header = ".".join(self.key[:-1])
        start = next((at for at, line in enumerate(lines) if _is_header(line, header)), 0)
        wanted = re.compile(
            rf"\s*\[?\s*(?:[\w.\"-]+\.)?[\"']?{re.escape(self.key[-1])}[\"']?\s*[\]=.]"
        )
        for at in itertools.chain(range(start, len(lines)), range(start)):
            if wanted.match(lines[at]):
                return at + 1
        return start + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings, checked."""

    rules: RulesConfig = RulesConfig()
    lookups: LookupLimits = field(default_factory=LookupLimits)
    commands: CommandsConfig = CommandsConfig()
    daemons: Mapping[str, DaemonConfig] = field(default_factory=dict)
    limits: Limits = Limits()
    bans: BansConfig = BansConfig()
    control: ControlConfig = ControlConfig()
    #: Where each key that is set stands.
    places: Mapping[tuple[str, ...], Place] = field(default_factory=dict, compare=False)

    def where(self, *key: str) -> str:
        """A key, and where it is set, for people."""
        return self.places[key].named if key in self.places else ".".join(key)

    def daemon(self, name: str) -> DaemonConfig:
        """The settings of a daemon; one that no file mentions has the defaults."""
        return self.daemons.get(name) or default_daemon(name)


def default_daemon(name: str) -> DaemonConfig:
    """What holds for a daemon that no file mentions."""
    return DaemonConfig(backend=(BACKEND_FOLDER / f"{name}.sock",))


def load_config(path: Path | None = None) -> Config:
    """Read the configuration. A named file must exist, the default one need not.

    Raises ConfigError, which names the file and, where there is one, the line.
    """
    return parse_config(read_files(path))


def parse_config(texts: list[tuple[Path, str]]) -> Config:
    """Check the files' texts and merge them into one configuration."""
    seen: dict[tuple[str, ...], object] = {}
    places: dict[tuple[str, ...], Place] = {}
    for path, text in texts:
        for key, value in _parse_file(path, text).items():
            place = Place(path, text, key)
            if key in seen:
                raise place.error("is already set in an earlier file; keep one of them")
            seen[key], places[key] = value, place
    daemons: dict[str, dict[str, object]] = {}
    for key, value in seen.items():
        if key[0] == "daemon":
            daemons.setdefault(key[1], {})[key[2]] = value
    return Config(
        rules=_made(RulesConfig, _section(seen, "rules")),
        commands=_made(CommandsConfig, _section(seen, "commands")),
        limits=_made(Limits, _section(seen, "limits")),
        lookups=_made(LookupLimits, _section(seen, "lookups")),
        bans=_made(BansConfig, _section(seen, "bans")),
        control=_made(ControlConfig, _section(seen, "control")),
        daemons={
            name: _made(DaemonConfig, {"backend": default_daemon(name).backend, **values})
            for name, values in daemons.items()
        },
        places=places,
    )


def _section(seen: Mapping[tuple[str, ...], object], section: str) -> dict[str, object]:
    return {key[1]: value for key, value in seen.items() if key[0] == section}


def _made(kind: Callable[..., T], values: Mapping[str, object]) -> T:
    """Of keys as files have them; the values have the right types by _READERS."""
    return kind(**{key.replace("-", "_"): value for key, value in values.items()})


def _is_header(line: str, header: str) -> bool:
    return line.strip().replace('"', "").replace(" ", "").startswith(f"[{header}]")


def _parse_file(path: Path, text: str) -> dict[tuple[str, ...], object]:
    """One file's settings by their full keys, each of the right type."""
    try:
        tree = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, and what int() says of thousands of digits
        where = re.search(r"\(at line (\d+)", str(error))
        line = f":{where[1]}" if where else ""
        raise ConfigError(f"{path}{line}: not valid TOML: {error}") from error
    found: dict[tuple[str, ...], object] = {}
    for section, values in tree.items():
        place = Place(path, text, (section,))
        if section not in _READERS:
            raise place.error(f"is unknown{_nearest(section, _READERS)}")
        if not isinstance(values, dict):
            raise place.error(f"must be a table: [{section}]")
        tables = values.items() if section == "daemon" else [("", values)]
        for name, table in tables:
            prefix = (section, name) if section == "daemon" else (section,)
            found.update(_parse_table(Place(path, text, prefix), table))
    return found


def _parse_table(place: Place, table: object) -> dict[tuple[str, ...], object]:
    section = place.key[0]
    if section == "daemon" and (problem := name_problem(place.key[1])):
        raise place.error(f"can't be a daemon's name (FileDescriptorName=): {problem}")
    if not isinstance(table, dict):
        raise place.error(f"must be a table: [{'.'.join(place.key)}]")
    found: dict[tuple[str, ...], object] = {}
    for name, value in table.items():
        at = Place(place.path, place.text, (*place.key, name))
        reader = _READERS[section].get(name)
        if reader is None:
            raise at.error(f"is unknown{_nearest(name, _READERS[section])}")
        try:
            found[at.key] = reader(value)
        except ValueError as error:
            raise at.error(f"must be {error}") from error
    return found


def _nearest(word: str, valid: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(word, valid, n=1, cutoff=0.5)
    return f": did you mean {close[0]!r}?" if close else f": valid are {', '.join(sorted(valid))}"


def _path(value: object) -> Path:
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise ValueError('an absolute path, such as "/etc/hosts.allow"')
    return Path(value)


def _paths(value: object) -> tuple[Path, ...]:
    if isinstance(value, list) and value:
        return tuple(_path(one) for one in value)
    if isinstance(value, list):
        raise ValueError("a path or a list of at least one path")
    return (_path(value),)


def _words(expected: str) -> Callable[[object], tuple[str, ...]]:
    def read(value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise ValueError(expected)
        return tuple(value)

    return read


_users = _words('a list of user names, such as ["www-data"]')
_groups = _words('a list of group names, such as ["adm"]')


def _nets(value: object) -> tuple[Net, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError('a list of addresses and networks, such as ["192.0.2.0/24"]')
    try:
        return tuple(map(parse_net, value))
    except ValueError as error:
        raise ValueError(f"addresses and networks: {error}") from error


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1_000_000:
        raise ValueError("a whole number from 1 to 1000000")
    return value


def _one_of(choices: type[StrEnum]) -> Callable[[object], StrEnum]:
    def read(value: object) -> StrEnum:
        for choice in choices:
            if choice == value:
                return choice
        raise ValueError(" or ".join(f'"{choice}"' for choice in choices))

    return read


#: section -> key -> how its value is read; the reader's ValueError says what it must be.
_READERS: dict[str, dict[str, Callable[[object], object]]] = {
    "rules": {"allow": _path, "deny": _path, "on-error": _one_of(OnError)},
    "daemon": {"backend": _paths, "handoff": _one_of(HandoffMode), "backend-users": _users},
    "commands": {"socket": _path, "seconds": _number, "twist-seconds": _number},
    "limits": {limit.name.replace("_", "-"): _number for limit in fields(Limits)},
    "lookups": {limit.name.replace("_", "-"): _number for limit in fields(LookupLimits)},
    "bans": {"store": _path, "never-ban": _nets},
    "control": {"admin-groups": _groups, "viewer-groups": _groups},
}
