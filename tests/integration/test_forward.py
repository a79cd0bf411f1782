# SPDX-License-Identifier: MIT
"""The addresses of `dns:` names, from a name server that changes, dies and comes back.

Each scene is played in a process with its own /etc and loopback (tests/support/own_etc.py), and
comes back as what the test compares.
"""

import asyncio
from collections.abc import Callable

from socketgate.lookup_values import LookupLimits
from socketgate.lookups import Lookups
from socketgate.rules.request import ForwardAddresses
from tests.support.dnsserver import DnsServer
from tests.support.lookups import (
    AT_ONCE,
    DEADLINE_SECONDS,
    HASTY,
    etc,
    request,
    text,
    with_lookups,
)
from tests.support.own_etc import in_own_etc

HOME = b"home.example"


async def home_is(lookups: Lookups) -> list[str]:
    """What is known of HOME once every lookup under way is over."""
    return text(lookups.cached(ForwardAddresses(HOME), request()))


async def wait_until(is_so: Callable[[], bool]) -> None:
    """Until the condition holds, which the loop's own work brings about."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not is_so():
            await asyncio.sleep(0.005)


def home_scene(changes: list[Callable[[DnsServer], None]], limits: LookupLimits) -> object:
    """What is known of HOME at first, and after each change of the name server."""

    async def scene(lookups: Lookups, server: DnsServer) -> object:
        lookups.watch_forward(frozenset({HOME}))
        await lookups.forward_settled(DEADLINE_SECONDS)
        known = [await home_is(lookups)]
        for change in changes:
            change(server)
            lookups.flush()
            await lookups.forward_settled(DEADLINE_SECONDS)
            known.append(await home_is(lookups))
        return known

    with DnsServer(
        {"home.example. A": ["192.0.2.1"], "home.example. AAAA": ["2001:db8::1"]}
    ) as server:
        return with_lookups(lambda lookups: scene(lookups, server), limits)


def moves(server: DnsServer) -> None:
    server.records = {"home.example. A": ["192.0.2.2"]}


def dies(server: DnsServer) -> None:
    server.is_dead = True


def goes(server: DnsServer) -> None:
    server.records = {}


def moving_home_scene() -> object:
    return home_scene([moves], LookupLimits())


def test_a_forward_name_has_the_addresses_it_has_now() -> None:
    expected = [["192.0.2.1 2001:db8::1", ""], ["192.0.2.2", ""]]
    assert in_own_etc(moving_home_scene, etc()) == expected


def dead_home_scene() -> object:
    return home_scene([dies], LookupLimits())


def test_a_forward_name_keeps_its_last_good_addresses_when_the_resolver_fails() -> None:
    assert in_own_etc(dead_home_scene, etc(HASTY)) == [
        ["192.0.2.1 2001:db8::1", ""],
        [
            "192.0.2.1 2001:db8::1",
            "dns:home.example: the resolver gives no answer, the last good one is kept",
        ],
    ]


def half_dead_home_scene() -> object:
    def half_dies(server: DnsServer) -> None:
        moves(server)
        server.held.add("home.example. AAAA")

    return home_scene([half_dies], LookupLimits())


def test_what_the_resolver_cannot_tell_of_one_family_is_kept() -> None:
    assert in_own_etc(half_dead_home_scene, etc(HASTY)) == [
        ["192.0.2.1 2001:db8::1", ""],
        [
            "192.0.2.2 2001:db8::1",
            "dns:home.example: the resolver gives no answer, the last good one is kept (IPv6)",
        ],
    ]


def old_home_scene() -> object:
    return home_scene([dies], LookupLimits(forward_keep_seconds=0.0))


def test_a_forward_names_last_good_addresses_are_not_kept_for_ever() -> None:
    assert in_own_etc(old_home_scene, etc(HASTY)) == [
        ["192.0.2.1 2001:db8::1", ""],
        ["", "dns:home.example: the resolver gives no answer, the last good one is too old"],
    ]


def gone_home_scene() -> object:
    return home_scene([goes], LookupLimits())


def test_a_forward_name_that_is_gone_has_no_addresses() -> None:
    assert in_own_etc(gone_home_scene, etc()) == [
        ["192.0.2.1 2001:db8::1", ""],
        ["", "dns:home.example: not found"],
    ]


def refreshed_home_scene() -> object:
    """Without a flush: only time brings the new address."""

    async def scene(lookups: Lookups, server: DnsServer) -> object:
        lookups.watch_forward(frozenset({HOME}))
        await lookups.forward_settled(DEADLINE_SECONDS)
        moves(server)
        await wait_until(lambda: text(lookups.cached(ForwardAddresses(HOME), request()))[0] == NEW)
        return True

    with DnsServer({"home.example. A": ["192.0.2.1"]}) as server:
        limits = LookupLimits(forward_refresh_seconds=0.05)
        return with_lookups(lambda lookups: scene(lookups, server), limits)


NEW = "192.0.2.2"


def test_a_forward_name_is_asked_for_again_and_again() -> None:
    assert in_own_etc(refreshed_home_scene, etc()) is True


def slow_home_scene() -> object:
    """A name whose first answer does not come, asked about by a connection."""

    async def scene(lookups: Lookups, server: DnsServer) -> object:
        server.is_dead = True
        lookups.watch_forward(frozenset({HOME}))
        return [await home_is(lookups), await lookups.forward_settled(AT_ONCE)]

    with DnsServer({}) as server:
        return with_lookups(lambda lookups: scene(lookups, server))


def test_a_forward_name_never_makes_a_connection_wait() -> None:
    expected = [["", "dns:home.example: not resolved yet"], False]
    assert in_own_etc(slow_home_scene, etc()) == expected
