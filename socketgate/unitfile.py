# SPDX-License-Identifier: MIT
"""The unit files that put a program behind the gate, as texts. Pure; `unitinstall` writes them.

    socketgate@NAME.socket.d/listen.conf      where the gate listens for NAME
    NAME-gated.socket                         where the backend takes its clients from the gate
    NAME-gated@.service                       one unit for each client (Way.EACH), or
    NAME-gated.service                        one process for all (Way.RESIDENT)
    socketgate.d/NAME.toml                    where something isn't the gate's default

docs/units.md has every setting with its reason.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from socketgate.unitcheck import BACKEND_FOLDER, Listen, needs_ipv6_only
from socketgate.unitprograms import PLAIN, Program, Setting

COMMAND = "/usr/bin/socketgate"
UNITS = "/etc/systemd/system"
SETTINGS = "/etc/socketgate/socketgate.d"
#: The first version of systemd that knows PollLimitIntervalSec=, systemd.socket(5).
POLL_LIMIT_VERSION = 255

#: Words that systemd.service(5) reads in ExecStart= as they stand.
PLAIN_WORD = re.compile(r"[A-Za-z0-9_@+=:,./-]+")


class Way(Enum):
    """How the program gets its clients."""

    EACH = "each"  # Accept=yes: a unit for each client, by `socketgate exec`
    RESIDENT = "resident"  # `socketgate launch` starts the program for each client
    ITSELF = "itself"  # it speaks the protocol and listens by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One daemon behind the gate; every part has passed `unitcheck`.

    `words`: program and arguments, empty with Way.ITSELF. `backends`: with Way.ITSELF, the paths it
    listens on. `systemd_version`: None leaves nothing out for an old one.
    """

    name: str
    listens: tuple[Listen, ...]
    way: Way = Way.EACH
    words: tuple[str, ...] = ()
    program: Program = PLAIN
    user: str = ""
    backends: tuple[str, ...] = ()
    handoff: str = "channel"
    systemd_version: int | None = None


@dataclass(frozen=True, slots=True)
class UnitFile:
    """A file's path, from the root of the system it is for, and its text."""

    path: str
    text: str


def possible_paths(name: str) -> tuple[str, ...]:
    """Every path that `render` may give a file for this daemon."""
    return (
        f"{UNITS}/socketgate@{name}.socket.d/listen.conf",
        f"{UNITS}/{name}-gated.socket",
        f"{UNITS}/{name}-gated.socket.d/systemd-{POLL_LIMIT_VERSION}.conf",
        f"{UNITS}/{name}-gated@.service",
        f"{UNITS}/{name}-gated.service",
        f"{SETTINGS}/{name}.toml",
    )


def render(plan: Plan) -> tuple[UnitFile, ...]:
    """The files for a daemon, in the order in which one reads them."""
    listen, socket, poll_limit, each, resident, settings = possible_paths(plan.name)
    files = [UnitFile(listen, _listen(plan))]
    if plan.way is not Way.ITSELF:
        files.append(UnitFile(socket, _socket(plan)))
    if plan.way is Way.EACH:
        if plan.systemd_version is None or plan.systemd_version >= POLL_LIMIT_VERSION:
            files.append(UnitFile(poll_limit, _poll_limit()))
        files.append(UnitFile(each, _service(plan)))
    if plan.way is Way.RESIDENT:
        files.append(UnitFile(resident, _service(plan)))
    if text := _settings(plan):
        files.append(UnitFile(settings, text))
    return tuple(files)


def quote(word: str) -> str:
    """A word for ExecStart= that reaches the program as it is, systemd.service(5)."""
    word = word.replace("%", "%%").replace("$", "$$")
    if PLAIN_WORD.fullmatch(word.replace("%", "").replace("$", "")):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x01-\x1f\x7f]", lambda match: f"\\x{ord(match[0]):02x}", escaped) + '"'


def _listen(plan: Plan) -> str:
    settings = [Setting(f"ListenStream={_literal(listen.text)}") for listen in plan.listens]
    if needs_ipv6_only(plan.listens):
        reason = "IPv4 has an address of its own here, with the same port."
        settings.append(Setting("BindIPv6Only=ipv6-only", reason))
    return _sections(Socket=settings)


def _socket(plan: Plan) -> str:
    unit = [
        Setting(f"Description=Where {plan.name} takes its clients from the gate"),
        Setting("Documentation=man:socketgate(8) man:socketgate-backend(7)"),
        Setting(f"PartOf=socketgate@{plan.name}.socket", "Stops with the gate's own socket."),
    ]
    socket = [
        Setting(f"ListenSequentialPacket={BACKEND_FOLDER}/{plan.name}.sock"),
        Setting("SocketMode=0660", "Nobody but the gate may hand clients over."),
        Setting("SocketGroup=socketgate"),
        Setting("RemoveOnStop=yes"),
        Setting("Backlog=4096"),
        Setting("TriggerLimitIntervalSec=0", "A flood must not switch the socket off."),
    ]
    if plan.way is Way.EACH:
        socket += [
            Setting("Accept=yes", "A unit of its own for each client."),
            Setting("MaxConnections=4096", "The default closes the 65th client's connection."),
        ]
    return _sections(Unit=unit, Socket=socket)


def _poll_limit() -> str:
    reason = f"systemd {POLL_LIMIT_VERSION} and later would slow a rush of clients down."
    return _sections(Socket=[Setting("PollLimitIntervalSec=0", reason)])


def _service(plan: Plan) -> str:
    is_each = plan.way is Way.EACH
    unit, service = (_unit_of_each, _each) if is_each else (_unit_of_resident, _resident)
    return _sections(
        Unit=[*unit(plan), *plan.program.unit],
        Service=_once([*service(plan), *_user(plan), *plan.program.service]),
    )


def _unit_of_each(plan: Plan) -> list[Setting]:
    return [
        Setting(f"Description={plan.name} for one client (%i)"),
        Setting("Documentation=man:socketgate(8)"),
        Setting("CollectMode=inactive-or-failed", "Nothing is left of a client that went wrong."),
    ]


def _each(plan: Plan) -> list[Setting]:
    reason = "How a program ends that serves one client is its own affair: no failed unit for it."
    return [Setting(f"ExecStart=-{_command('exec', plan.words)}", reason)]


def _unit_of_resident(plan: Plan) -> list[Setting]:
    return [
        Setting(f"Description=Starts {plan.name} for each client"),
        Setting("Documentation=man:socketgate(8)"),
        Setting(f"Requires={plan.name}-gated.socket", "Stops with its socket."),
        Setting(f"After={plan.name}-gated.socket"),
        Setting("StartLimitIntervalSec=0", "A start limit would fail the socket."),
    ]


def _resident(plan: Plan) -> list[Setting]:
    return [
        Setting("Type=notify"),
        Setting(f"ExecStart={_command('launch', plan.words)}"),
        Setting("KillMode=process", "Stopping or restarting this ends no client's program."),
        Setting(
            "OOMPolicy=continue", "One client's program without memory doesn't end the others."
        ),
        Setting("Restart=on-failure"),
        Setting("RestartSec=250ms"),
        Setting("TasksMax=infinity", "All clients' programs run in here; `launch --max` limits."),
    ]


def _user(plan: Plan) -> list[Setting]:
    if not plan.user:
        return []
    reason = "The options user and group of a rule need root, and refuse here."
    return [Setting(f"User={plan.user}", reason)]


def _settings(plan: Plan) -> str:
    """The gate's configuration for the daemon; empty where its defaults fit."""
    values: dict[str, object] = {}
    if plan.backends and plan.backends != (f"{BACKEND_FOLDER}/{plan.name}.sock",):
        values["backend"] = plan.backends[0] if len(plan.backends) == 1 else list(plan.backends)
    if plan.way is Way.EACH or plan.handoff != "channel":
        values["handoff"] = "connection"
    if plan.way is Way.ITSELF and plan.user:
        values["backend-users"] = [plan.user]
    if not values:
        return ""
    # JSON of strings and lists of strings is TOML as well, and a key in quotes may have dots.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    return "\n".join([f'[daemon."{plan.name}"]', *lines, ""])


def _command(verb: str, words: Sequence[str]) -> str:
    return " ".join([COMMAND, verb, "--", *map(quote, words)])


def _literal(text: str) -> str:
    """A value in which systemd.unit(5) finds no specifier."""
    return text.replace("%", "%%")


def _once(settings: Sequence[Setting]) -> list[Setting]:
    """The settings without a key's second line: what the way needs comes before the program."""
    lines: dict[str, Setting] = {}
    for setting in settings:
        lines.setdefault(setting.line.partition("=")[0], setting)
    return list(lines.values())


def _sections(**sections: Sequence[Setting]) -> str:
    """A unit's text."""
    return "\n".join(_section(name, settings) for name, settings in sections.items())


def _section(name: str, settings: Sequence[Setting]) -> str:
    lines = [f"[{name}]"]
    for setting in settings:
        lines += [f"# {setting.reason}"] if setting.reason else []
        lines.append(setting.line)
    return "\n".join([*lines, ""])
