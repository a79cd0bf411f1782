# SPDX-License-Identifier: MIT
"""The gates of this machine, by name, and what they answer: errors in words for whoever typed."""

import argparse
import difflib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from socketgate.answers import GATES, INTERFACE, SOCKET, StatusAnswer
from socketgate.cli.output import printable
from socketgate.daemonname import name_problem
from socketgate.errors import ConfigError, GateUnreachable, NotPermitted, SocketgateError
from socketgate.gateunits import SHARED, TEMPLATE, GateUnit, UnitState, gate_unit, gate_units
from socketgate.varlink import SERVICE, CallFailed, NotVarlink, OtherAnswer, ask

T = TypeVar("T")

#: How long a gate may take to answer, in seconds: it answers between two of its clients.
PATIENCE_SECONDS = 3.0
#: Methods that take longer: reading very many rules; looking a client's names up.
PATIENCE_FOR = {"Reload": 150.0, "Explain": 60.0}
#: Gates asked at once: a thread each.
MAX_ASKED_AT_ONCE = 32

#: Why a gate that isn't there isn't, by its units, and what to do.
NOT_RUNNING = {
    UnitState.FAILED: "has failed: 'journalctl -u {unit.culprit}' says why",
    UnitState.WAITING: "waits for its first client: 'systemctl start {unit.service}' starts it now",
    UnitState.STOPPED: "is stopped: 'systemctl start {unit.culprit}' opens its port",
    UnitState.STARTING: "is just starting or stopping: try again",
    UnitState.RUNNING: "has no control socket: 'journalctl -u {unit.service}' says why",
}


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate process: its folder's name, which is its daemon's unless it serves several.

    It has its units where only they say that there is such a gate.
    """

    name: str
    path: Path
    unit: GateUnit | None = None

    @property
    def is_waiting(self) -> bool:
        """Nothing is wrong with it: no client has come yet that would start it."""
        return self.unit is not None and self.unit.state is UnitState.WAITING

    def ask(self, method: str, parameters: Mapping[str, object], kind: type[T]) -> T:
        """Call a method; raises SocketgateError."""
        seconds = PATIENCE_FOR.get(method, PATIENCE_SECONDS)
        if seconds > PATIENCE_SECONDS:  # one that hangs is found out soon
            self._call(f"{SERVICE}.GetInfo", {}, dict, PATIENCE_SECONDS)
        return self._call(f"{INTERFACE}.{method}", parameters, kind, seconds)

    def status(self) -> StatusAnswer:
        """Its state."""
        return self.ask("Status", {}, StatusAnswer)

    def _call(
        self, method: str, parameters: Mapping[str, object], kind: type[T], seconds: float
    ) -> T:
        """Call a method by its full name; raises SocketgateError."""
        try:
            return ask(str(self.path), method, parameters, kind, seconds)
        except CallFailed as error:
            raise self._failed(error) from error
        except OtherAnswer as error:
            raise GateUnreachable(
                f"the gate {self.name} answers as another version does: restart it"
            ) from error
        except NotVarlink as error:
            raise GateUnreachable(f"the gate {self.name} broke off instead of answering") from error
        except PermissionError as error:
            raise NotPermitted(f"{self.path}: {error.strerror}") from error
        except (ConnectionRefusedError, FileNotFoundError) as error:
            raise GateUnreachable(self._why_not_running()) from error
        except TimeoutError as error:
            raise GateUnreachable(
                f"the gate {self.name} doesn't answer, and {seconds:.0f} s should be enough"
            ) from error
        except OSError as error:
            raise GateUnreachable(f"the gate {self.name}: {error.strerror or error}") from error

    def units(self) -> GateUnit | None:
        """Its units; systemd is asked if it has not been."""
        if self.unit is None and self.path.parents[1] == GATES:
            return gate_unit(self.name)
        return self.unit

    def _why_not_running(self) -> str:
        unit = self.units()
        why = NOT_RUNNING[unit.state].format(unit=unit) if unit else "isn't running"
        return f"the gate {self.name} {why}"

    def _failed(self, error: CallFailed) -> SocketgateError:
        about = {key: printable(str(value)) for key, value in error.parameters.items()}
        match error.name.removeprefix(f"{SERVICE}.").removeprefix(f"{INTERFACE}."):
            case "PermissionDenied":
                return NotPermitted(
                    f"the gate {self.name}: only root and the groups that [control] in "
                    "socketgate.toml names may do that (socketgate-admin, if none is named)"
                )
            case "NoSuchDaemon":
                return ConfigError(f"the gate {self.name} doesn't serve {about.get('daemon')}")
            case "InvalidParameter":
                return ConfigError(f"{about.get('parameter')}: the gate can't make sense of it")
            case "ReloadFailed":
                return ConfigError(
                    f"{about.get('message')}; the gate {self.name} keeps the previous rules"
                )
            case name:
                return GateUnreachable(f"the gate {self.name} answers {printable(name)}")


def add_gates(parser: argparse.ArgumentParser) -> None:
    """The option that says where gates are."""
    parser.add_argument(
        "--gates",
        type=Path,
        metavar="DIR",
        help="where the gates have their folders (default: /run/socketgate/gate)",
    )


def running_gates(folder: Path | None) -> list[Gate]:
    """Every gate that has a control socket, by name: the machine's, and those of the user's own.

    Root's own are among the machine's. The variable may be another's then, kept by su(1), and
    whoever it is could put a gate of his own in the place of one of the machine's.
    """
    own = os.environ.get("XDG_RUNTIME_DIR") if os.geteuid() else None
    folders = [folder] if folder else [GATES, *([Path(own) / "socketgate"] if own else [])]
    found = {
        path.parent.name: Gate(path.parent.name, path) for one in folders for path in _sockets(one)
    }
    return [found[name] for name in sorted(found)]


def known_gates(folder: Path | None) -> list[Gate]:
    """Every gate that has a control socket or, unless a folder was named, a unit; by name."""
    found = {gate.name: gate for gate in running_gates(folder)}
    for unit in gate_units() if folder is None else []:
        path = found[unit.name].path if unit.name in found else GATES / unit.name / SOCKET
        found[unit.name] = Gate(unit.name, path, unit)
    return [found[name] for name in sorted(found)]


def _sockets(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob(f"*/{SOCKET}"))
    except OSError:
        return []


def ask_all(gates: Sequence[Gate], method: str, kind: type[T]) -> list[T | SocketgateError]:
    """What each answers, or why it doesn't. Many are asked at once: who hangs delays nobody."""

    def answer(gate: Gate) -> T | SocketgateError:
        try:
            return gate.ask(method, {}, kind)
        except SocketgateError as error:
            return error

    with ThreadPoolExecutor(MAX_ASKED_AT_ONCE) as pool:
        return list(pool.map(answer, gates))


def find_gate(name: str, folder: Path | None) -> Gate:
    """The gate of a daemon: one of its own, or one that serves several. Raises SocketgateError.

    It need not run: then asking it says why.
    """
    gates = running_gates(folder)
    for gate in gates:
        if gate.name == name:
            return gate
    problem = "" if name == SHARED else name_problem(_bare(name))
    if problem:
        raise ConfigError(f"{printable(name)!r} can't be the name of a gate: {problem}")
    for gate, answer in zip(gates, ask_all(gates, "Status", StatusAnswer), strict=True):
        if isinstance(answer, dict) and any(one["daemon"] == name for one in answer["gates"]):
            return gate
    unit = gate_unit(name) if folder is None else None
    if unit is not None:
        return Gate(unit.name, GATES / unit.name / SOCKET, unit)
    raise GateUnreachable(no_such_gate(name, known_gates(folder)))


def no_such_gate(name: str, gates: Sequence[Gate]) -> str:
    """What to say of a gate that there isn't, and what to do."""
    close = difflib.get_close_matches(_bare(name), [gate.name for gate in gates], n=1)
    if close:
        return f"there is no gate {name!r}: did you mean {close[0]!r}?"
    if gates:
        return f"there is no gate {name!r}: 'socketgate status' shows those there are"
    return f"there is no gate {name!r}: 'socketgate unit {_bare(name)}' makes one"


def _bare(name: str) -> str:
    """The name in that of a unit, for whoever types as for systemctl(1)."""
    return name.removeprefix(TEMPLATE).removesuffix(".service").removesuffix(".socket")
