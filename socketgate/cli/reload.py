# SPDX-License-Identifier: MIT
"""`socketgate reload`: read the rules now, and say whether they are in force.

Gates do so by themselves when a file changes; this waits for it, and has an exit code.
"""

import argparse
import os
import sys
from pathlib import Path

from socketgate.answers import SOCKET, ReloadAnswer
from socketgate.cli import EXIT_CODES, ExitCode
from socketgate.cli.gates import Gate, add_gates, find_gate, running_gates
from socketgate.cli.output import count, printable, write
from socketgate.errors import GateUnreachable, SocketgateError

HELP = "read the rules now, and say whether they are in force"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="of one gate (default: of all)")
    add_gates(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it; the answer is the exit code: the worst of all gates."""
    worst: int = ExitCode.OK
    for gate in _gates(arguments):
        try:
            answer = gate.ask("Reload", {}, ReloadAnswer)
        except SocketgateError as error:
            print(f"socketgate: {error}", file=sys.stderr)
            worst = max(worst, EXIT_CODES.get(type(error), ExitCode.WRONG))
            continue
        state = "in force" if answer["changed"] else "unchanged"
        rules = count(answer["count"], "rule")
        write(f"{printable(gate.name)}: {rules} {state}, generation {answer['generation']}\n")
    return worst


def _gates(arguments: argparse.Namespace) -> list[Gate]:
    if arguments.name is not None:
        return [find_gate(arguments.name, arguments.gates)]
    # ExecReload= of a gate's unit: this gate and no other.
    if own := os.environ.get("RUNTIME_DIRECTORY"):
        folder = Path(own.split(":")[0])
        return [Gate(folder.name, folder / SOCKET)]
    gates = running_gates(arguments.gates)
    if not gates:
        raise GateUnreachable("no gate is running")
    return gates
