# SPDX-License-Identifier: MIT
"""`socketgate top`: the gates at work, once a second. q ends it."""

import argparse
import curses
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from socketgate.answers import CountersAnswer, GateCounters
from socketgate.cli import ExitCode
from socketgate.cli.gates import Gate, add_gates
from socketgate.cli.output import Paint, printable, table, write
from socketgate.cli.status import wanted_gates
from socketgate.errors import ConfigError, GateUnreachable

HELP = "show the gates at work, once a second"
HEADINGS = (
    "DAEMON",
    "LISTENS",
    "ALL/s",
    "HANDED/s",
    "REFUSED/s",
    "WAITING",
    "HELD",
    "TOTAL",
    "OTHER",
)
#: The outcomes that have a column of their own.
OWN_COLUMN = ("handed-over", "refused")
QUIT = frozenset(map(ord, "qQ\x1b"))


@dataclass(frozen=True, slots=True)
class Sample:
    """All gates' numbers at one time."""

    at: float
    answers: tuple[tuple[str, CountersAnswer], ...]

    def outcomes(self) -> dict[tuple[str, str, str], dict[str, int]]:
        """By gate, daemon and address."""
        return {
            (name, one["daemon"], one["address"]): one["outcomes"]
            for name, answer in self.answers
            for one in answer["gates"]
        }


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="one gate (default: all)")
    parser.add_argument(
        "--seconds", type=_seconds, default=1.0, metavar="S", help="between two looks (default: 1)"
    )
    parser.add_argument(
        "--count", type=int, metavar="N", help="print so many tables instead of a live one"
    )
    add_gates(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it; the answer is the exit code."""
    gates = wanted_gates(arguments)
    before = take_sample(gates)
    if arguments.count is not None:
        for _ in range(arguments.count):
            time.sleep(arguments.seconds)
            now = take_sample(gates)
            write(as_table(before, now))
            before = now
        return ExitCode.OK
    if not sys.stdout.isatty():
        raise ConfigError("top needs a terminal: --count N prints instead")
    try:
        curses.wrapper(watch, gates, before, arguments.seconds)
    except KeyboardInterrupt:
        return ExitCode.OK
    except curses.error as error:
        raise ConfigError(f"the terminal (TERM) can't show it: {error}") from error
    return ExitCode.OK


def take_sample(gates: Sequence[Gate]) -> Sample:
    """Ask every gate; one that has just stopped is left out. Raises SocketgateError."""
    answers = []
    for gate in gates:
        try:
            answers.append((gate.name, gate.ask("Counters", {}, CountersAnswer)))
        except GateUnreachable:
            if len(gates) == 1:
                raise
    return Sample(time.monotonic(), tuple(answers))


def rows(before: Sample, now: Sample) -> list[tuple[str, ...]]:
    """A row for each listening socket, the busiest first."""
    seconds = max(now.at - before.at, 0.001)
    earlier = before.outcomes()
    found = []
    for name, answer in now.answers:
        for gate in answer["gates"]:
            key = (name, gate["daemon"], gate["address"])
            found.append(_row(gate, earlier.get(key, gate["outcomes"]), seconds))
    return [row for _, row in sorted(found, key=lambda item: (-item[0], item[1]))]


def as_table(before: Sample, now: Sample) -> str:
    """The rows with their headings."""
    return table(HEADINGS, rows(before, now), Paint(is_on=False))


def watch(screen: curses.window, gates: Sequence[Gate], before: Sample, seconds: float) -> None:
    """Until q."""
    curses.use_default_colors()
    curses.curs_set(0)
    screen.timeout(int(seconds * 1000))
    while screen.getch() not in QUIT:
        now = take_sample(gates)
        draw(screen, before, now)
        before = now


def draw(screen: curses.window, before: Sample, now: Sample) -> None:
    """What fits on the screen."""
    height, width = screen.getmaxyx()
    bans = max((answer["bans"] for _, answer in now.answers), default=0)
    head = f"socketgate - {len(now.answers)} gates, {bans} bans - {time.strftime('%H:%M:%S')}"
    screen.erase()
    for at, line in enumerate([head, "", *as_table(before, now).splitlines()][:height]):
        style = curses.A_REVERSE if at == 2 else curses.A_NORMAL
        screen.addnstr(at, 0, line, width - 1, style)
    screen.refresh()


def _row(
    gate: GateCounters, earlier: dict[str, int], seconds: float
) -> tuple[float, tuple[str, ...]]:
    outcomes = gate["outcomes"]
    rate = {word: (outcomes[word] - earlier.get(word, 0)) / seconds for word in outcomes}
    total = sum(outcomes.values())
    other = [f"{word} {outcomes[word]}" for word in outcomes if word not in OWN_COLUMN]
    busy = sum(rate.values())
    return busy, (
        printable(gate["daemon"]),
        printable(gate["address"]),
        f"{busy:.1f}",
        f"{rate['handed-over']:.1f}",
        f"{rate['refused']:.1f}",
        str(gate["waiting"]),
        str(gate["held"]),
        str(total),
        ", ".join(text for text in other if not text.endswith(" 0")),
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("write a number of seconds from 0.1 to 3600")
    return seconds
