# SPDX-License-Identifier: MIT
"""What one connection costs the gate: against the same system calls in C, and refused."""

from collections.abc import Iterator
from contextlib import ExitStack

from tests.bench import parts, rulesets
from tests.bench.measure import Bench, Line, median, on_cpu_seconds, ratio
from tests.bench.parts import Served


def cpu_us(bench: Bench, served: Served, sources: "parts.Path", count: int) -> float:
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
