# SPDX-License-Identifier: MIT
"""The running gates, by name, and what they answer: errors in words for whoever typed."""

import argparse
import difflib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from socketgate.answers import GATES, INTERFACE, SOCKET, StatusAnswer
from socketgate.cli.output import printable
from socketgate.errors import ConfigError, GateUnreachable, NotPermitted, SocketgateError
from socketgate.varlink import SERVICE, CallFailed, NotVarlink, ask

T = TypeVar("T")

#: How long a gate may take to answer, in seconds: reading very many rules takes longest.
PATIENCE_SECONDS = 150.0


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate process: its folder's name, which is its daemon's unless it serves several."""

    name: str
    path: Path

    def ask(self, method: str, parameters: Mapping[str, object], kind: type[T]) -> T:
        """Call a method; raises SocketgateError."""
        try:
            return ask(str(self.path), f"{INTERFACE}.{method}", parameters, kind, PATIENCE_SECONDS)
        except CallFailed as error:
            raise self._failed(error) from error
        except NotVarlink as error:
            raise GateUnreachable(f"the gate {self.name} broke off instead of answering") from error
        except PermissionError as error:
            raise NotPermitted(f"{self.path}: {error.strerror}") from error
        except (ConnectionRefusedError, FileNotFoundError) as error:
            raise GateUnreachable(not_running(self.name)) from error
        except OSError as error:
            reason = error.strerror or "it doesn't answer"
            raise GateUnreachable(f"the gate {self.name}: {reason}") from error

    def status(self) -> StatusAnswer:
        """Its state."""
        return self.ask("Status", {}, StatusAnswer)

    def _failed(self, error: CallFailed) -> SocketgateError:
        about = {key: printable(str(value)) for key, value in error.parameters.items()}
        match error.name.removeprefix(f"{SERVICE}.").removeprefix(f"{INTERFACE}."):
            case "PermissionDenied":
                return NotPermitted(
                    "only root and the group socketgate-admin may do that (see [control] in "
                    "socketgate.toml for who else may look)"
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


def not_running(name: str) -> str:
    """What to say of a gate that isn't there, and what to do."""
    return (
        f"the gate {name} isn't running: 'systemctl status socketgate@{name}.socket' says why "
        "(the first client starts it)"
    )


def add_gates(parser: argparse.ArgumentParser) -> None:
    """The option that says where gates are."""
    parser.add_argument(
        "--gates",
        type=Path,
        metavar="DIR",
        help="where the gates have their folders (default: /run/socketgate/gate)",
    )


def running_gates(folder: Path | None) -> list[Gate]:
    """Every gate that has a control socket, by name."""
    own = os.environ.get("XDG_RUNTIME_DIR")
    folders = [folder] if folder else [GATES, *([Path(own) / "socketgate"] if own else [])]
    found = {
        path.parent.name: Gate(path.parent.name, path) for one in folders for path in _sockets(one)
    }
    return [found[name] for name in sorted(found)]


def _sockets(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob(f"*/{SOCKET}"))
    except OSError:
        return []


def find_gate(name: str, folder: Path | None) -> Gate:
    """The gate of a daemon: one of its own, or one that serves several. Raises SocketgateError."""
    gates = running_gates(folder)
    for gate in gates:
        if gate.name == name:
            return gate
    for gate in gates:
        if not _answers(gate):
            continue
        if any(one["daemon"] == name for one in gate.status()["gates"]):
            return gate
    close = difflib.get_close_matches(name, [gate.name for gate in gates], n=1)
    if close:
        raise GateUnreachable(f"there is no gate {name!r}: did you mean {close[0]!r}?")
    raise GateUnreachable(not_running(name))


def _answers(gate: Gate) -> bool:
    """Whether anybody listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        return sock.connect_ex(str(gate.path)) == 0
