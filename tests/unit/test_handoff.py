# SPDX-License-Identifier: MIT
import asyncio
import contextlib
import errno
import os
import resource
import socket
import struct
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from socketgate.accept import Connection
from socketgate.config import DaemonConfig, HandoffMode
from socketgate.entry import Outcome
from socketgate.handoff import Handoff
from tests.support.backendstub import BackendStub, Peer
from tests.support.clients import connected, listening
from tests.support.forked import as_nobody
from tests.support.waiting import (
    PATIENCE_SECONDS,
    Calls,
    Happenings,
    let_the_loop_turn,
    open_descriptors,
    play,
)

TRUSTED = frozenset({0, os.geteuid()})
CHANNEL, CONNECTION = HandoffMode.CHANNEL, HandoffMode.CONNECTION
BOTH_MODES = pytest.mark.parametrize("mode", list(HandoffMode))

Ends = Happenings[tuple[Connection, Outcome]]


class Stage:
    """A handoff to some backends' paths, and how its clients ended; each is closed at its end."""

    def __init__(
        self, *paths: Path, mode: HandoffMode = CHANNEL, patience_seconds: float = 60.0
    ) -> None:
        self.ends = Ends()
        self.reports: list[str] = []
        self.coalesced = Calls()
        self.handoff = Handoff(
            DaemonConfig(backend=paths, handoff=mode),
            TRUSTED,
            patience_seconds=patience_seconds,
            on_end=self._on_end,
            report=self.reports.append,
            coalesce=self.coalesced,
        )

    def submit(self, *clients: Connection) -> None:
        """Hand these over, as one burst."""
        for client in clients:
            self.handoff.submit(client)
        self.handoff.flush()

    def _on_end(self, connection: Connection, outcome: Outcome) -> None:
        connection.close()
        self.ends((connection, outcome))


@pytest.fixture
def clients() -> Iterator[list[Connection]]:
    """Five accepted connections."""
    with listening() as listener, contextlib.ExitStack() as stack:
        yield [stack.enter_context(connected(listener))[0] for _ in range(5)]


Scene = Callable[[Stage], Awaitable[None]]


def staged(
    scene: Scene, *paths: Path, mode: HandoffMode = CHANNEL, patience_seconds: float = 60.0
) -> None:
    """Play a scene; whatever it does, no descriptor of the handoff's stays."""

    async def with_stage() -> None:
        before = open_descriptors()
        stage = Stage(*paths, mode=mode, patience_seconds=patience_seconds)
        try:
            await scene(stage)
        finally:
            for connection in stage.handoff.close():
                connection.close()
            assert open_descriptors() <= before

    play(with_stage())


async def accepted(backend: BackendStub) -> Peer:
    """The gate's next connection, which its loop has yet to make."""
    loop = asyncio.get_running_loop()
    backend.sock.settimeout(0)
    sock, _ = await loop.sock_accept(backend.sock)
    backend.sock.settimeout(PATIENCE_SECONDS)
    return Peer(sock)


def handed_over(*clients: Connection) -> list[tuple[Connection, Outcome]]:
    return [(client, Outcome.HANDED_OVER) for client in clients]


@BOTH_MODES
def test_a_client_is_handed_over_once_the_backend_acknowledges(
    mode: HandoffMode, tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(clients[0])
        with backend.accept() as peer:
            (client,) = peer.take()
            assert stage.ends.seen == []
            peer.answer(f"ACK={client.id}")
            assert await stage.ends.wait(1) == handed_over(clients[0])

    with BackendStub(tmp_path / "b") as backend:
        staged(scene, tmp_path / "b", mode=mode)


def test_a_channel_takes_client_after_client(tmp_path: Path, clients: list[Connection]) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(*clients)
        with backend.accept() as peer:
            assert [peer.take()[0].id for _ in clients] == [1, 2, 3, 4, 5]
            peer.answer("ACK=5")
            assert await stage.ends.wait(5) == handed_over(*clients)
        assert not backend.has_waiting()

    with BackendStub(tmp_path / "b") as backend:
        staged(scene, tmp_path / "b")


def test_while_others_are_still_to_be_acknowledged_the_next_look_is_put_off(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(*clients[:2])
        with backend.accept() as peer:
            for number in (1, 2):
                peer.answer(f"ACK={number}")
                await stage.ends.wait(number)
                assert stage.coalesced.count == 1  # by the first

    with BackendStub(tmp_path / "b") as backend:
        staged(scene, tmp_path / "b")


def test_in_connection_mode_each_client_has_a_connection_of_its_own_which_ends_with_it(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(*clients[:2])
        with backend.accept() as one, backend.accept() as other:
            for peer in (one, other):
                assert peer.take()[0].id == 1
                peer.answer("ACK=1")
            assert await stage.ends.wait(2) == handed_over(*clients[:2])
            assert [one.take(), other.take()] == [[], []]

    with BackendStub(tmp_path / "b") as backend:
        staged(scene, tmp_path / "b", mode=CONNECTION)


@BOTH_MODES
def test_once_acknowledged_the_client_sees_the_end_as_soon_as_the_backend_closes(
    mode: HandoffMode, tmp_path: Path
) -> None:
    async def scene(stage: Stage) -> None:
        with listening() as listener, connected(listener) as (connection, client):
            stage.submit(connection)
            with backend.accept() as peer:
                peer.take()
                peer.answer("ACK=1")
                await stage.ends.wait(1)
                peer.clients[0].sock.sendall(b"bye")
                peer.clients[0].sock.close()
                assert (client.recv(10), client.recv(10)) == (b"bye", b"")

    with BackendStub(tmp_path / "b") as backend:
        staged(scene, tmp_path / "b", mode=mode)


def test_bytes_sent_before_the_handoff_reach_the_backend(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with listening() as listener, connected(listener) as (connection, client):
            client.sendall(b"SSH-2.0")
            stage.submit(connection)
            with backend.accept() as peer:
                assert peer.take()[0].sock.recv(100) == b"SSH-2.0"

    with BackendStub(tmp_path / "b") as backend:
        staged(scene, tmp_path / "b")


@BOTH_MODES
def test_clients_that_a_killed_backend_had_not_taken_over_are_sent_again(
    mode: HandoffMode, tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(clients[0])
        backend.accept().close()
        await let_the_loop_turn()
        with await accepted(backend) as peer:
            (client,) = peer.take()
            peer.answer(f"ACK={client.id}")
            assert await stage.ends.wait(1) == handed_over(clients[0])

    with BackendStub(tmp_path / "b") as backend:
        staged(scene, tmp_path / "b", mode=mode)


def test_sent_again_they_keep_their_order_and_get_new_ids(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(*clients)
        with backend.accept() as peer:
            for _ in clients:
                peer.take()
            peer.answer("ACK=2")
        await stage.ends.wait(2)
        with await accepted(backend) as peer:
            taken = [peer.take()[0] for _ in clients[2:]]
            assert [client.id for client in taken] == [1, 2, 3]
            assert all(
                os.path.sameopenfile(client.sock.fileno(), connection.fd)
                for client, connection in zip(taken, clients[2:], strict=True)
            )

    with BackendStub(tmp_path / "b") as backend:
        staged(scene, tmp_path / "b")


def test_a_backend_that_ends_between_two_clients_is_no_trouble(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(clients[0])
        with backend.accept() as peer:
            peer.take()
            peer.answer("ACK=1")
            await stage.ends.wait(1)
        await let_the_loop_turn()
        stage.submit(clients[1])
        with backend.accept() as peer:
            peer.take()
            peer.answer("ACK=1")
            await stage.ends.wait(2)
        assert stage.reports == []

    with BackendStub(tmp_path / "b") as backend:
        staged(scene, tmp_path / "b")


def test_a_client_that_comes_as_an_idle_channel_ends_goes_to_the_next(
    tmp_path: Path, clients: list[Connection]
) -> None:
    """The backend was restarted, and the gate has yet to see it: nobody else has to come first."""

    async def scene(stage: Stage) -> None:
        stage.submit(clients[0])
        with backend.accept() as peer:
            peer.answer(f"ACK={peer.take()[0].id}")
            await stage.ends.wait(1)
        stage.submit(clients[1])
        with await accepted(backend) as peer:
            peer.answer(f"ACK={peer.take()[0].id}")
            assert await stage.ends.wait(2) == handed_over(*clients[:2])

    with BackendStub(tmp_path / "b") as backend:
        staged(scene, tmp_path / "b")


@BOTH_MODES
def test_clients_wait_for_a_backend_that_is_not_there_yet(
    mode: HandoffMode, tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(clients[0])
        with BackendStub(tmp_path / "b") as backend, await accepted(backend) as peer:
            peer.take()
            peer.answer("ACK=1")
            assert await stage.ends.wait(1) == handed_over(clients[0])

    staged(scene, tmp_path / "b", mode=mode)


def test_a_backend_s_trouble_is_reported_once_and_its_end_too(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(clients[0])
        for _ in range(3):
            stage.submit()
        with BackendStub(tmp_path / "b") as backend, await accepted(backend) as peer:
            peer.take()
            peer.answer("ACK=1")
            await stage.ends.wait(1)
        assert stage.reports == [
            f"{tmp_path}/b isn't there, or can't be seen by us, trying again",
            f"{tmp_path}/b: takes clients again",
        ]

    staged(scene, tmp_path / "b")


def test_a_flush_while_a_backend_is_left_alone_loses_no_try(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(clients[0])
        stage.submit(clients[1])
        stage.handoff.flush()
        with BackendStub(tmp_path / "b") as backend, await accepted(backend) as peer:
            assert peer.take()[0].id == 1

    staged(scene, tmp_path / "b")


@BOTH_MODES
def test_too_many_descriptors_in_flight_hold_clients_back_and_open_no_more(
    mode: HandoffMode,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "b"
        with BackendStub(path):
            path.chmod(0o666)
            assert as_nobody(lambda: too_many_in_flight(path, mode)) == "ETOOMANYREFS, held: 1"


def too_many_in_flight(path: Path, mode: HandoffMode) -> str:
    """For a user without rights (unix(7)): how many descriptors a burst then opens, and errors."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    async def scene(sender: socket.socket) -> str:
        error = fill_with_descriptors(sender)
        with listening() as listener, connected(listener) as (connection, _):
            stage = Stage(path, mode=mode)
            before = open_descriptors()
            stage.submit(connection)
            assert open_descriptors() - before <= 1  # the one channel that tries again
            held = stage.handoff.held_count
            stage.handoff.close()
            return f"{error}, held: {held}"

    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        one.setblocking(False)
        return asyncio.run(scene(one))


def fill_with_descriptors(sender: socket.socket) -> str:
    """Send descriptors that nobody receives until the kernel says no more."""
    for _ in range(64):
        try:
            socket.send_fds(sender, [b"x"], [sender.fileno()] * 16)
        except OSError as error:
            return errno.errorcode[error.errno or 0]
    return "no error"


@BOTH_MODES
def test_a_refused_client_goes_to_the_next_backend(
    mode: HandoffMode, tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(clients[0])
        with first.accept() as refusing:
            refusing.take()
            refusing.answer("REFUSE=1")
            with await accepted(second) as peer:
                peer.take()
                peer.answer("ACK=1")
                assert await stage.ends.wait(1) == handed_over(clients[0])

    with BackendStub(tmp_path / "a") as first, BackendStub(tmp_path / "b") as second:
        staged(scene, tmp_path / "a", tmp_path / "b", mode=mode)


@BOTH_MODES
def test_a_client_that_every_backend_refuses_is_closed(
    mode: HandoffMode, tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(clients[0])
        with first.accept() as one:
            one.take()
            one.answer("REFUSE=1")
            with await accepted(second) as other:
                other.take()
                other.answer("REFUSE=1")
                assert await stage.ends.wait(1) == [(clients[0], Outcome.BACKEND_UNAVAILABLE)]

    with BackendStub(tmp_path / "a") as first, BackendStub(tmp_path / "b") as second:
        staged(scene, tmp_path / "a", tmp_path / "b", mode=mode)


def test_a_refused_client_holds_up_no_other(tmp_path: Path, clients: list[Connection]) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(*clients[:2])
        with backend.accept() as peer:
            peer.take()
            peer.take()
            peer.answer("REFUSE=1\nACK=2")
            assert await stage.ends.wait(2) == [
                (clients[0], Outcome.BACKEND_UNAVAILABLE),
                (clients[1], Outcome.HANDED_OVER),
            ]

    with BackendStub(tmp_path / "b") as backend:
        staged(scene, tmp_path / "b")


def test_a_client_whose_other_backend_is_not_there_holds_up_nobody(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(clients[0])
        with first.accept() as peer:
            peer.take()
            peer.answer("REFUSE=1")
            while not stage.reports:  # the next backend has not been tried yet
                await let_the_loop_turn()
            stage.submit(clients[1])
            peer.take()
            peer.answer("ACK=2")
            assert await stage.ends.wait(1) == handed_over(clients[1])
            with BackendStub(tmp_path / "b") as second, await accepted(second) as other:
                other.take()
                other.answer("ACK=1")
                assert await stage.ends.wait(2) == handed_over(clients[1], clients[0])

    with BackendStub(tmp_path / "a") as first:
        staged(scene, tmp_path / "a", tmp_path / "b")


def test_the_backend_with_the_fewest_unacknowledged_is_next(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(clients[0])
        stage.submit(clients[1])
        with first.accept() as one, second.accept() as other:
            one.take()
            other.take()
            other.answer("ACK=1")
            await stage.ends.wait(1)
            stage.submit(clients[2])
            assert other.take()[0].id == 2

    with BackendStub(tmp_path / "a") as first, BackendStub(tmp_path / "b") as second:
        staged(scene, tmp_path / "a", tmp_path / "b")


def test_clients_of_a_backend_that_went_go_to_the_other(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(clients[0])
        stage.submit(clients[1])
        peer = first.accept()
        first.close()
        peer.close()
        with second.accept() as other:
            other.take()
            await let_the_loop_turn()
            other.answer(f"ACK={other.take()[0].id}")
            await stage.ends.wait(2)

    with BackendStub(tmp_path / "a") as first, BackendStub(tmp_path / "b") as second:
        staged(scene, tmp_path / "a", tmp_path / "b")


def test_a_backend_that_asked_for_batches_gets_a_burst_in_one_message(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(clients[0])
        with backend.accept() as peer:
            peer.take()
            peer.answer("BATCH=3\nACK=1")
            await stage.ends.wait(1)
            stage.submit(*clients[1:])
            assert [[client.id for client in peer.take()] for _ in range(2)] == [[2, 3, 4], [5]]

    with BackendStub(tmp_path / "b") as backend:
        staged(scene, tmp_path / "b")


def test_a_batch_is_never_larger_than_the_protocol_allows(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(clients[0])
        with backend.accept() as peer:
            peer.take()
            peer.answer("BATCH=64\nACK=1")
            await stage.ends.wait(1)
            for client in clients[1:]:
                client.text = b"X=%b\n" % (b"x" * 30_000)
            stage.submit(*clients[1:])
            assert [len(peer.take()) for _ in range(2)] == [2, 2]

    with BackendStub(tmp_path / "b") as backend:
        staged(scene, tmp_path / "b")


def test_a_burst_too_long_for_one_message_goes_in_several(tmp_path: Path) -> None:
    """A channel's buffer is as large as net.core.wmem_default says."""

    async def scene(stage: Stage) -> None:
        stage.submit(clients[0])
        with backend.accept() as peer:
            peer.answer("BATCH=64")
            peer.answer("ACK=1")
            await stage.ends.wait(1)
            (channel,) = stage.handoff.backends[0].channels
            channel._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 0)  # as little as it can
            stage.submit(*clients[1:])
            sizes: list[int] = []
            while sum(sizes) < 9:
                sizes.append(len(peer.take()))
                await let_the_loop_turn()
            assert sizes == [1, 4, 4]

    with (
        BackendStub(tmp_path / "b") as backend,
        listening() as listener,
        contextlib.ExitStack() as s,
    ):
        text = b"SETENV=X=%b\n" % (b"x" * 1000)
        clients = [s.enter_context(connected(listener, text=text))[0] for _ in range(9)]
        staged(scene, tmp_path / "b")


def test_what_a_full_channel_does_not_take_goes_later_and_in_order(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with listening() as listener, contextlib.ExitStack() as stack:
            text = b"X=%b\n" % (b"x" * 60_000)
            clients = [stack.enter_context(connected(listener, text=text))[0] for _ in range(20)]
            stage.submit(*clients)
            with backend.accept() as peer:
                for number in range(1, 21):
                    assert peer.take()[0].id == number
                    peer.answer(f"ACK={number}")
                    await stage.ends.wait(number)
            assert stage.ends.seen == handed_over(*clients)

    with BackendStub(tmp_path / "b") as backend:
        staged(scene, tmp_path / "b")


def test_in_connection_mode_a_full_queue_of_the_backend_is_waited_for(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(*clients)
        for number in range(1, 6):
            with await accepted(backend) as peer:
                peer.take()
                peer.answer("ACK=1")
                await stage.ends.wait(number)
        assert stage.ends.seen == handed_over(*clients)

    with BackendStub(tmp_path / "b", backlog=0) as backend:
        staged(scene, tmp_path / "b", mode=CONNECTION)


@BOTH_MODES
def test_a_client_that_nobody_takes_over_in_time_is_closed(
    mode: HandoffMode, tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(clients[0])
        assert await stage.ends.wait(1) == [(clients[0], Outcome.BACKEND_UNAVAILABLE)]
        assert stage.handoff.held_count == 0

    with BackendStub(tmp_path / "b"):
        staged(scene, tmp_path / "b", mode=mode, patience_seconds=0.01)


def test_a_client_that_no_backend_could_be_found_for_in_time_is_closed(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(clients[0])
        assert await stage.ends.wait(1) == [(clients[0], Outcome.BACKEND_UNAVAILABLE)]

    staged(scene, tmp_path / "none", patience_seconds=0.01)


def test_a_client_that_gave_up_waiting_is_told_apart(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with listening() as listener, connected(listener) as (connection, client):
            stage.submit(connection)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            assert await stage.ends.wait(1) == [(connection, Outcome.CLIENT_GONE)]

    staged(scene, tmp_path / "none", patience_seconds=0.01)


def test_after_the_deadline_the_channel_is_closed_so_that_nobody_is_taken_over(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(clients[0])
        with backend.accept() as peer:
            peer.take()
            assert await stage.ends.wait(1) == [(clients[0], Outcome.BACKEND_UNAVAILABLE)]
            assert peer.is_closed()

    with BackendStub(tmp_path / "b") as backend:
        staged(scene, tmp_path / "b", patience_seconds=0.01)


def test_closing_gives_back_everybody_who_was_not_taken_over(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(*clients)
        with backend.accept() as peer:
            peer.take()
            peer.answer("ACK=1")
            await stage.ends.wait(1)
            left = stage.handoff.close()
            assert set(left) == set(clients[1:])
            for connection in left:
                connection.close()

    with BackendStub(tmp_path / "b") as backend:
        staged(scene, tmp_path / "b")


def test_those_held_are_counted(tmp_path: Path, clients: list[Connection]) -> None:
    async def scene(stage: Stage) -> None:
        stage.submit(*clients)
        assert stage.handoff.held_count == 5
        with backend.accept() as peer:
            peer.take()
            peer.answer("ACK=2")
            await stage.ends.wait(2)
        assert stage.handoff.held_count == 3

    with BackendStub(tmp_path / "b") as backend:
        staged(scene, tmp_path / "b")
