# SPDX-License-Identifier: MIT
"""A loop for a test, waiting for what it is to bring, and the surroundings of a process."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Generic, TypeVar

#: No test waits longer for anything.
PATIENCE_SECONDS = 20.0

T = TypeVar("T")


class Happenings(Generic[T]):
    """Called back by what is tested; keeps what it was told, and lets a test wait for it."""

    def __init__(self) -> None:
        self.seen: list[T] = []
        self._changed = asyncio.Event()

    def __call__(self, what: T) -> None:
        self.seen.append(what)
        self._changed.set()

    async def wait(self, count: int) -> list[T]:
        """What came so far, once there are so many."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.seen) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.seen


class Calls(Happenings[None]):
    """The same for a callback without arguments."""

    def __call__(self, what: None = None) -> None:
        super().__call__(what)

    @property
    def count(self) -> int:
        """How often it was called."""
        return len(self.seen)


def play(scene: Coroutine[object, object, T]) -> T:
    """Run a scene in a loop of its own, and never for ever."""

    async def bounded() -> T:
        async with asyncio.timeout(3 * PATIENCE_SECONDS):
            return await scene

    return asyncio.run(bounded())


async def let_the_loop_turn() -> None:
    """Let everything run that is ready now: callbacks, and readers of what has already come."""
    for _ in range(5):
        await asyncio.sleep(0)


def open_descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # only names


def kill_first_child(pid: int) -> None:
    """SIGKILL for the child of a process that has none yet, as soon as it has one."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := children.read_text().split()):
        if time.monotonic() > deadline:
            raise AssertionError("no child came")
    os.kill(int(found[0]), signal.SIGKILL)


@contextlib.contextmanager
def environment(**variables: str | None) -> Iterator[None]:
    """These variables for a while; None takes one away."""
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    try:
        yield
    finally:
        _set(before)


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
