# SPDX-License-Identifier: MIT
"""Bans: what `socketgate ban` takes, how soon it counts, and what very many cost a gate."""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from socketgate.bans import Ban, parse_net
from socketgate.banstore import Store
from tests.bench import parts
from tests.bench.measure import Bench, Line, median, timed
from tests.bench.rows_change import VISITOR, private_mb, seconds_until
from tests.support.running import PROJECT, RunningGate, listening

SETTINGS = """
[daemon.{daemon}]
backend = "{backend}"
[bans]
store = "{store}"
"""


def banning(bench: Bench) -> Iterator[Line]:
    """A ban more, and its end, where there are a hundred thousand."""
    count = bench.scale.listed // 2
    folder = bench.place("bans")
    banned: list[float] = []
    worked: list[float] = []
    counted: list[float] = []
    freed: list[float] = []
    with ExitStack() as stack:
        around = stack.enter_context(parts.surroundings(bench, folder, 0))
        store = Store(folder / "store" / "bans")
        store.path.parent.mkdir()
        with serving(folder / "few", around, store) as (port, process):
            few = private_mb(process.pid)
        now = time.time()
        nets = (parse_net(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(count))
        store.append([Ban(net=net, made=int(now)) for net in nets], now)
        port, process = stack.enter_context(serving(folder / "many", around, store))
        for _ in range(bench.scale.rounds):
            before = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
            banned.append(command(process, "ban") * 1000)
            worked.append(sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) - before)
            counted.append(seconds_until(port, admitted=False) * 1000)
            command(process, "unban")
            freed.append(seconds_until(port, admitted=True) * 1000)
        many = private_mb(process.pid)
    yield Line("`socketgate ban`, from its start to its end", median(banned), "ms", 60.0)
    yield Line("the same: on a processor", median(worked) * 1000, "ms", 60.0)
    yield Line(f"one more of {count:,}: refused after", median(counted), "ms", 50.0)
    yield Line(f"unbanned of {count:,}: admitted after", median(freed), "ms", 50.0)
    yield Line(f"private memory for {count:,} bans", many - few, "MB")


@contextmanager
def serving(
    folder: Path, around: parts.Surroundings, store: Store
) -> Iterator[tuple[int, RunningGate]]:
    """A gate without rules that takes its bans from this store, and its port."""
    folder.mkdir()
    settings = SETTINGS.format(daemon=parts.DAEMON, backend=around.backend, store=store.path)
    env = {"SOCKETGATE_JOURNAL_SOCKET": str(around.journal)}
    with (
        listening() as sock,
        RunningGate(folder, [(parts.DAEMON, sock)], settings=settings, env=env) as process,
    ):
        yield sock.getsockname()[1], process


def command(process: RunningGate, verb: str) -> float:
    """Run it as an installed command is run. The answer: how long it took, in seconds."""
    program = "import sys; from socketgate.__main__ import main; main()"
    words = (sys.executable, "-c", program, verb, VISITOR, "--config", str(process.config))
    with timed() as run:
        subprocess.run(words, check=True, cwd=PROJECT)
    return run.seconds
