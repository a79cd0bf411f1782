# SPDX-License-Identifier: MIT
"""The gates' units as systemd knows them: which there are, and why one doesn't run.

systemctl(1) is asked, which finds the way to systemd by itself. Where it isn't there, systemd isn't
PID 1, or doesn't answer, no unit is known, and only gates that run are found.
"""

import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

#: The unit of several daemons' gate, and what its folder is called.
SHARED_SERVICE = "socketgate.service"
SHARED = "+shared"
TEMPLATE = "socketgate@"

#: How long systemd may take to answer, in seconds.
PATIENCE_SECONDS = 3.0

_ASKED = (
    "Id", "LoadState", "ActiveState", "Result", "UnitFileState", "StateChangeTimestampMonotonic",
    "StatusText", "NRestarts", "TriggeredBy",
    "FileDescriptorName", "Listen", "Triggers", "Accept",
)  # fmt: skip

Properties = Mapping[str, str]


class UnitState(Enum):
    """How a gate's units are, and the word for it in JSON."""

    RUNNING = "running"
    STARTING = "starting"
    WAITING = "waiting"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateUnit:
    """A gate's service with its sockets.

    `culprit` is the unit whose journal says more, `result` systemd's word for how it ended, `said`
    the last thing the gate told systemd about itself, `since` by time.time().
    """

    name: str
    service: str
    sockets: tuple[str, ...]
    daemons: tuple[str, ...]
    listens: tuple[str, ...]
    state: UnitState
    culprit: str
    result: str
    said: str
    since: float | None
    is_enabled: bool


def gate_units() -> list[GateUnit]:
    """All that run, wait, have failed, or are to be there from boot on."""
    found = _units(f"{TEMPLATE}*.socket", f"{TEMPLATE}*.service", SHARED_SERVICE)
    return [unit for unit in found if unit.state is not UnitState.STOPPED or unit.is_enabled]


def gate_unit(name: str) -> GateUnit | None:
    """The unit of a gate, or the one that serves this daemon; None if there is none."""
    for unit in _units(SHARED_SERVICE if name == SHARED else f"{TEMPLATE}{name}.service"):
        return unit
    return next((unit for unit in _units(SHARED_SERVICE) if name in unit.daemons), None)


def _units(*names: str) -> list[GateUnit]:
    """Services and sockets, and of each what belongs to it: systemd need not have it in memory."""
    units = _show(names)
    related = {other for unit in units for other in _related(unit)}
    missing = related - {unit["Id"] for unit in units}
    units += _show(sorted(missing)) if missing else []
    return gates_of(units, time.time() - time.monotonic())


def _related(unit: Properties) -> list[str]:
    """The other units of its gate. With `Accept=yes` a socket triggers no unit of its own name."""
    bare, _, kind = unit["Id"].rpartition(".")
    twin = f"{bare}.{'socket' if kind == 'service' else 'service'}"
    named = f"{unit.get('Triggers', '')} {unit.get('TriggeredBy', '')}".split()
    return list(dict.fromkeys([*named, twin] if bare.startswith(TEMPLATE) else named))


def gates_of(units: Iterable[Properties], boot: float) -> list[GateUnit]:
    """Gates from what `systemctl show` says of units; `boot` is when the monotonic clock began.

    A service that no socket can start is none: so looks the template with a name nobody has used.
    """
    by_id = {unit["Id"]: unit for unit in units if _is_meant(unit)}
    found = []
    for service in by_id.values():
        if service["Id"].endswith(".service"):
            own = [by_id[one] for one in _related(service) if one in by_id]
            if own or service["ActiveState"] != "inactive":
                found.append(_gate(service, own, boot))
    return sorted(found, key=lambda unit: unit.name)


def _is_meant(unit: Properties) -> bool:
    """Whether somebody wrote or enabled it: of a template any name has a unit, without a port."""
    return unit["LoadState"] == "loaded" or (
        unit["LoadState"] == "bad-setting" and _is_enabled(unit)
    )


def _is_enabled(unit: Properties) -> bool:
    return unit["UnitFileState"].startswith("enabled")


def _gate(service: Properties, sockets: Sequence[Properties], boot: float) -> GateUnit:
    state, culprit = _service_state(service), service
    if state is UnitState.STOPPED and sockets:
        state, culprit = _sockets_state(sockets)
    changed = int(culprit.get("StateChangeTimestampMonotonic", "0"))
    name = service["Id"].removeprefix(TEMPLATE).removesuffix(".service")
    return GateUnit(
        name=SHARED if service["Id"] == SHARED_SERVICE else name,
        service=service["Id"],
        sockets=tuple(one["Id"] for one in sockets),
        daemons=tuple(one.get("FileDescriptorName", "") for one in sockets),
        listens=tuple(line for one in sockets for line in one.get("Listen", "").splitlines()),
        state=state,
        culprit=culprit["Id"],
        result=_trouble(culprit) or culprit["Result"],
        said=service.get("StatusText", ""),
        since=boot + changed / 1e6 if changed else None,
        is_enabled=any(map(_is_enabled, (service, *sockets))),
    )


def _service_state(service: Properties) -> UnitState:
    """Between two tries it is "activating" or "deactivating", and `Result` says that it failed."""
    match service["ActiveState"]:
        case "active" | "reloading":
            return UnitState.RUNNING
        case "failed":
            return UnitState.FAILED
        case "inactive":
            return UnitState.STOPPED
        case _ if service["Result"] != "success" or service.get("NRestarts", "0") != "0":
            return UnitState.FAILED
        case _:
            return UnitState.STARTING


def _sockets_state(sockets: Sequence[Properties]) -> tuple[UnitState, Properties]:
    """What a gate is whose service doesn't run, and the socket that says so."""
    for socket in sockets:
        if _trouble(socket):
            return UnitState.FAILED, socket
    for socket in sockets:
        if socket["ActiveState"] == "active":
            return UnitState.WAITING, socket
    return UnitState.STOPPED, sockets[0]


def _trouble(unit: Properties) -> str:
    """Why no client of this socket ever starts the gate, as a setting or in systemd's words."""
    if unit["LoadState"] != "loaded":
        return unit["LoadState"]
    if unit.get("Accept") == "yes" and unit["ActiveState"] != "inactive":
        return "Accept=yes"
    return unit["Result"] if unit["ActiveState"] == "failed" else ""


def _show(units: Sequence[str]) -> list[dict[str, str]]:
    """What systemd says of units, by name or pattern; nothing where it isn't.

    `--all`: patterns stand for inactive ones, too.
    """
    words = ["systemctl", "show", "--all", f"--property={','.join(_ASKED)}", "--", *units]
    try:
        done = subprocess.run(  # noqa: S603  # names are checked, and no options
            words, capture_output=True, timeout=PATIENCE_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return list(parse_show(done.stdout.decode(errors="replace")))


def parse_show(text: str) -> Iterator[dict[str, str]]:
    """Each unit's properties; one that stands there several times has its values by line."""
    for block in text.split("\n\n"):
        properties: dict[str, str] = {}
        for line in block.splitlines():
            key, equals, value = line.partition("=")
            if equals:
                properties[key] = f"{properties[key]}\n{value}" if key in properties else value
        if "Id" in properties:
            yield properties
