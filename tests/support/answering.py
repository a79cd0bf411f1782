# SPDX-License-Identifier: MIT
"""Servers that a gate in a box asks, on a client's host; and clients of many addresses there.

with NameServer(host) as names:
    names.order(records={"a.example. A": ["192.0.2.7"]}, is_dead=False)
"""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from tests.support import commands
from tests.support.dnsserver import Order
from tests.support.netns import ClientHost

SUPPORT = Path(__file__).resolve().parent

#: Of how many clients the host can be each: the network for benchmarks, RFC 2544.
CROWD = "198.18.0.0/15"

#: Becomes a program that finds no name server, and at once: oidentd asks for its clients' names.
WITHOUT_DNS = 'mount --bind /dev/null /etc/resolv.conf; exec "$@"'

#: Connects from every address at once; prints what each was told, null for who was cut off.
VISIT = """
import asyncio, json, sys

async def visit(server, port, source):
    try:
        reader, writer = await asyncio.open_connection(server, port, local_addr=(source, 0))
        try:
            return (await reader.read()).decode()
        finally:
            writer.close()
    except OSError:
        return None

async def visit_all(server, port, *sources):
    async with asyncio.timeout(120):
        return await asyncio.gather(*(visit(server, int(port), one) for one in sources))

print(json.dumps(asyncio.run(visit_all(*sys.argv[1:]))))
"""


def add_crowd(host: ClientHost) -> None:
    """Let programs on the host use every address of CROWD, and the box find them there."""
    host.run("ip", "route", "add", "local", CROWD, "dev", "lo")
    host.box.run("ip", "route", "add", CROWD, "via", host.address4)


def start_visits(
    host: ClientHost, port: int, addresses: Sequence[str], *, server: str = ""
) -> subprocess.Popen[bytes]:
    """A client from each of these addresses, all at once, to the box's port, or to `server`'s."""
    server = server or (host.box_address6 if ":" in addresses[0] else host.box_address4)
    return host.start("/usr/bin/python3", "-c", VISIT, server, str(port), *addresses)


def told(visits: subprocess.Popen[bytes]) -> list[str | None]:
    """What each client was told until its connection ended; None for one that was cut off."""
    output, errors = visits.communicate(timeout=3 * commands.DEADLINE_SECONDS)
    if visits.returncode != 0:
        raise AssertionError(errors.decode())
    answers: list[str | None] = json.loads(output)
    return answers


class NameServer:
    """A DnsServer, on the host's own address, that obeys from afar."""

    def __init__(self, host: ClientHost) -> None:
        self._host = host
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        words = (sys.executable, str(SUPPORT / "dnsserver.py"), self._host.address4)
        self._server = self._host.start(*words)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.communicate(timeout=commands.DEADLINE_SECONDS)

    def order(self, **order: Unpack[Order]) -> list[str]:
        """Change what it does, wait until it was asked so often; all it was asked so far."""
        server = self._server
        if server is None or server.stdin is None or server.stdout is None:
            raise AssertionError("the name server does not run")
        server.stdin.write(json.dumps(order).encode() + b"\n")
        server.stdin.flush()
        line = server.stdout.readline()
        if not line:
            raise AssertionError(f"the name server has ended: {server.communicate()[1].decode()}")
        questions: list[str] = json.loads(line)
        return questions


@contextlib.contextmanager
def ident_server(host: ClientHost, address: str, behaviour: str) -> Iterator[None]:
    """On port 113 of one of the host's addresses; see BEHAVIOURS in identserver.py."""
    words = (sys.executable, str(SUPPORT / "identserver.py"), address, "113", behaviour)
    with host.start(*words) as server:
        try:
            if server.stdout is None or not server.stdout.readline():
                raise AssertionError(f"no ident server: {server.communicate()[1].decode()}")
            yield
        finally:
            server.communicate(timeout=commands.DEADLINE_SECONDS)


@contextlib.contextmanager
def oidentd(host: ClientHost, address: str) -> Iterator[None]:
    """The real oidentd(8) on port 113 of one of the host's addresses."""
    words = ("oidentd", "--foreground", "--nosyslog", "--user=nobody", f"--address={address}")
    with host.start("unshare", "--mount", "sh", "-euc", WITHOUT_DNS, "sh", *words) as server:
        try:
            deadline = time.monotonic() + commands.DEADLINE_SECONDS
            while not host.run("ss", "-Hltn", f"src {address}:113").stdout:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError("oidentd does not listen")
            yield
        finally:
            server.terminate()
            server.communicate(timeout=commands.DEADLINE_SECONDS)
