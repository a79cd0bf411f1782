# SPDX-License-Identifier: MIT
"""By names that are numeric: getaddrinfo(3) answers them without asking anybody."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest

from socketgate.forward import ForwardNames
from socketgate.lookup_values import Found, LookupLimits
from tests.support.lookups import DEADLINE_SECONDS, wait_threads_gone

HOME = b"192.0.2.7"


@pytest.fixture(autouse=True)
def _threads_end() -> Iterator[None]:
    yield
    wait_threads_gone()


def with_names(
    scene: Callable[[ForwardNames], Awaitable[object]], limits: LookupLimits | None = None
) -> object:
    async def play() -> object:
        names = ForwardNames(limits or LookupLimits(), time.monotonic)
        try:
            return await scene(names)
        finally:
            names.close()

    return asyncio.run(play())


def test_a_watched_name_has_its_addresses_once_settled() -> None:
    async def scene(names: ForwardNames) -> object:
        names.watch(frozenset({HOME}))
        await names.settled(DEADLINE_SECONDS)
        return names.found(HOME)

    assert with_names(scene) == Found(frozenset({HOME}))


def test_before_the_first_answer_a_name_has_no_addresses() -> None:
    async def scene(names: ForwardNames) -> object:
        names.watch(frozenset({HOME}))
        return names.found(HOME)

    assert with_names(scene) == Found(frozenset(), "dns:192.0.2.7: not resolved yet")


def test_a_name_nobody_watched_is_watched_from_its_first_use() -> None:
    async def scene(names: ForwardNames) -> object:
        names.found(HOME)
        await names.settled(DEADLINE_SECONDS)
        return names.found(HOME).answer

    assert with_names(scene) == frozenset({HOME})


def test_a_mapped_address_is_an_ipv4_address() -> None:
    async def scene(names: ForwardNames) -> object:
        names.watch(frozenset({b"::ffff:192.0.2.7"}))
        await names.settled(DEADLINE_SECONDS)
        return names.found(b"::ffff:192.0.2.7").answer

    assert with_names(scene) == frozenset({HOME})


def test_with_no_names_all_is_settled() -> None:
    async def scene(names: ForwardNames) -> object:
        return await names.settled(0.01)

    assert with_names(scene) is True


def test_a_name_that_is_no_longer_watched_is_forgotten() -> None:
    async def scene(names: ForwardNames) -> object:
        names.watch(frozenset({HOME}))
        await names.settled(DEADLINE_SECONDS)
        names.watch(frozenset())
        return names.found(HOME).note

    assert with_names(scene) == "dns:192.0.2.7: not resolved yet"


def test_watching_the_same_names_again_keeps_their_answers() -> None:
    async def scene(names: ForwardNames) -> object:
        names.watch(frozenset({HOME}))
        await names.settled(DEADLINE_SECONDS)
        names.watch(frozenset({HOME, b"192.0.2.8"}))
        return names.found(HOME)

    assert with_names(scene) == Found(frozenset({HOME}))


def test_no_more_names_are_watched_than_the_limit() -> None:
    async def scene(names: ForwardNames) -> object:
        names.watch(frozenset({HOME}))
        return names.found(b"192.0.2.8")

    limit = LookupLimits(max_forward_names=1)
    assert with_names(scene, limit) == Found(
        frozenset(), "dns:192.0.2.8: over the limit of 1 names"
    )


def test_a_name_with_a_nul_is_no_name() -> None:
    async def scene(names: ForwardNames) -> object:
        names.watch(frozenset({b"a\0b"}))
        await names.settled(DEADLINE_SECONDS)
        return names.found(b"a\0b")

    assert with_names(scene) == Found(frozenset(), "dns:a\\x00b: no host name")


@pytest.mark.parametrize(("name", "age"), [(HOME, 5.0), (b"192.0.2.8", 0.0)])
def test_addresses_are_as_old_as_their_last_good_answer(name: bytes, age: float) -> None:
    async def scene() -> float:
        now = [100.0]
        names = ForwardNames(LookupLimits(), lambda: now[0])
        names.watch(frozenset({HOME}))
        await names.settled(DEADLINE_SECONDS)
        now[0] += 5
        try:
            return names.age(name)
        finally:
            names.close()

    assert asyncio.run(scene()) == age
