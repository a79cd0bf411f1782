# SPDX-License-Identifier: MIT
import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from socketgate.accept import Connection
from socketgate.channel import MAX_BATCH, MAX_READS, BackendBusy, Channel
from socketgate.errors import BackendUnavailable
from tests.support.backendstub import BackendStub, Peer
from tests.support.clients import connected, listening
from tests.support.waiting import (
    PATIENCE_SECONDS,
    Calls,
    Happenings,
    let_the_loop_turn,
    open_descriptors,
    play,
)

TRUSTED = frozenset({os.geteuid()})


class Stage:
    """A backend and a channel to it, and what the channel told."""

    def __init__(self, path: Path) -> None:
        self.settled = Happenings[tuple[Connection, str | None]]()
        self.room = Calls()
        self.broken = Happenings[Channel]()
        self.path = str(path)
        self.channel = Channel(
            self.path,
            TRUSTED,
            on_acknowledged=self._on_acknowledged,
            on_refused=lambda connection: self.settled((connection, self.path)),
            on_room=self.room,
            on_broken=self._on_broken,
        )

    def _on_acknowledged(self, taken: list[Connection]) -> None:
        for connection in taken:
            self.settled((connection, None))

    def _on_broken(self, channel: Channel) -> None:
        """As its owner: a broken channel is closed at once."""
        channel.close()
        self.broken(channel)


Scene = Callable[[Stage, Peer, list[Connection]], Awaitable[None]]


@pytest.fixture
def clients() -> Iterator[list[Connection]]:
    """Five accepted connections."""
    with listening() as listener, contextlib.ExitStack() as stack:
        yield [stack.enter_context(connected(listener))[0] for _ in range(5)]


def staged(tmp_path: Path, clients: list[Connection], scene: Scene) -> None:
    async def with_channel() -> None:
        with BackendStub(tmp_path / "b.sock") as backend:
            stage = Stage(tmp_path / "b.sock")
            try:
                with backend.accept() as peer:
                    await scene(stage, peer, clients)
            finally:
                stage.channel.close()

    play(with_channel())


def sent_one_by_one(channel: Channel, clients: list[Connection]) -> None:
    for client in clients:
        assert channel.send([client])


def test_a_client_goes_out_as_one_message_with_its_descriptor(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        stage.channel.send(clients[:1])
        (client,) = peer.take()
        assert client.lines == ("SOCKETGATE=1", "ID=1", "DAEMON=sshd")
        assert os.path.sameopenfile(client.sock.fileno(), clients[0].fd)

    staged(tmp_path, clients, scene)


def test_ids_rise(tmp_path: Path, clients: list[Connection]) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        sent_one_by_one(stage.channel, clients)
        assert [peer.take()[0].id for _ in clients] == [1, 2, 3, 4, 5]

    staged(tmp_path, clients, scene)


def test_a_client_sent_again_has_a_new_id(tmp_path: Path, clients: list[Connection]) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        sent_one_by_one(stage.channel, [clients[0], clients[1], clients[0]])
        assert [peer.take()[0].id for _ in range(3)] == [1, 2, 3]

    staged(tmp_path, clients, scene)


def test_an_acknowledgement_covers_all_before_it(tmp_path: Path, clients: list[Connection]) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        sent_one_by_one(stage.channel, clients)
        peer.answer("ACK=3")
        assert await stage.settled.wait(3) == [(client, None) for client in clients[:3]]
        assert stage.channel.unacknowledged_count == 2

    staged(tmp_path, clients, scene)


def test_an_acknowledgement_said_twice_settles_once(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        sent_one_by_one(stage.channel, clients[:2])
        for text in ("ACK=1", "ACK=1", "ACK=2"):
            peer.answer(text)
        assert await stage.settled.wait(2) == [(client, None) for client in clients[:2]]

    staged(tmp_path, clients, scene)


def test_a_refusal_is_of_one_client_and_acknowledges_no_other(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        sent_one_by_one(stage.channel, clients)
        peer.answer("REFUSE=3")
        assert await stage.settled.wait(1) == [(clients[2], stage.path)]
        assert stage.channel.take_unacknowledged() == [*clients[:2], *clients[3:]]

    staged(tmp_path, clients, scene)


def test_a_refused_client_is_not_acknowledged_afterwards(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        sent_one_by_one(stage.channel, clients[:2])
        peer.answer("REFUSE=1\nACK=2")
        assert await stage.settled.wait(2) == [(clients[0], stage.path), (clients[1], None)]

    staged(tmp_path, clients, scene)


def test_an_acknowledged_client_is_not_refused_afterwards(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        sent_one_by_one(stage.channel, clients[:2])
        peer.answer("ACK=1\nREFUSE=1\nACK=2")
        assert await stage.settled.wait(2) == [(clients[0], None), (clients[1], None)]

    staged(tmp_path, clients, scene)


def test_several_answers_in_one_message_are_all_obeyed(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        sent_one_by_one(stage.channel, clients)
        peer.answer("BATCH=4\nACK=2\nREFUSE=4\nACK=5")
        await stage.settled.wait(5)
        assert (stage.channel.batch, stage.channel.unacknowledged_count) == (4, 0)

    staged(tmp_path, clients, scene)


def test_one_client_a_message_until_the_backend_asks_for_more(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage, _peer: Peer, _clients: list[Connection]) -> None:
        assert stage.channel.batch == 1

    staged(tmp_path, clients, scene)


def test_a_batch_is_blocks_apart_by_an_empty_line_with_descriptors_in_order(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        stage.channel.send(clients)
        taken = peer.take()
        assert [client.lines[:2] for client in taken] == [
            ("SOCKETGATE=1", f"ID={number}") for number in range(1, 6)
        ]
        assert all(
            os.path.sameopenfile(client.sock.fileno(), connection.fd)
            for client, connection in zip(taken, clients, strict=True)
        )

    staged(tmp_path, clients, scene)


def test_ids_go_on_after_a_batch(tmp_path: Path, clients: list[Connection]) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        stage.channel.send(clients[:4])
        peer.take()
        stage.channel.send(clients[4:])
        assert peer.take()[0].id == 5

    staged(tmp_path, clients, scene)


def test_a_key_of_a_later_version_is_ignored(tmp_path: Path, clients: list[Connection]) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        sent_one_by_one(stage.channel, clients[:1])
        peer.answer("LOAD=high\nACK=1")
        await stage.settled.wait(1)
        assert stage.broken.seen == []

    staged(tmp_path, clients, scene)


@pytest.mark.parametrize(
    "nonsense",
    [
        pytest.param(b"hello\n", id="no-key"),
        pytest.param(b"\xff\xfe\0\n", id="garbage"),
        pytest.param(b"\n\n", id="empty-line"),
        pytest.param(b"ACK=6\n", id="acknowledges-what-was-not-sent"),
        pytest.param(b"REFUSE=6\n", id="refuses-what-was-not-sent"),
        pytest.param(b"ACK=9999999999999999999\n", id="huge"),
        pytest.param(b"BATCH=0\n", id="batch-of-none"),
        pytest.param(b"BATCH=%d\n" % (MAX_BATCH + 1), id="batch-too-large"),
    ],
)
def test_an_answer_that_makes_no_sense_breaks_the_channel(
    nonsense: bytes, tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        sent_one_by_one(stage.channel, clients)
        peer.answer(nonsense)
        assert await stage.broken.wait(1) == [stage.channel]
        assert stage.channel.take_unacknowledged() == clients

    staged(tmp_path, clients, scene)


@pytest.mark.parametrize(
    "nonsense", [b"ACK=\n", b"ACK=-1\n", b"ACK= 1\n", b"ACK=1x\n", b"ack=1\n", b"ACK=1\0\n"]
)
def test_an_answer_that_is_almost_right_acknowledges_nobody(
    nonsense: bytes, tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        sent_one_by_one(stage.channel, clients[:2])
        peer.answer(nonsense)
        peer.sock.close()
        await stage.broken.wait(1)
        assert stage.channel.take_unacknowledged() == clients[:2]

    staged(tmp_path, clients, scene)


def test_what_stands_before_nonsense_is_obeyed(tmp_path: Path, clients: list[Connection]) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        sent_one_by_one(stage.channel, clients)
        peer.answer("ACK=2\nnonsense\nACK=5")
        await stage.broken.wait(1)
        assert stage.channel.take_unacknowledged() == clients[2:]

    staged(tmp_path, clients, scene)


def test_acknowledgements_queued_before_the_end_count(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        sent_one_by_one(stage.channel, clients)
        for _ in clients:
            peer.take()
        peer.answer("ACK=4")
        peer.sock.close()
        await stage.broken.wait(1)
        assert stage.channel.take_unacknowledged() == clients[4:]

    staged(tmp_path, clients, scene)


def test_acknowledgements_queued_behind_a_reset_count(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        sent_one_by_one(stage.channel, clients)
        for _ in clients[:4]:
            peer.take()
        peer.answer("ACK=2")
        peer.answer("ACK=4")
        peer.sock.close()  # with a message unread: ECONNRESET for the gate (unix(7))
        await stage.broken.wait(1)
        assert stage.channel.take_unacknowledged() == clients[4:]

    staged(tmp_path, clients, scene)


def test_acknowledgements_are_read_after_a_send_that_failed(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        sent_one_by_one(stage.channel, clients[:3])
        for _ in range(3):
            peer.take()
        peer.answer("ACK=2")
        peer.sock.close()
        assert not stage.channel.send(clients[3:4])
        await stage.broken.wait(1)
        assert stage.channel.take_unacknowledged() == clients[2:3]

    staged(tmp_path, clients, scene)


def test_many_answers_are_read_in_several_turns(tmp_path: Path, clients: list[Connection]) -> None:
    """Others have their turn in between: a backend may never end."""

    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        sent_one_by_one(stage.channel, clients)
        for number in range(1, MAX_BATCH + 1):
            peer.answer(f"BATCH={number}")
        batches = [stage.channel.batch]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while batches[-1] < MAX_BATCH:
                await asyncio.sleep(0)
                batches.append(stage.channel.batch)
        assert max(later - sooner for sooner, later in pairwise(batches)) <= MAX_READS

    staged(tmp_path, clients, scene)


def test_many_answers_behind_a_send_that_failed_are_all_read(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        sent_one_by_one(stage.channel, clients[:4])
        for _ in range(2 * MAX_READS):
            peer.answer("BATCH=1")
        peer.answer("ACK=4")
        peer.close()
        assert not stage.channel.send(clients[4:])
        await stage.broken.wait(1)
        assert [one for one, _ in stage.settled.seen] == clients[:4]

    staged(tmp_path, clients, scene)


def test_a_broken_channel_is_told_once(tmp_path: Path, clients: list[Connection]) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        sent_one_by_one(stage.channel, clients)
        peer.sock.close()
        stage.channel.send(clients[:1])
        await stage.broken.wait(1)
        await let_the_loop_turn()
        assert len(stage.broken.seen) == 1

    staged(tmp_path, clients, scene)


def fill(channel: Channel, client: Connection) -> int:
    """Send the same client until the channel is full; how often it went through."""
    count = 0
    while channel.send([client]):
        count += 1
    return count


def test_a_full_channel_says_so_and_when_there_is_room(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        clients[0].text = b"X=%b\n" % (b"x" * 30_000)
        count = fill(stage.channel, clients[0])
        assert stage.channel.is_full
        for _ in range(count):
            peer.take()
        await stage.room.wait(1)
        assert stage.channel.send([clients[0]])

    staged(tmp_path, clients, scene)


def test_what_did_not_go_through_has_used_up_no_id(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        clients[0].text = b"X=%b\n" % (b"x" * 30_000)
        count = fill(stage.channel, clients[0])
        assert [peer.take()[0].id for _ in range(count)] == list(range(1, count + 1))
        await stage.room.wait(1)
        stage.channel.send([clients[1]])
        assert peer.take()[0].id == count + 1

    staged(tmp_path, clients, scene)


def test_a_channel_is_overdue_when_one_of_its_clients_is(
    tmp_path: Path, clients: list[Connection]
) -> None:
    async def scene(stage: Stage, peer: Peer, clients: list[Connection]) -> None:
        for number, client in enumerate(clients):
            client.until_ns = number * 10
        sent_one_by_one(stage.channel, clients)
        assert not stage.channel.is_overdue(-1)
        assert stage.channel.is_overdue(0)
        peer.answer("ACK=2")
        await stage.settled.wait(2)
        assert not stage.channel.is_overdue(19)
        assert stage.channel.is_overdue(20)

    staged(tmp_path, clients, scene)


def connect(path: Path, trusted: frozenset[int] = TRUSTED) -> Channel:
    return Channel(
        str(path),
        trusted,
        on_acknowledged=lambda _taken: None,
        on_refused=lambda _connection: None,
        on_room=Calls(),
        on_broken=Happenings[Channel](),
    )


def refusal(path: Path, trusted: frozenset[int] = TRUSTED) -> str:
    async def scene() -> str:
        before = open_descriptors()
        with pytest.raises(BackendUnavailable) as caught:
            connect(path, trusted)
        assert open_descriptors() == before
        return str(caught.value)

    return play(scene())


def test_nobody_at_the_backend_s_path_is_unavailable(tmp_path: Path) -> None:
    assert refusal(tmp_path / "b.sock") == f"{tmp_path}/b.sock isn't there, or can't be seen by us"


def test_a_socket_nobody_listens_on_is_unavailable(tmp_path: Path) -> None:
    BackendStub(tmp_path / "b.sock").sock.close()
    assert refusal(tmp_path / "b.sock") == f"{tmp_path}/b.sock: Connection refused"


def test_a_socket_of_another_kind_is_unavailable(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(str(tmp_path / "b.sock"))
        sock.listen()
        assert refusal(tmp_path / "b.sock") == (
            f"{tmp_path}/b.sock: Protocol wrong type for socket"
        )


def test_a_backend_of_an_untrusted_user_is_unavailable(tmp_path: Path) -> None:
    with BackendStub(tmp_path / "b.sock"):
        text = refusal(tmp_path / "b.sock", frozenset({12345}))
    assert text.startswith(f"{tmp_path}/b.sock: the backend (process {os.getpid()}) runs as ")


def test_a_path_that_others_can_change_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    with BackendStub(tmp_path / "open" / "b.sock"):
        (tmp_path / "open").chmod(0o777)
        assert "can be written by others" in refusal(tmp_path / "open" / "b.sock")


def test_a_backend_whose_queue_is_full_is_busy_and_not_taken_for_connected(
    tmp_path: Path,
) -> None:
    async def scene() -> None:
        with BackendStub(tmp_path / "b.sock", backlog=0):
            channels = [connect(tmp_path / "b.sock")]
            before = open_descriptors()
            with pytest.raises(BackendBusy):
                connect(tmp_path / "b.sock")
            assert open_descriptors() == before
            for channel in channels:
                channel.close()

    play(scene())


def test_closing_twice_closes_once(tmp_path: Path) -> None:
    async def scene() -> None:
        with BackendStub(tmp_path / "b.sock"):
            channel = connect(tmp_path / "b.sock")
            channel.close()
            channel.close()

    play(scene())
