# SPDX-License-Identifier: MIT
"""An exception in any stage costs that one connection, which is denied, and leaves a traceback."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from socketgate.accept import Connection
from socketgate.activation import Listener
from socketgate.audit import Audit
from socketgate.banner import Banner, BannerFiles
from socketgate.bans import Ban, Bans, parse_net
from socketgate.channel import Channel
from socketgate.command_message import Ended
from socketgate.commands import Wanted
from socketgate.config import DaemonConfig, Limits, RulesConfig
from socketgate.descriptorstore import DescriptorStore
from socketgate.entry import Outcome
from socketgate.gate import Gate
from socketgate.handoff import Handoff
from socketgate.journal import Journal
from socketgate.lookup_values import Found, Prefixes, Shares
from socketgate.reload import RulesInForce
from socketgate.repetition import Repetition
from socketgate.rules.address import Subject
from socketgate.rules.policy import Policy
from socketgate.rules.request import Need, Request, RulePlace, TableName
from socketgate.rules.table import RuleTable
from socketgate.rules.verdict import Verdict
from socketgate.stations import Stations
from tests.support.backendstub import BackendStub, nothing_came
from tests.support.clients import client_of, listening
from tests.support.waiting import Calls, let_the_loop_turn, open_descriptors, play


class Broken(Exception):
    """What a mistake of ours would raise."""


class Trap:
    """Raises for the first who comes."""

    def __init__(self) -> None:
        self.is_set = True

    def spring(self) -> None:
        if self.is_set:
            self.is_set = False
            raise Broken("no such luck")


TRAP = Trap()


class BrokenPeer(tuple[str, int]):
    """What accept(2) told, for who wants to know what kind of address it is."""

    __slots__ = ()

    def __len__(self) -> int:
        TRAP.spring()
        return super().__len__()


class SocketOfBrokenPeers(socket.socket):
    def _accept(self) -> tuple[int, BrokenPeer]:
        fd, peer = super()._accept()  # type: ignore[misc]  # typeshed doesn't have it
        return fd, BrokenPeer(peer)


class SocketOfBrokenAccept(socket.socket):
    def _accept(self) -> tuple[int, tuple[str, int]]:
        TRAP.spring()
        taken: tuple[int, tuple[str, int]] = super()._accept()  # type: ignore[misc]  # see above
        return taken


class SocketOfBrokenOptions(socket.socket):
    """Its type is wanted again by who sets options of its clients."""

    has_accepted = False

    def _accept(self) -> tuple[int, tuple[str, int]]:
        self.has_accepted = True
        taken: tuple[int, tuple[str, int]] = super()._accept()  # type: ignore[misc]  # see above
        return taken

    @property
    def type(self) -> socket.SocketKind:
        if self.has_accepted:
            TRAP.spring()
        return socket.SOCK_STREAM


class BrokenPolicy(Policy):
    def verdict(self, address: str) -> Verdict | None:
        TRAP.spring()
        return super().verdict(address)


class BrokenDecision(Policy):
    def first_by_address(self, client: Subject, *, after_allow: bool) -> int:
        TRAP.spring()
        return super().first_by_address(client, after_allow=after_allow)


class BrokenPlace(RulePlace):
    """A rule's place, for who names its file."""

    def __getattribute__(self, name: str) -> object:
        if name == "origin":
            TRAP.spring()
        return super().__getattribute__(name)


class PolicyOfBrokenPlaces(Policy):
    def verdict(self, address: str) -> Verdict | None:
        verdict = super().verdict(address)
        return verdict and replace(verdict, place=BrokenPlace(TableName.ALLOW, "hosts.allow", 1))


class TableOf(RuleTable):
    """A table whose policies are of this kind."""

    __slots__ = ("kind",)

    def __init__(self, rules: RulesInForce, kind: type[Policy]) -> None:
        table = rules.table
        super().__init__(rules.sources, table.reading, table.allow, table.deny, (), None)
        self.kind = kind

    def policy(self, daemon: bytes, server_port: int | None) -> Policy:
        policy = super().policy(daemon, server_port)
        return self.kind(
            segments=policy.segments,
            segments_by_file=policy.segments_by_file,
            deny_segments=policy.deny_segments,
            residual=policy.residual,
            everyone=policy.everyone,
            address_lines=policy.address_lines,
            by_number=policy.by_number,
            origins=policy.origins,
        )


class BrokenShares(Shares):
    def take(self, who: Prefixes) -> bool:
        TRAP.spring()
        return super().take(who)


class BrokenBans(Bans):
    def find(self, address: str, daemon: str, now: float) -> Ban | None:
        TRAP.spring()
        return super().find(address, daemon, now)


class BrokenStore(DescriptorStore):
    @contextmanager
    def while_looking_up(self, connection: Connection) -> Iterator[None]:
        TRAP.spring()
        with super().while_looking_up(connection):
            yield


class BrokenBanners(BannerFiles):
    def load(self, directory: bytes, daemon: bytes) -> Banner:
        TRAP.spring()
        return super().load(directory, daemon)


class BrokenHandoff(Handoff):
    def submit(self, connection: Connection) -> None:
        TRAP.spring()
        super().submit(connection)


class BrokenChannel(Channel):
    def send(self, clients: Sequence[Connection]) -> bool:
        TRAP.spring()
        return super().send(clients)


class BrokenSending(Handoff):
    make_channel = BrokenChannel


class BrokenAudit(Audit):
    """Fails for everybody."""

    def write(self, connection: Connection, outcome: Outcome) -> None:
        TRAP.is_set = True
        TRAP.spring()


Spoil = Callable[[Stations], Stations]


def known_nothing(_need: Need, _request: Request) -> Found | None:
    return None


def known_broken(_need: Need, _request: Request) -> Found | None:
    TRAP.spring()
    return Found(b"good.example.org")


async def look_up(_need: Need, _request: Request) -> Found:
    return Found(b"good.example.org")


async def look_up_broken(_need: Need, _request: Request) -> Found:
    TRAP.spring()
    return Found(b"good.example.org")


async def look_up_status_broken(_need: Need, _request: Request) -> Found:
    TRAP.spring()
    return Found(0)


async def run_broken(_wanted: Wanted) -> Ended:
    TRAP.spring()
    return Ended(0, "")


def look_broken() -> None:
    TRAP.spring()


def with_broken_status(stations: Stations) -> Stations:
    return replace(stations, look_up=look_up_status_broken)


def with_policies(kind: type[Policy]) -> Spoil:
    def spoil(stations: Stations) -> Stations:
        stations.rules.table = TableOf(stations.rules, kind)
        return stations

    return spoil


def with_bans(stations: Stations) -> Stations:
    bans = BrokenBans()
    bans.apply(Ban(parse_net("192.0.2.1"), 0))
    return replace(stations, bans=bans)


#: Each stage: rules that lead through it, and the stations with a broken one among them.
BY_NAME = "ALL: .bad.example.org\n"
STAGES: dict[str, tuple[str, Spoil]] = {
    "changes": ("", lambda stations: replace(stations, look_for_changes=look_broken)),
    "bans": ("", with_bans),
    "what-is-known": (BY_NAME, lambda stations: replace(stations, known=known_broken)),
    "store": (BY_NAME, lambda stations: replace(stations, store=BrokenStore())),
    "lookup": (BY_NAME, lambda stations: replace(stations, look_up=look_up_broken)),
    "command": ("ALL: ALL: spawn true: allow\n", lambda s: replace(s, run_command=run_broken)),
    "banner": ("ALL: ALL: banners /b: allow\n", lambda s: replace(s, banners=BrokenBanners())),
    "twist": ("ALL: ALL: twist true\n", lambda s: replace(s, run_command=run_broken)),
    "aclexec": ("ALL: ALL: aclexec true: allow\n", with_broken_status),
    "places": (BY_NAME, lambda s: replace(s, deciding=BrokenShares(10, 10))),
    "policy": ("", with_policies(BrokenPolicy)),
    "decision": (BY_NAME, with_policies(BrokenDecision)),
    "introduction": ("", with_policies(PolicyOfBrokenPlaces)),
    "identify": ("", lambda stations: stations),
    "socket-options": ("ALL: ALL: keepalive: allow\n", lambda stations: stations),
    "handoff": ("", lambda stations: stations),
    "sending": ("", lambda stations: stations),
}

#: Stages that work on the listener, or behind the rest: what takes the right one's place.
SOCKETS = {
    "accept": SocketOfBrokenAccept,
    "identify": SocketOfBrokenPeers,
    "socket-options": SocketOfBrokenOptions,
}

HANDOFFS = {"handoff": BrokenHandoff, "sending": BrokenSending}

#: A stage before the first one.
ACCEPT = "accept"
#: Rules that refuse, and a stage after the last one.
AUDIT = "audit"


@pytest.fixture(autouse=True)
def _set_the_trap() -> Iterator[None]:
    TRAP.is_set = True
    yield
    assert not TRAP.is_set, "nobody came through the broken stage"


def gate_with(stage: str, folder: Path, listener: Listener, journal: Journal) -> Gate:
    deny, spoil = STAGES.get(stage, ("ALL: ALL\n", lambda stations: stations))
    (folder / "hosts.deny").write_text(deny)
    rules = RulesInForce(
        RulesConfig(allow=folder / "hosts.allow", deny=folder / "hosts.deny"),
        None,
        on_change=Calls(),
        on_settled=Calls(),
    )
    stations = Stations(
        rules=rules,
        look_for_changes=Calls(),
        known=known_nothing,
        look_up=look_up,
        deciding=Shares(10, 10),
        limits=Limits(),
    )
    audit = BrokenAudit if stage == AUDIT else Audit
    handoff = HANDOFFS.get(stage, Handoff)
    return Gate(
        listener,
        spoil(stations),
        audit(journal, "sshd", Repetition(1000, 1000)),
        lambda on_end: handoff(
            DaemonConfig(backend=(folder / "backend.sock",)),
            frozenset({os.geteuid()}),
            patience_seconds=60.0,
            on_end=on_end,
            report=lambda _text: None,
        ),
    )


@contextmanager
def instead(listener: Listener, kind: type[socket.socket]) -> Iterator[Listener]:
    """The same listener with a socket of this kind."""
    sock = listener.sock
    with kind(sock.family, sock.type, sock.proto, fileno=os.dup(sock.fileno())) as other:
        other.settimeout(0)
        yield Listener(other, listener.name)


def staged(stage: str, folder: Path, scene: Callable[[Gate], Awaitable[None]]) -> None:
    """Play a scene with a gate whose stage fails once. It leaves no descriptor."""

    async def with_gate() -> None:
        with listening() as right, instead(right, SOCKETS.get(stage, socket.socket)) as listener:
            before = open_descriptors()
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
                journald.bind(str(folder / "journal.sock"))
                journal = Journal(str(folder / "journal.sock"))
                gate = gate_with(stage, folder, listener, journal)
                gate.open()
                try:
                    await scene(gate)
                finally:
                    await gate.stop(0)
                    journal.close()
            assert open_descriptors() == before

    play(with_gate())


async def sees_the_end(client: socket.socket) -> bool:
    """Whether the client's connection is closed, which the loop has to do meanwhile."""
    client.settimeout(0)
    for _ in range(1000):
        await let_the_loop_turn()
        try:
            return client.recv(1) == b""
        except BlockingIOError:
            continue
        except ConnectionResetError:
            return True
    return False


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_fails_denies_the_client(
    tmp_path: Path, stage: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(gate: Gate) -> None:
        with client_of(gate.listener) as client:
            assert await sees_the_end(client)

    with BackendStub(tmp_path / "backend.sock") as backend:
        staged(stage, tmp_path, scene)
        assert nothing_came(backend.sock)
    (record,) = (one for one in caplog.records if one.exc_info)
    assert record.exc_info is not None
    assert record.exc_info[0] is Broken


@pytest.mark.parametrize("stage", STAGES)
def test_the_next_client_goes_its_way(tmp_path: Path, stage: str) -> None:
    async def scene(gate: Gate) -> None:
        with client_of(gate.listener) as unlucky:
            assert await sees_the_end(unlucky)
        with client_of(gate.listener):
            for _ in range(1000):
                await let_the_loop_turn()
                if gate.handoff.held_count or gate.audit.counts[Outcome.TWISTED]:
                    return
            pytest.fail("the next client was forgotten")

    with BackendStub(tmp_path / "backend.sock"):
        staged(stage, tmp_path, scene)


def test_an_accept_that_fails_leaves_the_client_in_the_queue(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(gate: Gate) -> None:
        with client_of(gate.listener) as client:
            client.settimeout(0)
            assert await asyncio.get_running_loop().sock_recv(client, 1) == b""

    staged(ACCEPT, tmp_path, scene)
    assert sum(record.exc_info is not None for record in caplog.records) == 1


def test_an_audit_that_fails_for_everybody_closes_them_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(gate: Gate) -> None:
        with client_of(gate.listener) as one, client_of(gate.listener) as other:
            assert await sees_the_end(one)
            assert await sees_the_end(other)

    staged(AUDIT, tmp_path, scene)
    assert sum(record.exc_info is not None for record in caplog.records) == 2
