# SPDX-License-Identifier: MIT
"""A gate with a backend, to see what options do with a client.

with stage(folder, allow="ALL: ALL: spawn echo x >DIR/out\\n") as on:
    server, client = on.served()
"""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from socketgate.backend import Listener
from socketgate.backend.channel import Client
from tests.support.gatestub import read_all
from tests.support.inbox import Fields
from tests.support.running import RunningGate, listening

PATIENCE_SECONDS = 30.0
SETTINGS = """
[daemon.sshd]
backend = "{path}"
[commands]
seconds = {seconds}
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """A gate for `sshd`, its backend, and the folder that rules may name as DIR."""

    gate: RunningGate
    backend: Listener
    sock: socket.socket
    folder: Path

    def client(self) -> socket.socket:
        return socket.create_connection(self.sock.getsockname()[:2], PATIENCE_SECONDS)

    def heard(self) -> bytes:
        """All that a client is told before its connection ends in good order."""
        with self.client() as client:
            return read_all(client)

    def served(self) -> tuple[Client, socket.socket]:
        """A client that was let in, both ends."""
        client = self.client()
        return self.backend.accept()[0], client

    def entry(self, count: int = 1) -> Fields:
        """The audit line of the client of this number."""
        return self.gate.wait_entries(count, SYSLOG_IDENTIFIER="sshd")[count - 1]

    def file(self, name: str) -> str:
        return (self.folder / name).read_text()


@contextlib.contextmanager
def stage(
    folder: Path,
    *,
    allow: str = "",
    deny: str = "",
    seconds: int = 20,
    settings: str = "",
    runtime: str = "",
) -> Iterator[Stage]:
    """In rules, DIR is the test's folder. With no RUNTIME_DIRECTORY the gate is run by hand: it
    starts the command runner itself."""
    path = folder / "backend.sock"
    with (
        listening() as sock,
        Listener(path) as backend,
        RunningGate(
            folder,
            [("sshd", sock)],
            allow=allow.replace("DIR", str(folder)),
            deny=deny.replace("DIR", str(folder)),
            settings=SETTINGS.format(path=path, seconds=seconds) + settings,
            env={"RUNTIME_DIRECTORY": runtime},
        ) as gate,
    ):
        backend.settimeout(PATIENCE_SECONDS)
        yield Stage(gate, backend, sock, folder)
