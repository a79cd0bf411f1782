# SPDX-License-Identifier: MIT
"""`socketgate top`: the gates at work, once a second. q ends it."""

import argparse
import contextlib
import curses
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from socketgate.answers import CountersAnswer, GateCounters
from socketgate.cli import ExitCode
from socketgate.cli.gates import Gate, add_gates, ask_all, known_gates
from socketgate.cli.output import Paint, printable, table, write
from socketgate.cli.status import wanted_gates
from socketgate.cli.statustext import silent_words
from socketgate.errors import ConfigError, NotPermitted, SocketgateError
from socketgate.wording import count

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

#: What a gate counts, or in words why it gives no answer.
Counted = CountersAnswer | str


@dataclass(frozen=True, slots=True)
class Sample:
    """All gates' numbers at one time."""

    at: float
    answers: tuple[tuple[str, Counted], ...]

    def sockets(self) -> Iterator[tuple[str, float, GateCounters]]:
        """Every listening socket of those that answer: the gate, when it started, the numbers."""
        for name, answer in self.answers:
            if not isinstance(answer, str):
                for one in answer["gates"]:
                    yield name, answer["started_at"], one


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one listening socket does."""

    gate: str
    counters: GateCounters
    rates: dict[str, float]

    @property
    def rate(self) -> float:
        """Connections a second."""
        return sum(self.rates.values())


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="one gate (default: all)")
    parser.add_argument(
        "--seconds", type=_seconds, default=1.0, metavar="S", help="between two looks (default: 1)"
    )
    parser.add_argument(
        "--count", type=_count, metavar="N", help="print so many tables instead of a live one"
    )
    parser.add_argument(
        "--json", action="store_true", help="with --count: print JSON, a line for each look"
    )
    add_gates(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it; the answer is the exit code."""
    if arguments.json and arguments.count is None:
        raise ConfigError("top --json needs --count N")
    wanted = wanted_gates(arguments)

    def look() -> Sample:
        """At whatever gates there are by now."""
        return take_sample(wanted if arguments.name else known_gates(arguments.gates))

    if arguments.name is not None:
        wanted[0].ask("Counters", {}, CountersAnswer)  # or say why there is nothing to be seen
    before = take_sample(wanted)
    if arguments.count is not None:
        for _ in range(arguments.count):
            time.sleep(arguments.seconds)  # what was asked for
            now = look()
            write(as_json(before, now) if arguments.json else as_table(before, now))
            before = now
        return ExitCode.OK
    if not sys.stdout.isatty():
        raise ConfigError("top needs a terminal: --count N prints instead")
    try:
        curses.wrapper(watch, look, before, arguments.seconds)
    except KeyboardInterrupt:
        return ExitCode.OK
    except curses.error as error:
        raise ConfigError(f"the terminal (TERM) can't show it: {error}") from error
    return ExitCode.OK


def take_sample(gates: Sequence[Gate]) -> Sample:
    """Ask every gate. Raises NotPermitted."""
    answers: list[tuple[str, Counted]] = []
    for gate, answer in zip(gates, ask_all(gates, "Counters", CountersAnswer), strict=True):
        if isinstance(answer, NotPermitted):
            raise answer
        if isinstance(answer, SocketgateError):
            answers.append((gate.name, silent_words(gate.unit)[1]))
        else:
            answers.append((gate.name, answer))
    return Sample(time.monotonic(), tuple(answers))


def work_between(before: Sample, now: Sample) -> list[Work]:
    """Of each listening socket, the busiest first.

    A gate that has started again counts from nothing; one that was not there has no rate yet.
    """
    seconds = max(now.at - before.at, 0.001)
    earlier = {(name, one["daemon"], one["address"]): (start, one["outcomes"])
               for name, start, one in before.sockets()}  # fmt: skip
    found = []
    for name, start, one in now.sockets():
        outcomes = one["outcomes"]
        started, counted = earlier.get((name, one["daemon"], one["address"]), (start, outcomes))
        base = counted if started == start else {}
        rates = {word: (outcomes[word] - base.get(word, 0)) / seconds for word in outcomes}
        found.append(Work(gate=name, counters=one, rates=rates))
    return sorted(found, key=lambda work: (-work.rate, work.counters["daemon"]))


def rows(before: Sample, now: Sample) -> list[tuple[str, ...]]:
    """A row for each listening socket, then one for each gate that gives no answer."""
    empty = ("",) * (len(HEADINGS) - 2)
    silent = [(name, one) for name, one in now.answers if isinstance(one, str)]
    return [
        *map(_row, work_between(before, now)),
        *((printable(name), words, *empty) for name, words in silent),
    ]


def as_table(before: Sample, now: Sample) -> str:
    """The rows with their headings."""
    return table(HEADINGS, rows(before, now), Paint(is_on=False))


def as_json(before: Sample, now: Sample) -> str:
    """The same on one line."""
    sockets = [
        {"gate": work.gate, **work.counters, "per_second": work.rates}
        for work in work_between(before, now)
    ]
    silent = {name: one for name, one in now.answers if isinstance(one, str)}
    look = {"seconds": now.at - before.at, "sockets": sockets, "silent": silent}
    return json.dumps(look) + "\n"


def watch(
    screen: curses.window, look: Callable[[], Sample], before: Sample, seconds: float
) -> None:
    """Until q."""
    with contextlib.suppress(curses.error):  # a terminal without colours, or that shows its cursor
        curses.use_default_colors()
        curses.curs_set(0)
    screen.timeout(int(seconds * 1000))
    draw(screen, before, before)
    while screen.getch() not in QUIT:
        now = look()
        draw(screen, before, now)
        before = now


def draw(screen: curses.window, before: Sample, now: Sample) -> None:
    """What fits on the screen."""
    height, width = screen.getmaxyx()
    bans = max((one["bans"] for _, one in now.answers if not isinstance(one, str)), default=0)
    about = f"{count(len(now.answers), 'gate')}, {count(bans, 'ban')}"
    head = f"socketgate - {about} - {time.strftime('%H:%M:%S')}"
    screen.erase()
    for at, line in enumerate([head, "", *as_table(before, now).splitlines()][:height]):
        style = curses.A_REVERSE if at == 2 else curses.A_NORMAL
        screen.addnstr(at, 0, line, width - 1, style)
    screen.refresh()


def _row(work: Work) -> tuple[str, ...]:
    counters, outcomes = work.counters, work.counters["outcomes"]
    other = [f"{word} {n}" for word, n in outcomes.items() if n and word not in OWN_COLUMN]
    return (
        printable(counters["daemon"]),
        printable(counters["address"]),
        f"{work.rate:.1f}",
        f"{work.rates['handed-over']:.1f}",
        f"{work.rates['refused']:.1f}",
        str(counters["waiting"]),
        str(counters["held"]),
        str(sum(outcomes.values())),
        ", ".join(other),
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number of seconds from 0.1 to 3600")
    return seconds


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < (number := int(text)) < 1_000_000_000:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number from 1 up")
    return number
