# SPDX-License-Identifier: MIT
"""What one connection costs the gate: against the same system calls in C, and refused."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.bench import parts, rulesets
from tests.bench.measure import Bench, Line, median, on_cpu_seconds, ratio
from tests.bench.parts import Served
from tests.support.running import listening

#: Connections a second that leave the gate alone with each: nothing comes in bursts.
CALM_RATE = 1000


@dataclass(frozen=True, slots=True)
class Costs:
    """Microseconds of a process's own time for a connection, by process, one for each round."""

    bench: Bench
    sources: Path
    are_refused: bool = False
    figures: dict[str, list[float]] = field(default_factory=dict)

    def measure(self, places: Mapping[str, Served], count: int, rate: float = 0) -> None:
        """Put the same load on one after the other, several times."""
        for served in places.values():
            self._load(served, count // 10, rate)
        for _ in range(self.bench.scale.rounds):
            for name, served in places.items():
                before = on_cpu_seconds(served.pid)
                self._load(served, count, rate)
                used = on_cpu_seconds(served.pid) - before
                self.figures.setdefault(name, []).append(used / count * 1e6)

    def line(self, name: str) -> Line:
        """The median of one."""
        return Line(name, median(self.figures[name]), "us/connection")

    def against(self, name: str, other: str, target: float | None = None) -> Line:
        """The ratio of two."""
        value = ratio(self.figures[name], self.figures[other])
        return Line(f"{name}, against {other}", value, "x", target)

    def _load(self, served: Served, count: int, rate: float) -> None:
        parts.load(
            self.bench,
            served.port,
            count,
            rate=rate,
            sources=self.sources,
            are_refused=self.are_refused,
        )


def gate_cpu(bench: Bench) -> Iterator[Line]:
    """Accepted, decided, handed over on a channel, acknowledged, one journal entry."""
    scale = bench.scale
    folder = bench.place("gate")
    clients = rulesets.addresses(50_000, listed=False)
    sources = rulesets.write_sources(folder / "sources", clients)
    busy, calm = Costs(bench, sources), Costs(bench, sources)
    loop, few, many = "the C loop", f"gate, {scale.few:,} rules", f"gate, {scale.many:,} rules"
    dual = f"{many}, on [::]"
    with ExitStack() as stack:
        around = stack.enter_context(parts.surroundings(bench, folder))
        places = {loop: stack.enter_context(parts.bare_loop(bench, around))}
        for name, count in ((few, scale.few), (many, scale.many), (dual, scale.many)):
            place, deny = folder / str(len(places)), rulesets.deny_lines(count)
            listener = parts.dual_listening if name == dual else listening
            served = parts.gate(place, around, deny=deny, listener=listener)
            places[name] = stack.enter_context(served)
        busy.measure(places, scale.connections)
        calm.measure(
            {name: places[name] for name in (loop, many)}, scale.connections // 10, CALM_RATE
        )
    yield from (busy.line(name) for name in places)
    yield busy.against(few, loop)
    yield busy.against(many, loop, 1.8)
    yield busy.against(many, few, 1.15)
    for line in (calm.line(loop), calm.line(many), calm.against(many, loop)):
        yield replace(line, what=f"{CALM_RATE:,} connections a second: {line.what}")


HAPROXY = """\
global
    nbthread 1
defaults
    mode tcp
    timeout connect 10s
    timeout client 10s
    timeout server 10s
frontend listed
    bind fd@3
    tcp-request connection reject if {{ src -f {listed} }}
    default_backend nobody
backend nobody
    server nobody 127.0.0.1:9
"""


def refused_cpu(bench: Bench) -> Iterator[Line]:
    """A listed client, refused: the gate beside HAProxy with the same list, one thread."""
    scale = bench.scale
    folder = bench.place("refused")
    listed = rulesets.addresses(scale.listed, listed=True)
    sources = rulesets.write_sources(folder / "sources", listed[: len(listed) // 4])
    costs = Costs(bench, sources, are_refused=True)
    with ExitStack() as stack:
        around = stack.enter_context(parts.surroundings(bench, folder))
        deny = rulesets.deny_lines(scale.listed)
        places = {
            "HAProxy": stack.enter_context(haproxy(folder, listed)),
            "gate": stack.enter_context(parts.gate(folder / "gate", around, deny=deny)),
        }
        costs.measure(places, scale.connections)
    yield from (costs.line(name) for name in places)
    yield costs.against("gate", "HAProxy", 1.0)
    bench.note("HAProxy logs none of these; the gate writes the first ones and counts the others")


@contextmanager
def haproxy(folder: Path, listed: Sequence[int]) -> Iterator[Served]:
    """HAProxy that refuses these, one thread."""
    addresses, config = folder / "listed", folder / "haproxy.cfg"
    addresses.write_text("".join(f"{rulesets.text_of(one)}\n" for one in listed))
    config.write_text(HAPROXY.format(listed=addresses))
    with (
        listening() as sock,
        parts.running(("haproxy", "-db", "-f", str(config)), sock) as child,
    ):
        yield Served(child.pid, sock.getsockname()[1])
