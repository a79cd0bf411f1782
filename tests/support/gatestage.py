# SPDX-License-Identifier: MIT
"""A gate in the test's own loop, with its listener, rules, backend and journal, all of them real.

async def scene(stage):
    with client_of(stage.listener):
        assert await stage.outcomes(1) == ["refused"]

staged(tmp_path, scene, deny="ALL: ALL\n")
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from socketgate.activation import Listener
from socketgate.audit import Audit
from socketgate.config import DaemonConfig, Limits, RulesConfig
from socketgate.gate import Gate
from socketgate.handoff import Handoff
from socketgate.journal import Journal
from socketgate.lookup_values import Found, Shares
from socketgate.reload import RulesInForce
from socketgate.repetition import Repetition
from socketgate.rules.request import Need, Request
from socketgate.stations import Stations
from tests.support.backendstub import BackendStub, Peer
from tests.support.clients import listening
from tests.support.inbox import Fields, parse_entry
from tests.support.waiting import (
    PATIENCE_SECONDS,
    Calls,
    open_descriptors,
    play,
)

TRUSTED = frozenset({os.geteuid()})


class Names:
    """What stands for the lookups: the client's name comes when the test says so."""

    def __init__(self) -> None:
        self.known_name: bytes | None = None
        self.answer: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self.asked = Calls()
        self.on_known: Callable[[], object] = lambda: None

    def known(self, _need: Need, _request: Request) -> Found | None:
        self.on_known()
        return None if self.known_name is None else Found(self.known_name)

    async def look_up(self, _need: Need, _request: Request) -> Found:
        self.asked()
        return await asyncio.shield(self.answer)


class Stage:
    """A gate with its listener, its rules, a backend and a journal, all of them real."""

    def __init__(self, folder: Path, listener: Listener, deny: str, limits: Limits) -> None:
        self.folder, self.listener = folder, listener
        self.deny = folder / "hosts.deny"
        self.deny.write_text(deny)
        self.backend = BackendStub(folder / "backend.sock")
        self.journald = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.journald.bind(str(folder / "journal.sock"))
        self.journal = Journal(str(folder / "journal.sock"))
        self.journal.attach(asyncio.get_running_loop())
        self.names = Names()
        self.looks = Calls()
        self.rules = RulesInForce(
            RulesConfig(allow=folder / "hosts.allow", deny=self.deny),
            None,
            on_change=lambda: self.gate.rules_changed(),
            on_settled=lambda: self.gate.go_on(),
        )
        self.gate = self._gate(limits)

    def _gate(self, limits: Limits) -> Gate:
        stations = Stations(
            rules=self.rules,
            look_for_changes=self.looks,
            known=self.names.known,
            look_up=self.names.look_up,
            deciding=Shares(limits.deciding_connections, limits.deciding_per_source),
            limits=limits,
        )
        return Gate(
            self.listener,
            stations,
            Audit(self.journal, "sshd", Repetition(1000, 1000)),
            lambda on_end: Handoff(
                DaemonConfig(backend=(self.backend.path,)),
                TRUSTED,
                patience_seconds=60.0,
                on_end=on_end,
                report=lambda _text: None,
            ),
        )

    async def entries(self, count: int) -> list[Fields]:
        """So many audit lines, as they come."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            return [parse_entry(await loop.sock_recv(self.journald, 1 << 20)) for _ in range(count)]

    async def outcomes(self, count: int) -> list[str]:
        return [entry["SOCKETGATE_OUTCOME"] for entry in await self.entries(count)]

    async def peer(self) -> Peer:
        """The gate's connection to the backend, once it is made."""
        self.backend.sock.settimeout(0)
        sock, _ = await asyncio.get_running_loop().sock_accept(self.backend.sock)
        return Peer(sock)

    async def close(self) -> None:
        await self.gate.stop(0)
        await self.rules.close()
        self.journal.close()
        self.journald.close()
        self.backend.close()
        self.names.answer.cancel()


Scene = Callable[[Stage], Awaitable[None]]


def staged(folder: Path, scene: Scene, *, deny: str = "", limits: Limits | None = None) -> None:
    """Play a scene with a gate that is open. Whatever happens, it leaves no descriptor."""

    async def with_gate() -> None:
        with listening() as listener:
            before = open_descriptors()
            stage = Stage(folder, listener, deny, limits or Limits())
            try:
                stage.gate.open()
                await scene(stage)
            finally:
                await stage.close()
            assert open_descriptors() == before

    play(with_gate())
