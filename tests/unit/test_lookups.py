# SPDX-License-Identifier: MIT
import asyncio
from collections.abc import Iterator

import pytest

from socketgate.lookup_values import Found, LookupLimits
from socketgate.lookups import FLUSH_ON, Lookups
from socketgate.rules.request import (
    UNKNOWN,
    AccountExists,
    CommandStatus,
    Fact,
    ForwardAddresses,
    InNetgroup,
    Lookup,
    Need,
    Request,
)
from tests.support.identserver import IdentServer, stalls, tells
from tests.support.lookups import (
    AT_ONCE,
    DEADLINE_SECONDS,
    request,
    wait_threads_gone,
    with_lookups,
)

ROOT = AccountExists(b"root", is_group=False)


@pytest.fixture(autouse=True)
def _threads_end() -> Iterator[None]:
    yield
    wait_threads_gone()


@pytest.mark.parametrize(
    "fact",
    [pytest.param(fact, id=fact.name) for fact in (Fact.CLIENT_NAME, Fact.CLIENT_USER)],
)
def test_a_client_without_an_address_is_unknown_at_once(fact: Fact) -> None:
    async def scene(lookups: Lookups) -> object:
        return lookups.cached(fact, request("unknown"))

    assert with_lookups(scene) == Found(UNKNOWN)


def test_a_server_without_an_address_is_unknown_at_once() -> None:
    async def scene(lookups: Lookups) -> object:
        return lookups.cached(Fact.SERVER_NAME, request(server="unknown"))

    assert with_lookups(scene) == Found(UNKNOWN)


@pytest.mark.parametrize(
    "fact",
    [
        pytest.param(Fact.CLIENT_NAME, id="name"),
        pytest.param(Fact.CLIENT_USER, id="user"),
        pytest.param(Fact.SERVER_NAME, id="server-name"),
        pytest.param(InNetgroup(b"group", b"host"), id="netgroup"),
        pytest.param(ROOT, id="account"),
        pytest.param(CommandStatus(b"true"), id="command"),
    ],
)
def test_what_was_never_asked_is_not_known_at_once(fact: Lookup) -> None:
    async def scene(lookups: Lookups) -> object:
        return lookups.cached(fact, request())

    assert with_lookups(scene) is None


def test_forward_addresses_are_always_known_at_once() -> None:
    async def scene(lookups: Lookups) -> object:
        lookups.watch_forward(frozenset({b"192.0.2.7"}))
        await lookups.forward_settled(DEADLINE_SECONDS)
        return lookups.cached(ForwardAddresses(b"192.0.2.7"), request())

    assert with_lookups(scene) == Found(frozenset({b"192.0.2.7"}))


def test_an_answer_is_known_at_once_the_second_time() -> None:
    async def scene(lookups: Lookups) -> object:
        await lookups.look_up(ROOT, request())
        return lookups.cached(ROOT, request("198.51.100.9"))

    assert with_lookups(scene) == Found(answer=True)


def test_what_judge_has_found_out_is_kept_with_its_age() -> None:
    async def scene(lookups: Lookups) -> object:
        found = await lookups.find_out(Need(ROOT), request())
        kept = lookups.kept(Need(ROOT), request())
        return found, lookups.known(Need(ROOT), request()), kept is not None and kept[0]

    assert with_lookups(scene) == (Found(answer=True),) * 3


def test_after_a_flush_it_is_asked_again() -> None:
    async def scene(lookups: Lookups) -> object:
        await lookups.look_up(ROOT, request())
        lookups.flush()
        return lookups.cached(ROOT, request())

    assert with_lookups(scene) is None


def test_the_same_name_as_user_and_as_group_are_two_questions() -> None:
    async def scene(lookups: Lookups) -> object:
        await lookups.look_up(ROOT, request())
        return lookups.cached(AccountExists(b"root", is_group=True), request())

    assert with_lookups(scene) is None


def test_a_command_is_run_by_whoever_runs_commands() -> None:
    async def run(status: CommandStatus, asking: Request) -> Found:
        return Found(len(status.command) + len(asking.daemon))

    async def scene(_lookups: Lookups) -> object:
        return await Lookups(run_command=run).look_up(CommandStatus(b"true"), request())

    assert with_lookups(scene) == Found(8)


def test_without_a_command_runner_every_command_could_not_be_run() -> None:
    async def scene(lookups: Lookups) -> object:
        return await lookups.look_up(CommandStatus(b"true"), request())

    assert with_lookups(scene) == Found(None, "aclexec: there is no command runner")


def test_a_user_is_asked_for_each_connection() -> None:
    async def scene(_lookups: Lookups) -> object:
        async with IdentServer(tells("bob")) as server:
            lookups = Lookups(ident_port=server.port)
            for port in (1, 2):
                asking = request("127.0.0.1", client_port=port)
                await lookups.look_up(Fact.CLIENT_USER, asking)
            return server.questions

    assert with_lookups(scene) == [b"1, 22\r\n", b"2, 22\r\n"]


LOCAL = Request(daemon=b"sshd", uid=0)


def test_a_local_user_is_asked_of_the_machine() -> None:
    async def scene(lookups: Lookups) -> object:
        return await lookups.look_up(Fact.CLIENT_USER, LOCAL)

    assert with_lookups(scene) == Found(b"root")


def test_a_local_user_is_known_at_once_the_second_time() -> None:
    async def scene(lookups: Lookups) -> object:
        before = lookups.cached(Fact.CLIENT_USER, LOCAL)
        await lookups.look_up(Fact.CLIENT_USER, LOCAL)
        other = Request(daemon=b"sshd", uid=1)
        return [before, *(lookups.cached(Fact.CLIENT_USER, one) for one in (LOCAL, other))]

    assert with_lookups(scene) == [None, Found(b"root"), None]


def test_a_rules_own_timeout_is_bounded() -> None:
    async def scene(_lookups: Lookups) -> object:
        async with IdentServer(stalls) as server:
            lookups = Lookups(LookupLimits(max_ident_seconds=AT_ONCE), ident_port=server.port)
            asking = request("127.0.0.1")
            return await lookups.look_up(Fact.CLIENT_USER, asking, timeout_seconds=3600)

    assert with_lookups(scene) == Found(UNKNOWN, "user: timed out")


def test_one_source_gets_only_so_many_users_asked_for() -> None:
    async def scene(_lookups: Lookups) -> object:
        async with IdentServer(stalls) as server:
            lookups = Lookups(LookupLimits(max_ident_per_source=3), ident_port=server.port)
            found = await asyncio.gather(
                *(
                    lookups.look_up(
                        Fact.CLIENT_USER,
                        request("127.0.0.1", client_port=port),
                        timeout_seconds=AT_ONCE,
                    )
                    for port in range(1, 6)
                )
            )
            return sorted(answer.note for answer in found)

    limit, timeout = "user: over the limit for 127.0.0.1/32", "user: timed out"
    assert with_lookups(scene) == [limit] * 2 + [timeout] * 3


def test_one_source_gets_only_so_many_connections_waiting_for_its_name() -> None:
    async def scene(lookups: Lookups) -> object:
        return await lookups.look_up(Fact.CLIENT_NAME, request("192.0.2.7"))

    assert with_lookups(scene, LookupLimits(max_waiting_per_source=0)) == Found(
        UNKNOWN, "name: over the limit for 192.0.2.7/32"
    )


def test_a_closed_gate_looks_nothing_up() -> None:
    async def scene(lookups: Lookups) -> object:
        lookups.close()
        return await lookups.look_up(ROOT, request())

    assert with_lookups(scene) == Found(answer=False, note="account: the gate is stopping")


def test_the_files_that_make_answers_stale_are_named() -> None:
    names = {path.name for path in FLUSH_ON}
    assert {"hosts", "resolv.conf", "nsswitch.conf", "netgroup", "passwd", "group"} <= names
