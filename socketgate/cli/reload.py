# SPDX-License-Identifier: MIT
"""`socketgate reload`: read the rules now, and say whether they are in force.

Gates do so by themselves when a file changes; this waits for it, and has an exit code.
"""

import argparse
import os
from pathlib import Path

from socketgate.answers import GATES, SOCKET, ReloadAnswer
from socketgate.cli import ExitCode, exit_code
from socketgate.cli.gates import Gate, add_gates, find_gate, known_gates
from socketgate.cli.output import json_text, printable, write
from socketgate.cli.streams import complain
from socketgate.errors import GateUnreachable, SocketgateError
from socketgate.gateunits import UnitState
from socketgate.wording import count

HELP = "read the rules now, and say whether they are in force"
#: Gates without rules to read again: their next start reads them.
NOT_STARTED = frozenset({UnitState.WAITING, UnitState.STOPPED})


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="of one gate (default: of all)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_gates(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it, gate after gate; the answer is the exit code: the worst of all gates."""
    worst: int = ExitCode.OK
    answers: dict[str, object] = {}
    for gate in _gates(arguments):
        try:
            answer = gate.ask("Reload", {}, ReloadAnswer)
        except SocketgateError as error:
            complain(f"socketgate: {error}")
            worst = max(worst, exit_code(error))
            answers[gate.name] = {"error": str(error)}
            continue
        answers[gate.name] = {"error": None, **answer}
        if not arguments.json:
            write(_text(gate.name, answer))
    if arguments.json:
        write(json_text(answers))
    return worst


def _text(name: str, answer: ReloadAnswer) -> str:
    state = "in force" if answer["changed"] else "in force already"
    rules = count(answer["count"], "rule")
    return f"{printable(name)}: {rules} {state}, generation {answer['generation']}\n"


def _gates(arguments: argparse.Namespace) -> list[Gate]:
    if arguments.name is not None:
        return [find_gate(arguments.name, arguments.gates)]
    # ExecReload= of a gate's unit: this gate and no other. Other units have other folders.
    own = Path(os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0])
    if own.name and own.parent == (arguments.gates or GATES):
        return [Gate(own.name, own / SOCKET)]
    known = known_gates(arguments.gates)
    gates = [gate for gate in known if gate.unit is None or gate.unit.state not in NOT_STARTED]
    if not gates:
        raise GateUnreachable("no gate is running")
    return gates
