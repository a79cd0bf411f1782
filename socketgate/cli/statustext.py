# SPDX-License-Identifier: MIT
"""A gate's state for people, as `systemctl status` shows that of a unit."""

import datetime

from socketgate.answers import (
    BackendState,
    CommandsState,
    GateState,
    RefusedBy,
    RulesState,
    StatusAnswer,
)
from socketgate.cli.output import Paint, Tone, fields, printable
from socketgate.cli.times import span
from socketgate.gateunits import GateUnit, UnitState
from socketgate.wording import count

#: Of a gate that gives no answer: how its units are, in words.
SILENT = {
    UnitState.FAILED: (Tone.BAD, "failed"),
    UnitState.WAITING: (Tone.GOOD, "waiting for its first client"),
    UnitState.STOPPED: (Tone.FAINT, "stopped"),
    UnitState.STARTING: (Tone.WARNING, "starting or stopping"),
    UnitState.RUNNING: (Tone.BAD, "running, but it doesn't answer"),
}


def silent_words(unit: GateUnit | None) -> tuple[Tone, str]:
    """How a gate that gives no answer is; without units, its control socket is all that is seen."""
    return SILENT[unit.state] if unit else (Tone.BAD, "doesn't answer")


def status_text(name: str, status: StatusAnswer, now: float, paint: Paint) -> str:
    """A gate that answers."""
    rules = status["rules"]
    tone, remarks = _remarks(status, now)
    since = _when(status["started_at"], now)
    deciding = f"{paint(tone, 'deciding')} since {since}; process {status['pid']}"
    lines = [
        ("State", [deciding, *(paint(tone, remark) for remark in remarks)]),
        ("Rules", rules_lines(rules, now)),
        ("Error", [paint(Tone.BAD, printable(rules["error"]))] if rules["error"] else []),
        ("Commands", commands_lines(status["commands"], paint)),
        ("Bans", [str(status["bans"])]),
    ]
    head = _head(name, f"socketgate {status['version']}", tone, paint)
    return head + fields(lines) + "".join(_gate_text(one, now, paint) for one in status["gates"])


def silent_text(name: str, unit: GateUnit | None, now: float, paint: Paint) -> str:
    """A gate that gives no answer, by its units; None: by its control socket, which is there."""
    tone, state = silent_words(unit)
    if unit is None:
        return _head(name, "gate", tone, paint) + fields([("State", [paint(tone, state)])])
    since = f" since {_when(unit.since, now)}" if unit.since is not None else ""
    has_failed = unit.state is UnitState.FAILED
    result = f"; {unit.culprit}: {unit.result}" if has_failed and unit.result != "success" else ""
    return _head(name, unit.service, tone, paint) + fields(
        [
            ("State", [f"{paint(tone, state)}{since}{result}"]),
            ("Error", [paint(tone, printable(unit.said))] if unit.said and has_failed else []),
            ("Listens", list(map(printable, unit.listens))),
        ]
    )


def rules_lines(rules: RulesState, now: float) -> list[str]:
    """Number, generation, age, files."""
    what = f"{count(rules['count'], 'rule')}, generation {rules['generation']}"
    return [f"{what}, since {_when(rules['loaded_at'], now)}", *map(printable, rules["files"])]


def commands_lines(commands: CommandsState | None, paint: Paint) -> list[str]:
    """Who runs the rules' commands; nothing if they have none."""
    if commands is None:
        return []
    if commands["trouble"]:
        return [paint(Tone.BAD, f"can't be run: {printable(commands['trouble'])}")]
    runner = "a child of the gate" if commands["path"] is None else printable(commands["path"])
    return [f"{runner}: {'connected' if commands['connected'] else 'there'}"]


def _head(name: str, about: str, tone: Tone, paint: Paint) -> str:
    return f"{paint(tone, '●')} {paint(Tone.STRONG, printable(name))} - {printable(about)}\n"


def _remarks(status: StatusAnswer, now: float) -> tuple[Tone, list[str]]:
    """What is wrong with it, and how bad that is."""
    starved: dict[str, None] = {}
    once_starved: dict[str, None] = {}
    for gate in status["gates"]:
        if all(backend["trouble"] for backend in gate["backends"]):
            is_old = any(_seconds_untried(backend, gate, now) for backend in gate["backends"])
            (once_starved if is_old else starved)[printable(gate["daemon"])] = None
    remarks = ["by earlier rules: the files have an error"] if status["rules"]["error"] else []
    if once_starved:
        remarks.append(f"the last clients of {', '.join(once_starved)} found no backend")
    grave = [f"clients of {', '.join(starved)} find no backend"] if starved else []
    if status["commands"] and status["commands"]["trouble"]:
        grave.append("clients whose rule has a command are refused")
    tone = Tone.BAD if grave else Tone.WARNING if remarks else Tone.GOOD
    return tone, [*remarks, *grave]


def _gate_text(gate: GateState, now: float, paint: Paint) -> str:
    outcomes = gate["outcomes"]
    total = sum(outcomes.values())
    ended = [f"{outcome} {number}" for outcome, number in outcomes.items() if number]
    waiting = f"{gate['waiting']} under way, {gate['held']} of them waiting for a backend"
    title = f"{printable(gate['daemon'])} on {printable(gate['address'])}"
    return "\n" + f"{paint(Tone.STRONG, title)}\n" + fields(
        [
            ("Backend", [_backend(one, gate, now, paint) for one in gate["backends"]]),
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


def _seconds_untried(backend: BackendState, gate: GateState, now: float) -> int:
    """How long ago its trouble was, if it may be over: nobody waits, so it isn't tried. Else 0."""
    at = backend["trouble_at"]
    return 0 if at is None or gate["held"] else max(int(now - at), 0)


def _backend(backend: BackendState, gate: GateState, now: float, paint: Paint) -> str:
    path, trouble = printable(backend["path"]), printable(backend["trouble"] or "")
    if trouble:
        text = trouble if path in trouble else f"{path}: {trouble}"
        if seconds := _seconds_untried(backend, gate, now):
            return paint(Tone.WARNING, f"{text} ({span(seconds)} ago, not tried since)")
        return paint(Tone.BAD, text)
    state = "connected" if backend["channels"] else "there"
    on_their_way = backend["unacknowledged"]
    return f"{path}: {state}" + (
        f", {count(on_their_way, 'client')} on the way" if on_their_way else ""
    )


def _when(at: float, now: float) -> str:
    """`2024-05-01 12:00:00; 3h 5min ago`, as systemctl has it."""
    local = datetime.datetime.fromtimestamp(at).astimezone()
    return f"{local:%Y-%m-%d %H:%M:%S}; {span(now - at)} ago"
