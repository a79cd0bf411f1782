# SPDX-License-Identifier: MIT
"""Lookups shared, kept, flushed and cut off, with a real name server, slow or dead.

Each scene is played in a process with its own /etc and loopback (tests/support/own_etc.py), and
comes back as what the test compares.
"""

import asyncio
import subprocess
import time
from pathlib import Path

import pytest

from socketgate.lookup_values import LookupLimits
from socketgate.lookups import Lookups
from socketgate.rules.request import AccountExists, Fact
from tests.support.dnsserver import DnsServer, reverse
from tests.support.identserver import IdentServer, tells
from tests.support.lookups import (
    AT_ONCE,
    HASTY,
    etc,
    name_of,
    request,
    text,
    with_lookups,
)
from tests.support.own_etc import in_own_etc

ZONE = {
    **reverse("192.0.2.1", "good.example."),
    "good.example. A": ["192.0.2.1"],
    **reverse("192.0.2.2", "liar.example."),
    "liar.example. A": ["192.0.2.200"],
}
ROOT = AccountExists(b"root", is_group=False)


def shared_scene() -> object:
    async def scene(lookups: Lookups, server: DnsServer) -> object:
        server.held.add("good.example.")
        waiting = [asyncio.create_task(name_of(lookups, "192.0.2.1")) for _ in range(100)]
        await asyncio.to_thread(server.wait_asked, 2)
        server.release()
        names = {str(found.answer) for found in await asyncio.gather(*waiting)}
        return [*names, server.questions]

    with DnsServer(ZONE) as server:
        return with_lookups(lambda lookups: scene(lookups, server))


def test_a_hundred_connections_from_one_address_cost_one_lookup() -> None:
    questions = ["1.2.0.192.in-addr.arpa. PTR", "good.example. A"]
    assert in_own_etc(shared_scene, etc()) == ["b'good.example'", questions]


def kept_scene() -> object:
    async def scene(lookups: Lookups, server: DnsServer) -> object:
        for address in ("192.0.2.1", "192.0.2.6", "192.0.2.2"):
            await name_of(lookups, address)
        asked = len(server.questions)
        again = [
            text(lookups.cached(Fact.CLIENT_NAME, request(address)))[0]
            for address in ("192.0.2.1", "192.0.2.6", "192.0.2.2")
        ]
        return [again, len(server.questions) - asked]

    with DnsServer(ZONE) as server:
        return with_lookups(lambda lookups: scene(lookups, server))


def test_good_failed_and_paranoid_answers_are_kept() -> None:
    assert in_own_etc(kept_scene, etc()) == [["good.example", "unknown", "paranoid"], 0]


def flushed_scene() -> object:
    async def scene(lookups: Lookups) -> object:
        before = await name_of(lookups, "192.0.2.1")
        Path("/etc/hosts").write_text("192.0.2.1 new.example\n")
        kept = await name_of(lookups, "192.0.2.1")
        lookups.flush()
        return [text(found)[0] for found in (before, kept, await name_of(lookups, "192.0.2.1"))]

    return with_lookups(scene)


def test_a_changed_hosts_file_counts_after_a_flush() -> None:
    files = etc(hosts="192.0.2.1 old.example\n")
    expected = ["old.example", "old.example", "new.example"]
    assert in_own_etc(flushed_scene, files) == expected


def stale_scene() -> object:
    async def scene(lookups: Lookups, server: DnsServer) -> object:
        server.held.add("good.example.")
        before = asyncio.create_task(name_of(lookups, "192.0.2.1"))
        await asyncio.to_thread(server.wait_asked, 2)
        Path("/etc/hosts").write_text("192.0.2.1 new.example\n")
        lookups.flush()
        after = await name_of(lookups, "192.0.2.1")
        server.release()
        await before
        return [text(after), text(lookups.cached(Fact.CLIENT_NAME, request("192.0.2.1")))]

    with DnsServer(ZONE) as server:
        return with_lookups(lambda lookups: scene(lookups, server))


def test_a_lookup_under_way_at_a_flush_answers_nobody_who_comes_later() -> None:
    assert in_own_etc(stale_scene, etc()) == [["new.example", ""]] * 2


def dead_scene() -> object:
    async def scene(lookups: Lookups, server: DnsServer) -> object:
        server.is_dead = True
        return text(await name_of(lookups, "192.0.2.1", AT_ONCE))

    with DnsServer({}) as server:
        return with_lookups(lambda lookups: scene(lookups, server))


def test_a_dead_name_server_makes_a_name_unknown_at_the_deadline() -> None:
    assert in_own_etc(dead_scene, etc()) == ["unknown", "name: timed out"]


def test_threads_stuck_in_the_resolver_do_not_hold_up_the_exit() -> None:
    with_time_to_spare = 20.0  # the resolver would take 30 s
    try:
        in_own_etc(dead_scene, etc(), timeout_seconds=with_time_to_spare)
    except subprocess.TimeoutExpired:
        pytest.fail("the process waits for its stuck threads")


def given_up_scene() -> object:
    async def scene(lookups: Lookups, server: DnsServer) -> object:
        server.is_dead = True
        return text(await name_of(lookups, "192.0.2.1"))

    with DnsServer({}) as server:
        return with_lookups(lambda lookups: scene(lookups, server))


def test_a_resolver_that_gives_up_before_the_deadline_makes_a_name_unknown() -> None:
    expected = ["unknown", "name: the resolver gave no answer"]
    assert in_own_etc(given_up_scene, etc(HASTY)) == expected


def crowd_scene() -> object:
    """200 clients of one network whose reverse zone is dead, and one of another network."""

    async def scene(lookups: Lookups, server: DnsServer) -> object:
        dead = [f"198.51.100.{number}" for number in range(1, 201)]
        server.held.update(f"{number}.100.51.198.in-addr.arpa." for number in range(1, 201))
        waiting = [asyncio.create_task(name_of(lookups, address)) for address in dead]
        await asyncio.to_thread(server.wait_asked, LookupLimits().max_name_threads_per_network)
        others = {
            "name": text(await name_of(lookups, "192.0.2.1")),
            "account": text(await lookups.look_up(ROOT, request())),
            "waiting": [str(sum(not task.done() for task in waiting))],
        }
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return others

    with DnsServer(ZONE) as server:
        return with_lookups(lambda lookups: scene(lookups, server))


def test_two_hundred_clients_with_a_dead_reverse_zone_hold_up_nobody_else() -> None:
    expected = {"name": ["good.example", ""], "account": ["True", ""], "waiting": ["200"]}
    assert in_own_etc(crowd_scene, etc()) == expected


def all_stuck_scene() -> object:
    """A dead server and clients of 200 networks: every thread for names is stuck."""

    async def scene(lookups: Lookups, server: DnsServer) -> object:
        server.is_dead = True
        crowd = [
            asyncio.create_task(name_of(lookups, f"198.18.{number}.1")) for number in range(200)
        ]
        await asyncio.to_thread(server.wait_asked, LookupLimits().max_name_threads)
        async with IdentServer(tells("bob"), port=113):
            others = {
                "name": text(await name_of(lookups, "192.0.2.1", AT_ONCE)),
                "user": text(await lookups.look_up(Fact.CLIENT_USER, request("127.0.0.1"))),
                "account": text(await lookups.look_up(ROOT, request())),
            }
        for task in crowd:
            task.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
        return others

    with DnsServer({}) as server:
        return with_lookups(lambda lookups: scene(lookups, server))


def test_with_every_name_thread_stuck_only_names_are_unknown() -> None:
    expected = {
        "name": ["unknown", "name: timed out"],
        "user": ["bob", ""],
        "account": ["True", ""],
    }
    assert in_own_etc(all_stuck_scene, etc()) == expected


def loop_turns_scene() -> object:
    """How long the loop's longest pause is, in seconds, while 200 lookups wait."""

    async def scene(lookups: Lookups, server: DnsServer) -> object:
        server.is_dead = True
        crowd = [
            asyncio.create_task(name_of(lookups, f"198.18.{number}.1", 1.0))
            for number in range(200)
        ]
        pauses, before = [], time.monotonic()
        while not all(task.done() for task in crowd):
            await asyncio.sleep(0.001)
            pauses.append(time.monotonic() - before)
            before = time.monotonic()
        return max(pauses)

    with DnsServer({}) as server:
        return with_lookups(lambda lookups: scene(lookups, server))


def test_two_hundred_waiting_lookups_leave_the_loop_turning() -> None:
    longest_pause = in_own_etc(loop_turns_scene, etc())
    print(f"longest pause of the loop with 200 dead lookups: {longest_pause} s")  # noqa: T201  # a figure
    assert isinstance(longest_pause, float)
    assert longest_pause < 1.0
