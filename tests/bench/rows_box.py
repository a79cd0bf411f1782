# SPDX-License-Identifier: MIT
"""Under a real systemd: a unit for each client, with the gate in front and with tcpd in it."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.bench import parts, rulesets
from tests.bench.measure import Bench, Line, median, ratio
from tests.bench.surround import used_seconds
from tests.support.box import Box

PROGRAMS = "/bench"
AT_ONCE = 16
PORTS = {"exec": 7001, "launch": 7002, "tcpd": 7003}

#: The same program, as it was put behind tcpd under systemd.
SOCKET = f"""\
[Socket]
ListenStream=127.0.0.1:{PORTS["tcpd"]}
Accept=yes
Backlog=4096
MaxConnections=4096
TriggerLimitIntervalSec=0
"""
SERVICE = f"""\
[Unit]
CollectMode=inactive-or-failed
[Service]
ExecStart=-@/usr/sbin/tcpd {PROGRAMS}/{parts.DAEMON}
StandardInput=socket
StandardError=journal
"""
UNITS = "/etc/systemd/system"


@dataclass(slots=True)
class Figures:
    """Of one way: connections a second, microseconds of the machine for each."""

    per_second: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)


def units(bench: Bench) -> Iterator[Line]:
    """With a few rules and with a long list."""
    scale = bench.scale
    shutil.copy(bench.program("hello"), bench.programs / parts.DAEMON)
    with Box("bench", bind_ro={bench.programs: PROGRAMS}) as box:
        box.install_project()
        set_up(box)
        for count in (scale.few, scale.listed):
            box.write("/etc/hosts.allow", "")
            box.write("/etc/hosts.deny", rulesets.deny_lines(count, "ALL"))
            figures = {name: Figures() for name in PORTS}
            for port in PORTS.values():
                visit(box, port, 2 * AT_ONCE)
            for _ in range(scale.rounds):
                for name, port in PORTS.items():
                    measure(box, port, count_for(bench, name, count), figures[name])
            yield from lines(f"{count:,} rules", figures)


def count_for(bench: Bench, name: str, rules: int) -> int:
    """How many connections; fewer where each reads a long list."""
    scale = bench.scale
    is_slow = name == "tcpd" and rules == scale.listed
    return scale.slowest_connections if is_slow else scale.slow_connections


def set_up(box: Box) -> None:
    """The three ways to one program."""
    program = f"{PROGRAMS}/{parts.DAEMON}"
    for name, words in (("exec", ()), ("launch", ("--resident",))):
        listen = f"127.0.0.1:{PORTS[name]}"
        box.run("socketgate", "unit", name, "--listen", listen, *words, "--install", "--", program)
    box.write(f"{UNITS}/plain.socket", SOCKET)
    box.write(f"{UNITS}/plain@.service", SERVICE)
    box.run("systemctl", "daemon-reload")
    sockets = ("socketgate@exec.socket", "socketgate@launch.socket", "plain.socket")
    box.run("systemctl", "start", *sockets)


def visit(box: Box, port: int, count: int) -> parts.Load:
    """Clients in the box; raises LoadFailed unless each was served."""
    words = (f"{PROGRAMS}/client", "127.0.0.1", str(port), str(count), str(AT_ONCE), "0", "100")
    return parts.checked(box.run(*words).stdout)


def measure(box: Box, port: int, count: int, figures: Figures) -> None:
    """One load, and what the box used meanwhile."""
    before = used_seconds()
    said = visit(box, port, count)
    figures.cpu_us.append((used_seconds() - before) / count * 1e6)
    figures.per_second.append(count / said.seconds)


NAMES = {
    "exec": "gate, socketgate exec",
    "launch": "gate, socketgate launch",
    "tcpd": "systemd Accept=yes + tcpd",
}


def lines(rules: str, figures: dict[str, Figures]) -> Iterator[Line]:
    """Each way, then ours against tcpd's."""
    for name, one in figures.items():
        yield Line(f"{rules}; {NAMES[name]}", median(one.per_second), "connections/s")
        yield Line(f"{rules}; {NAMES[name]}", median(one.cpu_us), "us/connection")
    theirs = figures["tcpd"]
    for name in ("exec", "launch"):
        ours = figures[name]
        yield Line(f"{rules}; rate of tcpd's way against {NAMES[name]}",
                   ratio(theirs.per_second, ours.per_second), "x", 1.0)  # fmt: skip
        yield Line(f"{rules}; cost of {NAMES[name]} against tcpd's way",
                   ratio(ours.cpu_us, theirs.cpu_us), "x", 1.0)  # fmt: skip
