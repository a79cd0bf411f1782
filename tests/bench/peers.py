# SPDX-License-Identifier: MIT
"""The programs that people put in front of daemons today, each starting one program per client.

    xinetd_libwrap   xinetd, which asks libwrap by itself
    xinetd_tcpd      xinetd starts tcpd, which asks libwrap and becomes the program
    tcpserver        of ucspi-tcp, with its rules compiled by tcprules

libwrap reads /etc/hosts.allow and /etc/hosts.deny: the benchmark's mount namespace has its own.
"""

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench import parts, rulesets
from tests.bench.parts import Served
from tests.support.running import listening

START_SECONDS = 10.0
POLL_SECONDS = 0.01

ALLOW, DENY = Path("/etc/hosts.allow"), Path("/etc/hosts.deny")

XINETD = """\
defaults
{{
    instances = UNLIMITED
    per_source = UNLIMITED
    cps = 1000000 1
}}
service {name}
{{
    type = UNLISTED
    socket_type = stream
    protocol = tcp
    bind = 127.0.0.1
    port = {port}
    wait = no
    user = root
{server}
}}
"""
BY_LIBWRAP = """\
    server = {program}"""
BY_TCPD = """\
    flags = NAMEINARGS NOLIBWRAP
    server = /usr/sbin/tcpd
    server_args = {program}"""


def write_libwrap_rules(listed: Sequence[int]) -> None:
    """What libwrap reads, in the benchmark's own /etc."""
    ALLOW.write_text("")
    DENY.write_text(rulesets.lines_of(map(rulesets.text_of, listed), parts.DAEMON))


@contextmanager
def xinetd_libwrap(folder: Path, program: str) -> Iterator[Served]:
    """xinetd as Debian builds it: with libwrap."""
    with _xinetd(folder, BY_LIBWRAP.format(program=program)) as served:
        yield served


@contextmanager
def xinetd_tcpd(folder: Path, program: str) -> Iterator[Served]:
    """The old way, tcpd between xinetd and the program."""
    with _xinetd(folder, BY_TCPD.format(program=program)) as served:
        yield served


@contextmanager
def _xinetd(folder: Path, server: str) -> Iterator[Served]:
    folder.mkdir()
    port = free_port()
    config = folder / "xinetd.conf"
    config.write_text(XINETD.format(name=parts.DAEMON, port=port, server=server))
    words = ("xinetd", "-dontfork", "-f", str(config), "-pidfile", str(folder / "pid"))
    with parts.running(words) as child:
        wait_listening(port)
        yield Served(child.pid, port)


@contextmanager
def tcpserver(folder: Path, program: str, listed: Sequence[int]) -> Iterator[Served]:
    """With no lookups of any kind, and as many clients at once as there are."""
    folder.mkdir()
    rules, port = folder / "rules.cdb", free_port()
    text = "".join(f"{rulesets.text_of(one)}:deny\n" for one in listed) + ":allow\n"
    words: tuple[str, ...] = ("tcprules", str(rules), str(folder / "rules.tmp"))
    subprocess.run(words, input=text, text=True, check=True)
    words = ("tcpserver", "-HRl0", "-b4096", "-c4096", "-x", str(rules))
    with parts.running((*words, "127.0.0.1", str(port), program)) as child:
        wait_listening(port)
        yield Served(child.pid, port)


def free_port() -> int:
    """One that nobody listens on; in a network namespace of our own it stays so."""
    with listening() as sock:
        port: int = sock.getsockname()[1]
    return port


def wait_listening(port: int) -> None:
    """Wait until somebody accepts there."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody listens on port {port}")
        time.sleep(POLL_SECONDS)
