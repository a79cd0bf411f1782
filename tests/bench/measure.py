# SPDX-License-Identifier: MIT
"""What is measured: a row of the table has lines, a line a value and perhaps a target."""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Line:
    """One figure. With a target it is met when the value is at most that."""

    what: str
    value: float
    unit: str
    target: float | None = None

    @property
    def is_missed(self) -> bool:
        """Whether there is a target and the figure is above it."""
        return self.target is not None and self.value > self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured. The figures in the documentation are of the defaults."""

    many: int = 1_000_000  # rules, where there are many
    six: int = 200_000  # IPv6 entries beside them
    listed: int = 200_000  # rules of the long list that peers are compared with
    few: int = 10
    connections: int = 20_000  # in one measurement of the gate's own cost
    slow_connections: int = 400  # of a peer that starts a process for each
    slowest_connections: int = 40  # of a peer that reads the long list for each
    decisions: int = 20_000
    libwrap_lines: tuple[int, ...] = (10, 1_000, 10_000, 100_000, 1_000_000)
    rounds: int = 5


TINY = Scale(
    many=2_000,
    six=200,
    listed=500,
    connections=300,
    slow_connections=10,
    slowest_connections=5,
    decisions=200,
    libwrap_lines=(10, 100),
    rounds=1,
)


@dataclass(frozen=True, slots=True)
class Bench:
    """What every row gets: how much to measure, a folder for its files, the helpers built."""

    scale: Scale
    folder: Path
    programs: Path
    notes: list[str] = field(default_factory=list)

    def place(self, name: str) -> Path:
        """A new folder, for what a test would get as its own."""
        path = self.folder / name
        path.mkdir()
        return path

    def program(self, name: str) -> str:
        """The path of a helper."""
        return str(self.programs / name)

    def note(self, text: str) -> None:
        """Something the reader of the row has to know."""
        self.notes.append(text)


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def ratio(values: Sequence[float], to: Sequence[float]) -> float:
    """The median of the ratios, pair by pair: what was measured side by side is compared."""
    return median([value / base for value, base in zip(values, to, strict=True) if base])


def on_cpu_seconds(pid: int) -> float:
    """How long a process, all of its threads, has been on a processor (proc(5), schedstat)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


@dataclass(slots=True)
class Timer:
    """How long the body of a `with` took."""

    seconds: float = 0.0


@contextmanager
def timed() -> Iterator[Timer]:
    """Measure the body by the clock on the wall."""
    timer = Timer()
    start = time.perf_counter()
    yield timer
    timer.seconds = time.perf_counter() - start
