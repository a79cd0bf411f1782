# SPDX-License-Identifier: MIT
import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from socketgate.commandplaces import NoPlace, Places
from tests.support.waiting import PATIENCE_SECONDS, let_the_loop_turn, play

#: Three of one /48, each a customer of its own, and one of another.
NEIGHBOURS = (b"2001:db8::7", b"2001:db8:0:1::7", b"2001:db8:0:2::7", b"2001:db8:0:3::7")
OTHER = b"2001:db8:1::7"


class Holders:
    """Holds places until they are let go, and knows who has one."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.holding: list[bytes] = []
        self._ends: dict[bytes, asyncio.Event] = {}
        self.tasks: dict[bytes, asyncio.Task[None]] = {}

    async def come(self, *addresses: bytes) -> None:
        for address in addresses:
            self._ends[address] = asyncio.Event()
            self.tasks[address] = asyncio.ensure_future(self._hold(address))
        await let_the_loop_turn()

    async def _hold(self, address: bytes) -> None:
        until = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        async with self.places.one(address, until):
            self.holding.append(address)
            await self._ends[address].wait()
        self.holding.remove(address)

    async def go(self, address: bytes) -> None:
        self._ends[address].set()
        await self.tasks[address]
        await let_the_loop_turn()

    async def be_cancelled(self, address: bytes) -> None:
        self.tasks[address].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.tasks[address]

    async def end(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


def held(count: int, scene: Callable[[Holders], Awaitable[object]]) -> object:
    """What a scene with so many places comes to."""

    async def with_places() -> object:
        holders = Holders(Places(count))
        try:
            return await scene(holders)
        finally:
            await holders.end()

    return play(with_places())


def test_the_last_quarter_of_the_places_is_for_networks_that_have_none() -> None:
    async def scene(holders: Holders) -> object:
        await holders.come(*NEIGHBOURS, OTHER)
        return list(holders.holding)

    assert held(4, scene) == [*NEIGHBOURS[:3], OTHER]


def test_who_waits_has_a_place_as_soon_as_one_of_the_network_leaves() -> None:
    async def scene(holders: Holders) -> object:
        await holders.come(*NEIGHBOURS, OTHER)
        await holders.go(NEIGHBOURS[0])
        before = list(holders.holding)
        await holders.go(OTHER)
        await holders.go(NEIGHBOURS[1])
        return before, list(holders.holding)

    assert held(4, scene) == ([*NEIGHBOURS[1:3], OTHER], list(NEIGHBOURS[2:]))


def test_places_are_given_in_the_order_of_coming() -> None:
    async def scene(holders: Holders) -> object:
        await holders.come(b"192.0.2.1", b"198.51.100.1", b"203.0.113.1")
        await holders.go(b"192.0.2.1")
        return list(holders.holding)

    assert held(1, scene) == [b"198.51.100.1"]


def test_who_goes_while_waiting_leaves_the_place_to_the_next() -> None:
    async def scene(holders: Holders) -> object:
        await holders.come(b"192.0.2.1", b"198.51.100.1", b"203.0.113.1")
        await holders.be_cancelled(b"198.51.100.1")
        await holders.go(b"192.0.2.1")
        return list(holders.holding)

    assert held(1, scene) == [b"203.0.113.1"]


def test_who_goes_at_the_moment_of_having_a_place_leaves_it_to_the_next() -> None:
    async def scene(holders: Holders) -> object:
        until = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        async with holders.places.one(b"192.0.2.1", until):
            await holders.come(b"198.51.100.1", b"203.0.113.1")
        await holders.be_cancelled(b"198.51.100.1")  # it has the place and doesn't know yet
        await let_the_loop_turn()
        return list(holders.holding)

    assert held(1, scene) == [b"203.0.113.1"]


def test_who_has_just_gone_is_given_no_place() -> None:
    async def scene(holders: Holders) -> object:
        until = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        async with holders.places.one(b"192.0.2.1", until):
            await holders.come(b"198.51.100.1", b"203.0.113.1")
            holders.tasks[b"198.51.100.1"].cancel()
        await let_the_loop_turn()
        return list(holders.holding)

    assert held(1, scene) == [b"203.0.113.1"]


def test_who_has_none_in_time_is_told() -> None:
    async def scene(holders: Holders) -> object:
        await holders.come(b"192.0.2.1")
        with pytest.raises(NoPlace):
            async with holders.places.one(b"192.0.2.2", asyncio.get_running_loop().time()):
                pass
        await holders.go(b"192.0.2.1")
        await holders.come(b"192.0.2.3")
        return list(holders.holding)

    assert held(1, scene) == [b"192.0.2.3"]
