# SPDX-License-Identifier: MIT
import asyncio
import selectors
import socket
from collections.abc import Iterator

import pytest

from socketgate.coalescing import WAIT_SECONDS, CoalescingSelector


class Arrivals:
    """Two ends that can be read; somebody writes to the second only while the selector waits."""

    def __init__(self) -> None:
        self.first, self._first_far = socket.socketpair()
        self.second, self._second_far = socket.socketpair()
        self.waits: list[float] = []
        self.selector = CoalescingSelector(self._wait)
        for end in (self.first, self.second):
            self.selector.register(end, selectors.EVENT_READ)
        self._first_far.send(b"x")

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self._second_far.send(b"x")

    def found(self) -> list[object]:
        """Who can be read."""
        return [key.fileobj for key, _ in self.selector.select(0)]

    def close(self) -> None:
        """Everything."""
        self.selector.close()
        for end in (self.first, self._first_far, self.second, self._second_far):
            end.close()


@pytest.fixture
def arrivals() -> Iterator[Arrivals]:
    arrivals = Arrivals()
    yield arrivals
    arrivals.close()


def test_who_comes_during_the_wait_is_found_with_the_others(arrivals: Arrivals) -> None:
    arrivals.selector.coalesce()
    assert set(arrivals.found()) == {arrivals.first, arrivals.second}


def test_nothing_is_put_off_unless_asked_for(arrivals: Arrivals) -> None:
    assert (arrivals.found(), arrivals.waits) == ([arrivals.first], [])


def test_one_look_is_put_off_and_not_the_next(arrivals: Arrivals) -> None:
    arrivals.selector.coalesce()
    arrivals.found()
    arrivals.found()
    assert arrivals.waits == [WAIT_SECONDS]


def test_asyncio_runs_on_it() -> None:
    selector = CoalescingSelector()

    async def turns() -> str:
        for _ in range(3):
            selector.coalesce()
            await asyncio.sleep(0)
        return "done"

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        assert runner.run(turns()) == "done"
