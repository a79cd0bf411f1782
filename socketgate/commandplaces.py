# SPDX-License-Identifier: MIT
"""How many commands run at once, in all and for whom: the others wait, each until its deadline."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from socketgate.lookup_source import prefixes_of
from socketgate.lookup_values import Prefixes, Shares

#: One source has at most this part of the places, so that it can't have them all.
SOURCE_PART = 4


class NoPlace(Exception):
    """Nobody has left in time."""


class Places:
    """So many at once. Limits count as those of lookups; whom they don't concern waits for nobody.

    One loop only.
    """

    def __init__(self, count: int) -> None:
        self._shares = Shares(count, max(1, count // SOURCE_PART))
        #: Who waits, in the order they came. None of them could have a place now.
        self._waiting: dict[asyncio.Future[None], Prefixes] = {}
        self._loop = asyncio.get_running_loop()

    @contextlib.asynccontextmanager
    async def one(self, address: bytes, until: float) -> AsyncIterator[None]:
        """Hold a place for a client of this address. Raises NoPlace."""
        who = prefixes_of(address)
        if not self._shares.take(who):
            await self._wait(who, until)
        try:
            yield
        finally:
            self._leave(who)

    async def _wait(self, who: Prefixes, until: float) -> None:
        given = self._loop.create_future()
        self._waiting[given] = who
        try:
            async with asyncio.timeout_at(until):
                await given
        except BaseException as error:  # passed on; a place given just now goes to the next
            if self._waiting.pop(given, None) is None:
                self._leave(who)
            if isinstance(error, TimeoutError):
                raise NoPlace from None
            raise

    def _leave(self, who: Prefixes) -> None:
        self._shares.give_back(who)
        passed_over: set[str] = set()
        for given, other in list(self._waiting.items()):
            if given.cancelled() or passed_over & {other.source, other.network, "all"}:
                continue
            if limit := self._shares.over(other):
                passed_over.add(limit)
                continue
            self._shares.take(other)
            del self._waiting[given]
            given.set_result(None)
