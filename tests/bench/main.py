# SPDX-License-Identifier: MIT
"""The benchmark's command line: see tests/bench/run."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench import (
    parts,
    report,
    rows_bans,
    rows_box,
    rows_chain,
    rows_change,
    rows_decide,
    rows_gate,
    rows_instances,
    rows_latency,
    surround,
)
from tests.bench.measure import TINY, Bench, Line, Scale

RowFunction = Callable[[Bench], Iterator[Line]]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: what it says, and what measures it."""

    title: str
    measure: RowFunction


ROWS = {
    "gate": Row("CPU of the gate alone for a connection handed over", rows_gate.gate_cpu),
    "refused": Row("CPU of the gate alone for a connection refused", rows_gate.refused_cpu),
    "decide": Row("one decision, from the address as text", rows_decide.decisions),
    "libwrap": Row("one decision, beside the real libwrap", rows_decide.beside_libwrap),
    "reload": Row("all rules replaced", rows_change.full_reload),
    "change": Row("one line added, one line removed", rows_change.one_line),
    "bans": Row("bans, where there are very many", rows_bans.banning),
    "memory": Row("memory", rows_change.memory),
    "start": Row("start, to READY=1", rows_change.start),
    "chain": Row("the whole chain, beside what people use today", rows_chain.chains),
    "box": Row("a unit for each client, under systemd", rows_box.units),
    "latency": Row("what a client waits, on an idle machine", rows_latency.added),
    "reloading": Row("what a client waits while rules are reloaded", rows_latency.while_reloading),
    "instances": Row("one gate, and two on one port", rows_instances.sharing),
}


def measured(bench: Bench, name: str) -> report.Measured:
    """Measure one row, with what it needs started and ended. Never fails: it says so instead."""
    row = ROWS[name]
    lines: list[Line] = []
    trouble = ""
    try:
        lines.extend(row.measure(bench))
    except Exception as error:  # noqa: BLE001  # one row's trouble is not the others'
        trouble = f"{type(error).__name__}: {error}"
    return report.Measured(
        name=name, title=row.title, lines=lines, notes=list(bench.notes), trouble=trouble
    )


def measure_all(names: Sequence[str], scale: Scale, *, as_json: bool) -> bool:
    """Measure these rows and show them as they come. Whether all could be."""
    where = report.machine()
    if not as_json:
        report.show_head(where, scale)
    rows = []
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # through every `with`: nothing is left
    surround.set_up_network()
    with (
        tempfile.TemporaryDirectory(prefix="socketgate-bench-") as folder,
        surround.own_etc(Path(folder, "etc")),
        surround.own_group(),
    ):
        programs = Path(folder, "programs")
        programs.mkdir()
        parts.build_helpers(programs)
        for name in names:
            place = Path(folder, name)
            place.mkdir()
            row = measured(Bench(scale, place, programs), name)
            rows.append(row)
            if not as_json:
                report.show(row)
    if as_json:
        report.say(report.as_json(where, scale, rows))
    return not any(row.trouble for row in rows)


def main() -> int:
    """The exit code: 0 when every row was measured, whatever it showed."""
    parser = argparse.ArgumentParser(
        prog="tests/bench/run",
        description="Measure: " + "; ".join(f"{name} ({row.title})" for name, row in ROWS.items()),
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each is measured")
    parser.add_argument("--tiny", action="store_true", help="tiny numbers: only whether it works")
    parser.add_argument(surround.INSIDE, action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = set(arguments.rows) - ROWS.keys()
    if unknown:
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    if os.geteuid() != 0:
        parser.error("needs root, for a network namespace of its own")
    if not arguments.inside:
        surround.install_peers()
        surround.enter_namespace(sys.argv[1:])
    scale = TINY if arguments.tiny else Scale()
    if arguments.rounds:
        scale = replace(scale, rounds=max(1, arguments.rounds))
    names = arguments.rows or list(ROWS)
    return 0 if measure_all(names, scale, as_json=arguments.json) else 1


if __name__ == "__main__":
    sys.exit(main())
