# SPDX-License-Identifier: MIT
import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest

from socketgate.command_message import (
    MAX_ANSWER_BYTES,
    MAX_MESSAGE_BYTES,
    STOPPING,
    Ended,
    Job,
    encode_job,
)
from socketgate.commandchannel import Channel
from socketgate.rules.keyword import CommandKind
from tests.support.descriptors import no_free_descriptor
from tests.support.gatestub import client_pair
from tests.support.waiting import PATIENCE_SECONDS, Happenings, play


def job(number: int = 1, kind: CommandKind = CommandKind.SPAWN) -> bytes:
    return encode_job(Job(id=number, kind=kind, start_seconds=1, end_seconds=1, command=b"x"))


TWIST = job(kind=CommandKind.TWIST)


class Ends:
    """A channel, and the gate's end of it."""

    def __init__(self, max_unanswered: int) -> None:
        self.gate, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.gate.settimeout(0)
        self.jobs: Happenings[int] = Happenings()
        self.clients: list[socket.socket] = []
        self.ends: Happenings[str] = Happenings()
        self.channel = Channel(ours, self._on_job, self._on_end, max_unanswered=max_unanswered)

    def send(self, message: bytes, *clients: socket.socket | int) -> None:
        fds = [client if isinstance(client, int) else client.fileno() for client in clients]
        socket.send_fds(self.gate, [message], fds)

    async def message(self) -> bytes:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.get_running_loop().sock_recv(self.gate, MAX_ANSWER_BYTES)

    def _on_job(self, _channel: Channel, one: Job, client: socket.socket | None) -> None:
        self.jobs(one.id)
        if client is not None:
            self.clients.append(client)

    def _on_end(self, _channel: Channel, trouble: str) -> None:
        self.ends(trouble)

    def close(self) -> None:
        self.channel.close()
        self.gate.close()
        for client in self.clients:
            client.close()


def played(scene: Callable[[Ends], Awaitable[object]], *, max_unanswered: int = 8) -> object:
    async def with_both() -> object:
        with contextlib.closing(Ends(max_unanswered)) as ends:
            return await scene(ends)

    return play(with_both())


def test_jobs_come_in_their_order() -> None:
    async def scene(on: Ends) -> object:
        for number in (1, 2, 3):
            on.send(job(number))
        return await on.jobs.wait(3)

    assert played(scene) == [1, 2, 3]


def test_a_twist_comes_with_its_client() -> None:
    async def scene(on: Ends) -> object:
        with client_pair() as (near, far):
            on.send(TWIST, far)
            await on.jobs.wait(1)
            return on.clients[0].getpeername() == near.getsockname()

    assert played(scene) is True


def test_only_the_first_answer_is_given() -> None:
    async def scene(on: Ends) -> object:
        on.send(job())
        await on.jobs.wait(1)
        for status in (0, 1):
            on.channel.answer(1, Ended(status))
        on.channel.say_stopping()
        return await on.message(), await on.message()

    assert played(scene) == (b"ID=1\nSTATUS=0\n", STOPPING)


def test_more_jobs_than_may_wait_are_answered_at_once() -> None:
    async def scene(on: Ends) -> object:
        for number in (1, 2):
            on.send(job(number))
        refused = await on.message()
        on.channel.answer(1, Ended(0))
        on.send(job(3))
        return refused, await on.message(), await on.jobs.wait(2)

    too_many = b"ID=2\nTROUBLE=too many commands wait already\n"
    assert played(scene, max_unanswered=1) == (too_many, b"ID=1\nSTATUS=0\n", [1, 3])


def test_a_client_that_no_descriptor_is_left_for_costs_nobody_else_a_thing() -> None:
    async def scene(on: Ends) -> object:
        with client_pair() as (_near, far):
            on.send(TWIST, far)
            with no_free_descriptor():
                refused = await on.message()
        on.send(job(2))
        return refused, await on.jobs.wait(1)

    assert played(scene) == (b"ID=1\nTROUBLE=no descriptor was left for the client\n", [2])


@pytest.mark.parametrize(
    "message", [b"nonsense", b"SOCKETGATE_COMMAND=2\n", b"x" * (MAX_MESSAGE_BYTES + 1)]
)
def test_what_no_gate_sends_ends_the_channel(message: bytes) -> None:
    async def scene(on: Ends) -> object:
        on.send(message)
        (trouble,) = await on.ends.wait(1)
        return trouble != "", await on.message()

    assert played(scene) == (True, b"")


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        (CommandKind.TWIST, 0),
        (CommandKind.TWIST, 2),
        (CommandKind.TWIST, 9),
        (CommandKind.SPAWN, 1),
    ],
)
def test_a_job_with_the_wrong_number_of_descriptors_ends_it(kind: CommandKind, count: int) -> None:
    async def scene(on: Ends) -> object:
        with client_pair() as (_near, far):
            on.send(job(kind=kind), *[far] * count)
            return await on.ends.wait(1)

    assert played(scene) == [f"{min(count, 4)} descriptors with {kind.value}"]


@pytest.fixture
def pipe_end() -> Iterator[int]:
    read_end, write_end = os.pipe()
    yield read_end
    os.close(read_end)
    os.close(write_end)


def test_a_twist_s_client_has_to_be_a_socket(pipe_end: int) -> None:
    async def scene(on: Ends) -> object:
        on.send(TWIST, pipe_end)
        return await on.ends.wait(1)

    assert played(scene) == ["a client that is no socket: Socket operation on non-socket"]


def test_a_gate_that_goes_is_no_trouble() -> None:
    async def scene(on: Ends) -> object:
        on.gate.close()
        return await on.ends.wait(1)

    assert played(scene) == [""]
