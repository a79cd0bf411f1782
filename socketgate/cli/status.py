# SPDX-License-Identifier: MIT
"""`socketgate status`: how the gates are, on one screen, as `systemctl status` shows a unit."""

import argparse
import sys
import time
from collections.abc import Iterable, Mapping

from socketgate.answers import StatusAnswer
from socketgate.cli import ExitCode, exit_code
from socketgate.cli.gates import Gate, add_gates, ask_all, find_gate, known_gates
from socketgate.cli.output import Paint, add_pager, json_text, paint_for, show
from socketgate.cli.statustext import silent_text, status_text
from socketgate.cli.streams import complain
from socketgate.errors import GateUnreachable, SocketgateError
from socketgate.gateunits import UnitState

HELP = "show how the gates are: sockets, backends, rules in force, who was refused"
EPILOG = """\
Exit status: 0 every gate answers or waits for its first client, 3 one has failed, is stopped or
doesn't answer, 4 not permitted. That the rules have an error is shown, and no failure."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("name", nargs="?", metavar="NAME", help="of one gate (default: of all)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_pager(parser)
    add_gates(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it; the answer is the exit code: the worst of all gates."""
    gates = wanted_gates(arguments)
    answers = list(zip(gates, ask_all(gates, "Status", StatusAnswer), strict=True))
    if arguments.json:
        text = json_text({gate.name: as_json(gate, one) for gate, one in answers if is_seen(one)})
    else:
        paint, now = paint_for(sys.stdout), time.time()
        text = "\n".join(as_text(gate, one, now, paint) for gate, one in answers if is_seen(one))
    show(text, by_pager=not arguments.no_pager)
    return say_troubles(answers)


def wanted_gates(arguments: argparse.Namespace) -> list[Gate]:
    """The one that was named, else all. Raises SocketgateError when there is none."""
    if arguments.name is not None:
        return [find_gate(arguments.name, arguments.gates)]
    gates = known_gates(arguments.gates)
    if not gates:
        raise GateUnreachable("no gate runs or is enabled: 'socketgate unit NAME' makes one")
    return gates


def is_seen(answer: StatusAnswer | SocketgateError) -> bool:
    """Whether there is anything to show: also of a gate that gives no answer."""
    return not isinstance(answer, SocketgateError) or isinstance(answer, GateUnreachable)


def as_text(gate: Gate, answer: StatusAnswer | SocketgateError, now: float, paint: Paint) -> str:
    """For people."""
    if isinstance(answer, SocketgateError):
        return silent_text(gate.name, gate.units(), now, paint)
    return status_text(gate.name, answer, now, paint)


def as_json(gate: Gate, answer: StatusAnswer | SocketgateError) -> Mapping[str, object]:
    """The answer with a `state`; of a gate that gives none, what its units say."""
    if not isinstance(answer, SocketgateError):
        return {"state": UnitState.RUNNING.value, **answer}
    unit = gate.units()
    state = unit.state if unit else UnitState.RUNNING
    return {
        "state": "silent" if state is UnitState.RUNNING else state.value,
        "error": None if gate.is_waiting else str(answer),
        "gates": [],
    }


def say_troubles(answers: Iterable[tuple[Gate, object]]) -> int:
    """Say which gates gave no answer, and why; the answer is the exit code.

    One that waits for its first client is in order.
    """
    worst: int = ExitCode.OK
    for gate, answer in answers:
        if isinstance(answer, SocketgateError) and not gate.is_waiting:
            complain(f"socketgate: {answer}")
            worst = max(worst, exit_code(answer))
    return worst
