# SPDX-License-Identifier: MIT
import contextlib
import itertools
from collections.abc import Awaitable, Callable

import pytest

from socketgate.accept import Connection
from socketgate.acceptor import MAX_BURST, Acceptor
from socketgate.activation import Listener
from tests.support.clients import client_of, listening
from tests.support.descriptors import no_free_descriptor, unwatchable
from tests.support.waiting import Calls, Happenings, let_the_loop_turn, open_descriptors, play


class Stage:
    """An acceptor with a listener of its own, and the bursts that it took."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.room = 1000
        self.bursts = Happenings[list[Connection]]()
        self.coalesced = Calls()
        self.acceptor = Acceptor(
            listener,
            itertools.count(1),
            room=lambda: self.room,
            on_burst=self._on_burst,
            coalesce=self.coalesced,
        )
        self.acceptor.is_open = True

    def _on_burst(self, burst: list[Connection]) -> None:
        self.room -= len(burst)
        self.acceptor.attend()
        self.bursts(burst)

    def sizes(self) -> list[int]:
        """How large the bursts were."""
        return [len(burst) for burst in self.bursts.seen]

    def close(self) -> None:
        self.acceptor.is_open = False
        self.acceptor.attend()
        for burst in self.bursts.seen:
            for connection in burst:
                connection.close()


def staged(scene: Callable[[Stage], Awaitable[None]], clients: int) -> None:
    """Play a scene with so many clients in the queue. It leaves no descriptor."""

    async def with_stage() -> None:
        with listening() as listener, contextlib.ExitStack() as stack:
            before = open_descriptors()
            for _ in range(clients):
                stack.enter_context(client_of(listener))
            stage = Stage(listener)
            try:
                await scene(stage)
            finally:
                stage.close()
            stack.close()
            assert open_descriptors() == before

    play(with_stage())


def test_clients_in_the_queue_are_one_burst() -> None:
    async def scene(stage: Stage) -> None:
        stage.acceptor.attend()
        await stage.bursts.wait(1)
        assert stage.sizes() == [3]

    staged(scene, 3)


def test_more_than_a_burst_are_several() -> None:
    async def scene(stage: Stage) -> None:
        stage.acceptor.attend()
        await stage.bursts.wait(2)
        assert stage.sizes() == [MAX_BURST, 1]

    staged(scene, MAX_BURST + 1)


def test_no_more_are_taken_than_there_is_room_for() -> None:
    async def scene(stage: Stage) -> None:
        stage.room = 2
        stage.acceptor.attend()
        await stage.bursts.wait(1)
        await let_the_loop_turn()
        assert (stage.sizes(), stage.acceptor.is_reading) == ([2], False)
        stage.room = 1
        stage.acceptor.attend()
        await stage.bursts.wait(2)
        assert stage.sizes() == [2, 1]

    staged(scene, 3)


def test_before_it_is_open_nobody_is_taken() -> None:
    async def scene(stage: Stage) -> None:
        stage.acceptor.is_open = False
        stage.acceptor.attend()
        await let_the_loop_turn()
        assert (stage.sizes(), stage.acceptor.is_reading) == ([], False)

    staged(scene, 1)


@pytest.mark.parametrize(("clients", "is_put_off"), [(1, False), (2, True), (MAX_BURST, False)])
def test_after_a_burst_that_left_nobody_behind_the_next_look_is_put_off(
    clients: int, is_put_off: bool
) -> None:
    async def scene(stage: Stage) -> None:
        stage.acceptor.attend()
        await stage.bursts.wait(1)
        assert stage.coalesced.count == is_put_off

    staged(scene, clients)


def test_out_of_descriptors_clients_wait_and_it_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene(stage: Stage) -> None:
        stage.acceptor.attend()
        with no_free_descriptor():
            await let_the_loop_turn()
            stage.acceptor._try_again()
            await let_the_loop_turn()
        while not any(stage.sizes()):
            await stage.bursts.wait(len(stage.sizes()) + 1)
        assert stage.sizes().count(0) >= 2

    staged(scene, 1)
    (record,) = caplog.records
    assert "accept: Too many open files (raise LimitNOFILE=" in record.getMessage()


def test_a_listener_that_cannot_be_watched_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene(stage: Stage) -> None:
        with unwatchable(stage.listener.sock):
            stage.acceptor.attend()
            assert not stage.acceptor.is_reading
        await stage.bursts.wait(1)
        assert stage.sizes() == [1]

    staged(scene, 1)
    (record,) = caplog.records
    assert "epoll_ctl: " in record.getMessage()
