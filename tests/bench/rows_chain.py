# SPDX-License-Identifier: MIT
"""The whole chain, clients included: connections a second, and what each costs the machine."""

import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import parts, peers, rulesets
from tests.bench.measure import Bench, Line, median, ratio
from tests.bench.parts import Served
from tests.bench.surround import used_seconds

#: Clients at a time: the length of xinetd's queue, which loses clients when more come at once.
AT_ONCE = 64
#: How long our backend keeps each, in milliseconds: so that no chain ever waits for a client.
KEEP_MS = 1


@dataclass(slots=True)
class Contender:
    """One chain and its figures so far."""

    name: str
    served: Served
    connections: int
    is_ours: bool = False
    per_second: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def measure(self, bench: Bench) -> None:
        """One load."""
        before = used_seconds()
        try:
            said = parts.load(bench, self.served.port, self.connections, at_once=AT_ONCE)
        except parts.LoadFailed as error:
            raise parts.LoadFailed(f"{self.name}: {error}") from error
        self.cpu_us.append((used_seconds() - before) / self.connections * 1e6)
        self.per_second.append(self.connections / said.seconds)


def chains(bench: Bench) -> Iterator[Line]:
    """Few rules and a long list, our two ways and the peers' three."""
    scale = bench.scale
    program = str(bench.folder / parts.DAEMON)  # its name is what libwrap's rules go by
    shutil.copy(bench.program("hello"), program)
    for count in (scale.few, scale.listed):
        folder = bench.place(str(count))
        with contenders(bench, folder, program, count) as all_of_them:
            for _ in range(scale.rounds):
                for one in all_of_them:
                    one.measure(bench)
        yield from lines(f"{count:,} rules", all_of_them)
    bench.note("all processes of a chain, the clients' too; not what the kernel does by itself")
    bench.note("no syslog here: what tcpd and xinetd would log costs them nothing")


@contextmanager
def contenders(bench: Bench, folder: Path, program: str, count: int) -> Iterator[list[Contender]]:
    """All chains, running, none of them busy."""
    scale = bench.scale
    listed = rulesets.addresses(count, listed=True)
    peers.write_libwrap_rules(listed)
    reads_all = scale.slow_connections if count == scale.few else scale.slowest_connections
    deny = rulesets.deny_lines(count)
    with ExitStack() as stack:
        enter = stack.enter_context
        around = enter(parts.surroundings(bench, folder, KEEP_MS))
        launched = enter(launcher(folder, around, program))
        gate = enter(parts.gate(folder / "channel", around, deny=deny))
        launching = enter(parts.gate(folder / "launch", launched, deny=deny))
        by_libwrap = enter(peers.xinetd_libwrap(folder / "xinetd", program))
        by_tcpd = enter(peers.xinetd_tcpd(folder / "tcpd", program))
        by_cdb = enter(peers.tcpserver(folder / "tcpserver", program, listed))
        yield [
            Contender("gate, channel backend", gate, scale.connections // 2, is_ours=True),
            Contender("gate, socketgate launch", launching, scale.slow_connections, is_ours=True),
            Contender("xinetd + libwrap", by_libwrap, reads_all),
            Contender("xinetd + tcpd", by_tcpd, reads_all),
            Contender("tcpserver", by_cdb, scale.slow_connections),
        ]


@contextmanager
def launcher(
    folder: Path, around: parts.Surroundings, program: str
) -> Iterator[parts.Surroundings]:
    """`socketgate launch`, as the backend of a gate."""
    path = folder / "launch.sock"
    with (
        parts.unix_listener(path, socket.SOCK_SEQPACKET) as sock,
        parts.running(parts.socketgate("launch", "--", program), sock),
    ):
        yield parts.Surroundings(path, around.journal)


def lines(rules: str, all_of_them: list[Contender]) -> Iterator[Line]:
    """Figures of each, then ours against the best of the others, which they are to be ahead of."""
    for one in all_of_them:
        yield Line(f"{rules}; {one.name}", median(one.per_second), "connections/s")
        yield Line(f"{rules}; {one.name}", median(one.cpu_us), "us/connection")
    others = [one for one in all_of_them if not one.is_ours]
    fastest = max(others, key=lambda one: median(one.per_second))
    leanest = min(others, key=lambda one: median(one.cpu_us))
    for one in all_of_them:
        if one.is_ours:
            yield Line(f"{rules}; rate of {fastest.name} against {one.name}",
                       ratio(fastest.per_second, one.per_second), "x", 1.0)  # fmt: skip
            yield Line(f"{rules}; cost of {one.name} against {leanest.name}",
                       ratio(one.cpu_us, leanest.cpu_us), "x", 1.0)  # fmt: skip
