# SPDX-License-Identifier: MIT
"""What a client notices: the time to its answer, through the gate and without it."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench import parts, rulesets
from tests.bench.measure import Bench, Line, median, ratio
from tests.bench.parts import Served
from tests.support.running import RunningGate, listening

#: Clients a second while the rules are reloaded, and for how long, in seconds.
RATE = 500
SECONDS = 5
RELOAD_SECONDS = 60.0


@contextmanager
def direct_backend(bench: Bench) -> Iterator[Served]:
    """The same backend, accepting by itself."""
    words = (bench.program("backend"), "direct", "0", "0")
    with listening() as sock, parts.running(words, sock) as child:
        yield Served(child.pid, sock.getsockname()[1])


def added(bench: Bench) -> Iterator[Line]:
    """One client after the other on an idle machine, directly and through the gate."""
    scale = bench.scale
    folder = bench.place("added")
    middle: dict[str, list[float]] = {"direct": [], "gate": []}
    slow: dict[str, list[float]] = {"direct": [], "gate": []}
    with ExitStack() as stack:
        around = stack.enter_context(parts.surroundings(bench, folder, 0))
        deny = rulesets.deny_lines(scale.many)
        places = {
            "direct": stack.enter_context(direct_backend(bench)),
            "gate": stack.enter_context(parts.gate(folder / "gate", around, deny=deny)),
        }
        for _ in range(scale.rounds):
            for name, served in places.items():
                said = parts.load(bench, served.port, scale.connections // 4, at_once=1)
                middle[name].append(said.p50_us)
                slow[name].append(said.p99_us)
    for told, figures in (("p50", middle), ("p99", slow)):
        yield Line(f"{told}, directly", median(figures["direct"]), "us")
        yield Line(f"{told}, through the gate", median(figures["gate"]), "us")
        pairs = zip(figures["gate"], figures["direct"], strict=True)
        yield Line(f"{told}, added", median([one - other for one, other in pairs]), "us")


def while_reloading(bench: Bench) -> Iterator[Line]:
    """The slowest of a hundred clients, with reloads one after the other and with none.

    And the same for clients of a backend without a gate: what waiting for a processor alone does.
    """
    scale = bench.scale
    folder = bench.place("reloading")
    texts = [
        rulesets.lines_of(
            map(rulesets.text_of, rulesets.addresses(scale.many, listed=True, seed=seed))
        )
        for seed in (3, 4)
    ]
    seconds = SECONDS if scale.many > 10_000 else 1
    quiet: dict[str, list[float]] = {"gate": [], "direct": []}
    busy: dict[str, list[float]] = {"gate": [], "direct": []}
    with ExitStack() as stack:
        around = stack.enter_context(parts.surroundings(bench, folder, 0))
        served, process = stack.enter_context(
            parts.serving_gate(folder / "gate", around, deny=texts[0])
        )
        files = [folder / "first", folder / "second"]
        for file, text in zip(files, texts, strict=True):
            file.write_text(text)
        direct = stack.enter_context(direct_backend(bench))
        generation = 1
        for _ in range(scale.rounds):
            for name, port in (("gate", served.port), ("direct", direct.port)):
                quiet[name].append(parts.load(bench, port, RATE * seconds, rate=RATE).p99_us)
                with parts.starting_load(bench, port, RATE * seconds, rate=RATE) as clients:
                    generation = reload_until(clients, process, files, generation)
                    busy[name].append(parts.finished(clients).p99_us)
    yield Line(f"p99 at {RATE} clients a second, no reload", median(quiet["gate"]), "us")
    yield Line(f"p99 with reloads of {scale.many:,} lines going on", median(busy["gate"]), "us")
    yield Line("p99 with reloads against none", ratio(busy["gate"], quiet["gate"]), "x", 2.0)
    yield Line("directly, not through the gate: no reload", median(quiet["direct"]), "us")
    yield Line("directly, with those reloads going on", median(busy["direct"]), "us")
    yield Line("directly, with reloads against none", ratio(busy["direct"], quiet["direct"]), "x")


def reload_until(
    clients: "subprocess.Popen[str]", process: RunningGate, files: list[Path], generation: int
) -> int:
    """Reload again and again until the clients are done. The answer is the last generation.

    The files are there already: to write a million lines would take a processor from the clients.
    """
    while clients.poll() is None:
        new = process.folder / "new"
        new.hardlink_to(files[generation % 2])
        new.rename(process.deny)
        generation += 1
        process.wait_status(f"generation {generation}:", RELOAD_SECONDS)
    return generation
