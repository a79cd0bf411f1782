# SPDX-License-Identifier: MIT
"""What one connection costs the gate: against the same system calls in C, and refused."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench import parts, rulesets
from tests.bench.measure import Bench, Line, median, on_cpu_seconds, ratio
from tests.bench.parts import Served


def cpu_us(bench: Bench, served: Served, sources: Path, count: int) -> float:
    """Microseconds of the process's own time for each of so many connections."""
    before = on_cpu_seconds(served.pid)
    parts.load(bench, served.port, count, sources=sources)
    return (on_cpu_seconds(served.pid) - before) / count * 1e6


def gate_cpu(bench: Bench) -> Iterator[Line]:
    """Accepted, decided, handed over on a channel, acknowledged, one journal entry."""
    scale = bench.scale
    folder = bench.place("gate")
    clients = rulesets.addresses(50_000, listed=False)
    sources = rulesets.write_sources(folder / "sources", clients)
    costs: dict[str, list[float]] = {}
    with ExitStack() as stack:
        around = stack.enter_context(parts.surroundings(bench, folder))
        places = {"loop": stack.enter_context(parts.bare_loop(bench, around))}
        for name, count in (("few", scale.few), ("many", scale.many)):
            deny = rulesets.deny_lines(count)
            places[name] = stack.enter_context(parts.gate(folder / name, around, deny=deny))
        for served in places.values():
            parts.load(bench, served.port, scale.connections // 10, sources=sources)
        for _ in range(scale.rounds):
            for name, served in places.items():
                cost = cpu_us(bench, served, sources, scale.connections)
                costs.setdefault(name, []).append(cost)
    loop, few, many = costs["loop"], costs["few"], costs["many"]
    yield Line("bare C loop", median(loop), "us/connection")
    yield Line(f"gate, {scale.few:,} rules", median(few), "us/connection")
    yield Line(f"gate, {scale.many:,} rules", median(many), "us/connection")
    yield Line(f"gate, {scale.few:,} rules, against the C loop", ratio(few, loop), "x")
    yield Line(f"gate, {scale.many:,} rules, against the C loop", ratio(many, loop), "x", 1.8)
    yield Line(f"{scale.many:,} rules against {scale.few:,}", ratio(many, few), "x", 1.15)


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
    costs: dict[str, list[float]] = {}
    with ExitStack() as stack:
        around = stack.enter_context(parts.surroundings(bench, folder))
        deny = rulesets.deny_lines(scale.listed)
        places = {
            "gate": stack.enter_context(parts.gate(folder / "gate", around, deny=deny)),
            "haproxy": stack.enter_context(haproxy(folder, listed)),
        }
        for served in places.values():
            parts.load(bench, served.port, scale.connections // 10, sources=sources)
        for _ in range(scale.rounds):
            for name, served in places.items():
                cost = cpu_us(bench, served, sources, scale.connections)
                costs.setdefault(name, []).append(cost)
    yield Line("HAProxy", median(costs["haproxy"]), "us/connection")
    yield Line("gate", median(costs["gate"]), "us/connection")
    yield Line("gate against HAProxy", ratio(costs["gate"], costs["haproxy"]), "x", 1.0)
    bench.note("HAProxy logs none of these; the gate writes the first ones and counts the others")


@contextmanager
def haproxy(folder: Path, listed: Sequence[int]) -> Iterator[Served]:
    """HAProxy that refuses these, one thread."""
    addresses, config = folder / "listed", folder / "haproxy.cfg"
    addresses.write_text("".join(f"{rulesets.text_of(one)}\n" for one in listed))
    config.write_text(HAPROXY.format(listed=addresses))
    with (
        parts.listening() as sock,
        parts.running(("haproxy", "-db", "-f", str(config)), sock) as child,
    ):
        yield Served(child.pid, sock.getsockname()[1])
