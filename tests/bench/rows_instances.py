# SPDX-License-Identifier: MIT
"""Several gates on one port (ReusePort=yes): how far a second one gets on this machine."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.bench import parts, rulesets
from tests.bench.measure import Bench, Line, median, ratio


def sharing(bench: Bench) -> Iterator[Line]:
    """The same load on one gate and on two that share a port."""
    scale = bench.scale
    folder = bench.place("instances")
    rates: dict[int, list[float]] = {1: [], 2: []}
    with ExitStack() as stack:
        around = stack.enter_context(parts.surroundings(bench, folder))
        sources = rulesets.addresses(50_000, listed=False)
        from_everywhere = rulesets.write_sources(folder / "sources", sources)
        ports = {count: start_sharing(stack, folder / str(count), around, count) for count in rates}
        for _ in range(scale.rounds):
            for count, port in ports.items():
                said = parts.load(bench, port, scale.connections, sources=from_everywhere)
                rates[count].append(said.count / said.seconds)
    for count, figures in rates.items():
        yield Line(f"gates on the port: {count}", median(figures), "connections/s")
    yield Line("two against one", ratio(rates[2], rates[1]), "x")
    bench.note("clients, backend and gates share the processors: more than two would show more")


def start_sharing(stack: ExitStack, folder: Path, around: parts.Surroundings, count: int) -> int:
    """So many gates on one port, which is the answer."""
    folder.mkdir()
    deny = rulesets.deny_lines(10)
    port = 0
    for number in range(count):
        listener = partial(parts.sharing_listening, port)
        gate = parts.gate(folder / str(number), around, deny=deny, listener=listener)
        port = stack.enter_context(gate).port
    return port
