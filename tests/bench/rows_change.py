# SPDX-License-Identifier: MIT
"""Changes of the rules: how soon they count, who waits meanwhile, what they take."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.bench import parts, rulesets
from tests.bench.measure import Bench, Line, median, on_cpu_seconds, timed
from tests.support.running import RunningGate, listening

#: Clients a second that come while the rules are reloaded: one each other millisecond.
RATE = 500
RELOAD_SECONDS = 60.0
#: The longest a client is waited for, in seconds, and all tries for a change to count.
CLIENT_SECONDS = 60.0

#: Not in any list, and of this machine's own network namespace.
VISITOR = "9.9.9.8"


def full_reload(bench: Bench) -> Iterator[Line]:
    """A million other lines renamed into place, while clients come."""
    scale = bench.scale
    folder = bench.place("reload")
    texts = [
        rulesets.lines_of(
            map(rulesets.text_of, rulesets.addresses(scale.many, listed=True, seed=n))
        )
        for n in (3, 4)
    ]
    in_force, longest, quiet = [], [], []
    with ExitStack() as stack:
        around = stack.enter_context(parts.surroundings(bench, folder, 0))
        served, process = stack.enter_context(
            parts.serving_gate(folder / "gate", around, deny=texts[0])
        )
        for number in range(1, scale.rounds + 1):
            before = parts.load(bench, served.port, RATE, rate=RATE)
            new = folder / "new"
            new.write_text(texts[number % 2])
            count = RATE * (1 if scale.many < 10_000 else 5)
            with parts.starting_load(bench, served.port, count, rate=RATE) as clients:
                wait_connected(served.port)
                with timed() as reload:
                    new.rename(process.deny)
                    process.wait_status(f"generation {number + 1}:", RELOAD_SECONDS)
                said = parts.finished(clients)
            in_force.append(reload.seconds)
            longest.append(said.max_us / 1000)
            quiet.append(before.max_us / 1000)
    yield Line(f"{scale.many:,} other lines: in force after", median(in_force), "s", 3.0)
    yield Line("longest a client waited meanwhile", median(longest), "ms", 10.0)
    yield Line("the same without a reload", median(quiet), "ms")
    bench.note(f"{RATE} clients a second, each timed from when it was due to its answer")


def wait_connected(port: int) -> None:
    """One client of our own, served: the load has begun by then or is about to."""
    visit(port)


def visit(port: int) -> bool:
    """Connect as VISITOR. Whether the backend answered."""
    with socket.socket() as sock:
        sock.settimeout(CLIENT_SECONDS)
        sock.bind((VISITOR, 0))
        sock.connect(("127.0.0.1", port))
        try:
            return sock.recv(64) == parts.ANSWER
        except ConnectionResetError:
            return False


def seconds_until(port: int, *, admitted: bool) -> float:
    """How long until a client is decided by the change that was just made."""
    with timed() as waited:
        deadline = time.monotonic() + CLIENT_SECONDS
        while visit(port) is not admitted:
            if time.monotonic() > deadline:
                raise TimeoutError("the change never counted")
    return waited.seconds


def one_line(bench: Bench) -> Iterator[Line]:
    """A ban appended as fail2ban's hostsdeny does, and taken away by `sed -i`."""
    scale = bench.scale
    folder = bench.place("change")
    banned, freed, cut = [], [], []
    with ExitStack() as stack:
        around = stack.enter_context(parts.surroundings(bench, folder, 0))
        deny = rulesets.deny_lines(scale.many)
        served, process = stack.enter_context(
            parts.serving_gate(folder / "gate", around, deny=deny)
        )
        for _ in range(scale.rounds):
            with process.deny.open("a") as file:
                file.write(f"{parts.DAEMON}: {VISITOR}\n")
            banned.append(seconds_until(served.port, admitted=False) * 1000)
            with timed() as sed:
                subprocess.run(("sed", "-i", f"/: {VISITOR}$/d", process.deny), check=True)
            cut.append(sed.seconds)
            freed.append(seconds_until(served.port, admitted=True))
    yield Line(f"appended to {scale.many:,} lines: refused after", median(banned), "ms", 100.0)
    yield Line(
        f"removed from {scale.many:,} lines by sed -i: admitted after", median(freed), "s", 3.0
    )
    yield Line("sed itself took", median(cut), "s")


def private_mb(pid: int) -> float:
    """Memory that is the process's alone (proc(5), smaps_rollup)."""
    rows = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]]
    return sum(int(row[1]) for row in rows if row[0].startswith("Private_")) / 1024


def memory(bench: Bench) -> Iterator[Line]:
    """A gate with a million rules, and another one of the same rules beside it."""
    scale = bench.scale
    folder = bench.place("memory")
    deny = rulesets.deny_lines(scale.many)
    shared = {"CACHE_DIRECTORY": str(folder / "cache")}
    (folder / "cache").mkdir()
    with ExitStack() as stack:
        around = stack.enter_context(parts.surroundings(bench, folder))
        few = rulesets.deny_lines(scale.few)
        private = {}
        for name, text, env in (
            ("few", few, {}),
            ("first", deny, shared),
            ("second", deny, shared),
        ):
            served = stack.enter_context(parts.gate(folder / name, around, deny=text, env=env))
            parts.load(bench, served.port, 1000)
            private[name] = private_mb(served.pid)
        yield Line(f"private memory with {scale.few:,} rules", private["few"], "MB")
        yield Line(f"private memory with {scale.many:,} rules", private["first"], "MB", 60.0)
        yield Line("a further gate of the same rules", private["second"], "MB", 25.0)
    bench.note(
        "the further gate has its own rule files, of the same text, and the same cache folder"
    )


def start(bench: Bench) -> Iterator[Line]:
    """From the process's begin to READY=1."""
    scale = bench.scale
    folder = bench.place("start")
    for count, is_compiled in ((scale.few, False), (scale.many, True)):
        place = folder / str(count)
        place.mkdir()
        with listening() as sock:
            text = rulesets.deny_lines(count)
            gate = RunningGate(place, [(parts.DAEMON, sock)], deny=text)
            starts, cpu = zip(*(start_ms(gate) for _ in range(scale.rounds + 1)), strict=True)
        told = f"{count:,} rules" + (", compiled before" if is_compiled else "")
        if is_compiled:
            yield Line(f"{count:,} rules, the first time", starts[0], "ms")
        yield Line(told, median(starts[1:]), "ms", 300.0)
        yield Line(f"{told}: on a processor", median(cpu[1:]), "ms")


def start_ms(gate: RunningGate) -> tuple[float, float]:
    """Start it, wait until it serves, stop it: by the clock on the wall, and on a processor."""
    with timed() as starting:
        gate.__enter__()
    cpu = on_cpu_seconds(gate.pid)
    gate.__exit__(None, None, None)
    for path in (gate.inbox.notify_path, gate.inbox.journal_path):
        path.unlink()  # the next start's own
    return starting.seconds * 1000, cpu * 1000
