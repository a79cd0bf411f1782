# SPDX-License-Identifier: MIT
"""`socketgate status`: how the gates are, on one screen, as `systemctl status` shows a unit."""

import argparse
import datetime
import sys
import time

from socketgate.answers import BackendState, GateState, RefusedBy, RulesState, StatusAnswer
from socketgate.cli import EXIT_CODES, ExitCode
from socketgate.cli.gates import Gate, add_gates, find_gate, running_gates
from socketgate.cli.output import Paint, Tone, count, fields, json_text, paint_for, printable, show
from socketgate.cli.times import span
from socketgate.errors import GateUnreachable, SocketgateError

HELP = "show how the gates are: sockets, backends, rules in force, who was refused"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="of one gate (default: of all)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_gates(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it; the answer is the exit code: the worst of all gates."""
    gates = wanted_gates(arguments)
    answers: dict[str, StatusAnswer] = {}
    worst: int = ExitCode.OK
    for gate in gates:
        try:
            answers[gate.name] = gate.status()
        except SocketgateError as error:
            print(f"socketgate: {error}", file=sys.stderr)
            worst = max(worst, EXIT_CODES.get(type(error), ExitCode.WRONG))
    if arguments.json:
        show(json_text(answers))
    elif answers:
        paint, now = paint_for(sys.stdout), time.time()
        show("\n".join(status_text(name, one, now, paint) for name, one in answers.items()))
    return worst


def wanted_gates(arguments: argparse.Namespace) -> list[Gate]:
    """The one that was named, else all. Raises SocketgateError when there is none."""
    if arguments.name is not None:
        return [find_gate(arguments.name, arguments.gates)]
    gates = running_gates(arguments.gates)
    if not gates:
        raise GateUnreachable(
            "no gate is running: 'systemctl list-sockets socketgate@*' shows those that wait for "
            "their first client"
        )
    return gates


def status_text(name: str, status: StatusAnswer, now: float, paint: Paint) -> str:
    """A gate for people."""
    rules = status["rules"]
    tone, state = (Tone.WARNING, "deciding by earlier rules") if rules["error"] else (
        Tone.GOOD, "deciding"
    )  # fmt: skip
    since = _when(status["started_at"], now)
    title = paint(Tone.STRONG, printable(name))
    head = f"{paint(tone, '●')} {title} - socketgate {status['version']}\n"
    lines = [
        ("State", [f"{paint(tone, state)} since {since}; process {status['pid']}"]),
        ("Rules", rules_lines(rules, now)),
        ("Error", [paint(Tone.BAD, printable(rules["error"]))] if rules["error"] else []),
        ("Bans", [str(status["bans"])]),
    ]
    return head + fields(lines) + "".join(_gate_text(one, now, paint) for one in status["gates"])


def rules_lines(rules: RulesState, now: float) -> list[str]:
    """Number, generation, age, files."""
    what = f"{count(rules['count'], 'rule')}, generation {rules['generation']}"
    return [f"{what}, since {_when(rules['loaded_at'], now)}", *map(printable, rules["files"])]


def _gate_text(gate: GateState, now: float, paint: Paint) -> str:
    outcomes = gate["outcomes"]
    total = sum(outcomes.values())
    ended = [f"{outcome} {number}" for outcome, number in outcomes.items() if number]
    waiting = f"{gate['waiting']} under way, {gate['held']} of them waiting for a backend"
    title = f"{printable(gate['daemon'])} on {printable(gate['address'])}"
    return "\n" + f"{paint(Tone.STRONG, title)}\n" + fields(
        [
            ("Backend", [_backend(one, paint) for one in gate["backends"]]),
            ("Connections", [", ".join([f"{total} so far", *ended]), waiting]),
            (
                "Refusing most",
                [f"{_by(one)} ({one['refused']})" for one in gate["top_refusals"]],
            ),
            (
                "Refused last",
                [
                    f"{printable(one['address']) or 'unknown'} {_when(one['at'], now)}, {_by(one)}"
                    for one in reversed(gate["last_refused"])
                ],
            ),
        ]
    )  # fmt: skip


def _by(by: RefusedBy) -> str:
    if by["ban"] is not None:
        return f"a ban of {printable(by['ban'])}"
    if by["file"] is not None:
        return f"{printable(by['file'])}:{by['line']}"
    return "not by a rule"


def _backend(backend: BackendState, paint: Paint) -> str:
    path = printable(backend["path"])
    if backend["trouble"]:
        return f"{path}: {paint(Tone.BAD, printable(backend['trouble']))}"
    if not backend["channels"]:
        return f"{path}: not connected now"
    return f"{path}: connected, {backend['unacknowledged']} clients on their way"


def _when(at: float, now: float) -> str:
    """`2024-05-01 12:00:00; 3h 5min ago`, as systemctl has it."""
    local = datetime.datetime.fromtimestamp(at).astimezone()
    return f"{local:%Y-%m-%d %H:%M:%S}; {span(now - at)} ago"
