# SPDX-License-Identifier: MIT
import asyncio
import contextlib
import logging
import select
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from socketgate.audit import Audit
from socketgate.command_message import Ended
from socketgate.commands import Wanted
from socketgate.config import Limits
from socketgate.descriptorstore import DescriptorStore
from socketgate.entry import Outcome
from socketgate.lookup_values import Found
from socketgate.notify import Notifier
from socketgate.repetition import Repetition
from socketgate.rules.keyword import CommandKind
from socketgate.stations import Stations
from tests.support.clients import client_of
from tests.support.gatestage import Stage, staged
from tests.support.waiting import (
    PATIENCE_SECONDS,
    environment,
    let_the_loop_turn,
)

ALLOW_ALL = ""
DENY_ALL = "ALL: ALL\n"
#: Decides by the client's name: a lookup is needed.
BY_NAME = "ALL: .bad.example.org\n"


def sees_the_end(client: socket.socket) -> bool:
    """Whether the client's connection was closed without a word."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_client_whom_no_rule_denies_is_handed_over(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with client_of(stage.listener) as client, await stage.peer() as peer:
            (taken,) = peer.take()
            assert taken.value("REMOTE_PORT") == str(client.getsockname()[1])
            peer.answer("ACK=1")
            assert await stage.outcomes(1) == ["handed-over"]

    staged(tmp_path, scene)


def test_a_denied_client_sees_the_end_and_nothing_else(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with client_of(stage.listener) as client:
            (entry,) = await stage.entries(1)
            assert (entry["SOCKETGATE_OUTCOME"], entry["SOCKETGATE_VERDICT"]) == ("refused", "deny")
            assert sees_the_end(client)

    staged(tmp_path, scene, deny=DENY_ALL)


def test_every_connection_has_one_audit_line(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with contextlib.ExitStack() as stack:
            for _ in range(200):
                stack.enter_context(client_of(stage.listener))
                await let_the_loop_turn()
            assert await stage.outcomes(200) == ["refused"] * 200
            assert stage.gate.audit.counts[Outcome.REFUSED] == 200

    staged(tmp_path, scene, deny=DENY_ALL)


def test_an_entry_says_which_generation_of_the_rules_decided(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text(f"{DENY_ALL}sshd: 192.0.2.7\n")
        stage.rules.reload()
        with client_of(stage.listener):
            (entry,) = await stage.entries(1)
            assert entry["SOCKETGATE_RULES_GENERATION"] == "2"

    staged(tmp_path, scene, deny=DENY_ALL)


def test_a_new_table_decides_the_next_connection(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with client_of(stage.listener):
            await stage.entries(1)
        stage.deny.write_text("")
        stage.rules.reload()
        with client_of(stage.listener), await stage.peer() as peer:
            assert len(peer.take()) == 1

    staged(tmp_path, scene, deny=DENY_ALL)


def test_changes_are_looked_for_before_a_client_is_decided(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with client_of(stage.listener):
            await stage.entries(1)
            assert stage.looks.count == 1

    staged(tmp_path, scene, deny=DENY_ALL)


def test_while_the_files_settle_nobody_is_accepted(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text("")
        stage.rules.files_changed()
        stage.gate.go_on()
        with client_of(stage.listener), await stage.peer() as peer:
            assert len(peer.take()) == 1

    staged(tmp_path, scene, deny=DENY_ALL)


def test_clients_accepted_just_before_a_change_are_decided_by_it(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        def find_a_change() -> None:
            stage.deny.write_text("")
            stage.rules.files_changed()

        stage.gate._stations = replace_look(stage, find_a_change)
        with client_of(stage.listener), await stage.peer() as peer:
            assert len(peer.take()) == 1

    staged(tmp_path, scene, deny=DENY_ALL)


def replace_look(stage: Stage, look: Callable[[], None]) -> Stations:
    return replace(stage.gate._stations, look_for_changes=look)


def test_who_is_denied_before_anybody_looked_has_an_address_in_the_journal(tmp_path: Path) -> None:
    def look_and_fail() -> None:
        raise RuntimeError("no such luck")

    async def scene(stage: Stage) -> None:
        stage.gate._stations = replace_look(stage, look_and_fail)
        with client_of(stage.listener):
            (entry,) = await stage.entries(1)
            assert entry["MESSAGE"].startswith("refused connect from 127.0.0.1 (127.0.0.1)")
            assert entry["SOCKETGATE_CLIENT_ADDR"] == "127.0.0.1"

    staged(tmp_path, scene)


def test_a_lookup_is_waited_for_in_a_task_and_holds_up_nobody(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with client_of(stage.listener) as slow:
            await stage.names.asked.wait(1)
            stage.names.known_name = b"good.example.org"
            with client_of(stage.listener) as quick, await stage.peer() as peer:
                (taken,) = peer.take()
                assert taken.value("REMOTE_PORT") == str(quick.getsockname()[1])
                stage.names.answer.set_result(Found(b"x.bad.example.org"))
                (entry,) = await stage.entries(1)
                assert entry["SOCKETGATE_OUTCOME"] == "refused"
                assert entry["SOCKETGATE_CLIENT_PORT"] == str(slow.getsockname()[1])

    staged(tmp_path, scene, deny=BY_NAME)


def test_what_was_looked_up_travels_with_the_client(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with client_of(stage.listener):
            await stage.names.asked.wait(1)
            stage.names.answer.set_result(Found(b"good.example.org"))
            with await stage.peer() as peer:
                assert peer.take()[0].value("REMOTE_HOST") == "good.example.org"

    staged(tmp_path, scene, deny=BY_NAME)


def test_what_went_wrong_with_a_lookup_is_in_the_entry(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with client_of(stage.listener):
            await stage.names.asked.wait(1)
            stage.names.answer.set_result(Found(b"x.bad.example.org", "name: odd"))
            (entry,) = await stage.entries(1)
            assert entry["SOCKETGATE_LOOKUP"] == "name: odd"

    staged(tmp_path, scene, deny=BY_NAME)


def test_a_connection_under_way_keeps_the_table_it_began_with(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        def reload_at_once() -> None:
            stage.names.on_known = lambda: None
            stage.deny.write_text("")
            asyncio.get_running_loop().call_soon(stage.rules.reload)

        stage.names.on_known = reload_at_once
        stage.names.answer.set_result(Found(b"x.bad.example.org"))
        with client_of(stage.listener):
            (entry,) = await stage.entries(1)
            assert (entry["SOCKETGATE_OUTCOME"], entry["SOCKETGATE_RULES_GENERATION"]) == (
                "refused",
                "1",
            )
            assert stage.rules.generation == 2

    staged(tmp_path, scene, deny=BY_NAME)


def test_past_the_time_for_lookups_the_rules_decide_by_unknown(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with client_of(stage.listener) as client:
            (entry,) = await stage.entries(1)
            assert (entry["SOCKETGATE_RULE_LINE"], entry["SOCKETGATE_LOOKUP"]) == (
                "2",
                "name: decide-seconds are over",
            )
            assert sees_the_end(client)

    staged(tmp_path, scene, deny=f"{BY_NAME}ALL: UNKNOWN\n", limits=Limits(decide_seconds=0))


def test_an_entry_of_a_client_refused_before_the_verdict_has_the_rules_say(
    tmp_path: Path,
) -> None:
    async def scene(stage: Stage) -> None:
        stage.names.answer.set_result(Found(b"good.example.org", "name: odd"))
        with client_of(stage.listener):
            (entry,) = await stage.entries(1)
            assert entry["SOCKETGATE_LOOKUP"] == "name: odd; spawn: there is no command runner"
            assert (entry["PRIORITY"], entry["SYSLOG_FACILITY"]) == ("3", "4")
            assert entry["SOCKETGATE_RULE_LINE"] == "2"
            assert entry["MESSAGE"] == "refused connect from good.example.org (127.0.0.1)"

    rule = "ALL: .example.org: severity auth.err: spawn /bin/x: rfc931: allow\n"
    staged(tmp_path, scene, deny=f"{BY_NAME}{rule}")


@pytest.mark.parametrize(
    "limits",
    [Limits(deciding_connections=3), Limits(deciding_per_source=2)],
    ids=["three-quarters-for-a-network", "per-source"],
)
def test_more_lookups_than_the_limit_are_refused_at_once(limits: Limits, tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(client_of(stage.listener))
            assert await stage.outcomes(1) == ["over-limit"]
            assert stage.gate.waiting_count == 2

    staged(tmp_path, scene, deny=BY_NAME, limits=limits)


def test_a_lookup_that_ended_makes_room_for_the_next(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.names.answer.set_result(Found(b"x.bad.example.org"))
        for _ in range(3):
            with client_of(stage.listener):
                assert await stage.outcomes(1) == ["refused"]
                await let_the_loop_turn()

    staged(tmp_path, scene, deny=BY_NAME, limits=Limits(deciding_connections=1))


class Broken(Exception):
    """What a mistake of ours would raise."""


def break_once(stage: Stage) -> None:
    """The next question what is known fails."""

    def fail() -> None:
        stage.names.on_known = lambda: None
        raise Broken("no such luck")

    stage.names.on_known = fail


def test_an_exception_costs_the_one_connection_and_denies_it(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.names.known_name = b"good.example.org"
        break_once(stage)
        with client_of(stage.listener) as unlucky, client_of(stage.listener):
            (entry,) = await stage.entries(1)
            assert (entry["SOCKETGATE_OUTCOME"], entry["SOCKETGATE_VERDICT"]) == ("error", "deny")
            assert sees_the_end(unlucky)
            with await stage.peer() as peer:
                assert len(peer.take()) == 1

    staged(tmp_path, scene, deny=BY_NAME)


def test_an_exception_is_logged_with_its_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(stage: Stage) -> None:
        break_once(stage)
        with client_of(stage.listener):
            await stage.entries(1)

    staged(tmp_path, scene, deny=BY_NAME)
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is Broken
    assert record.getMessage() == "sshd: client 127.0.0.1 is denied"


def test_an_exception_in_a_lookup_s_task_denies_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(stage: Stage) -> None:
        stage.names.answer.set_exception(Broken("no such luck"))
        with client_of(stage.listener) as client:
            assert await stage.outcomes(1) == ["error"]
            assert sees_the_end(client)

    staged(tmp_path, scene, deny=BY_NAME)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_no_more_are_accepted_than_may_be_held(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with contextlib.ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(client_of(stage.listener))
            with await stage.peer() as peer:
                await let_the_loop_turn()
                assert stage.gate.handoff.held_count == 2
                for number in (1, 2):
                    assert peer.take()[0].id == number
                peer.answer("ACK=2")
                await stage.outcomes(2)
                await let_the_loop_turn()
                assert stage.gate.handoff.held_count == 2
                peer.answer("ACK=4")
                await stage.outcomes(2)
                await let_the_loop_turn()
                assert stage.gate.handoff.held_count == 1

    staged(tmp_path, scene, limits=Limits(held_connections=2))


def test_a_client_that_left_before_it_was_decided_is_no_error(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        client_of(stage.listener).close()
        with await stage.peer() as peer:
            peer.take()
            peer.answer("ACK=1")
            assert await stage.outcomes(1) == ["handed-over"]

    staged(tmp_path, scene)


def test_a_stop_with_nobody_waiting_is_at_once(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await stage.gate.stop(10 * PATIENCE_SECONDS)

    staged(tmp_path, scene)


def test_a_stop_waits_for_those_a_backend_has_not_acknowledged(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with client_of(stage.listener), await stage.peer() as peer:
            peer.take()
            stopping = asyncio.create_task(stage.gate.stop(10 * PATIENCE_SECONDS))
            await let_the_loop_turn()
            assert not stopping.done()
            peer.answer("ACK=1")
            async with asyncio.timeout(PATIENCE_SECONDS):
                await stopping
            assert await stage.outcomes(1) == ["handed-over"]

    staged(tmp_path, scene)


def test_a_stop_waits_for_lookups_under_way(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with client_of(stage.listener):
            await stage.names.asked.wait(1)
            stopping = asyncio.create_task(stage.gate.stop(10 * PATIENCE_SECONDS))
            await let_the_loop_turn()
            assert not stopping.done()
            stage.names.answer.set_result(Found(b"x.bad.example.org"))
            async with asyncio.timeout(PATIENCE_SECONDS):
                await stopping

    staged(tmp_path, scene, deny=BY_NAME)


def test_a_stopping_gate_leaves_new_clients_in_the_kernel_s_queue(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.gate.stop(0)
        with client_of(stage.listener):
            await let_the_loop_turn()
            sock, _ = stage.listener.sock.accept()
            sock.close()

    staged(tmp_path, scene)


def test_past_its_time_a_stop_closes_who_still_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(stage: Stage) -> None:
        with client_of(stage.listener) as client, await stage.peer() as peer:
            peer.take()
            await stage.gate.stop(0.01)
            assert await stage.outcomes(1) == ["backend-unavailable"]
            peer.close()
            assert sees_the_end(client)

    staged(tmp_path, scene)
    assert [record.getMessage() for record in caplog.records] == [
        "sshd: 1 connections were still waiting"
    ]


def test_past_its_time_a_stop_denies_who_still_waits_for_a_lookup(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with client_of(stage.listener) as client:
            await stage.names.asked.wait(1)
            await stage.gate.stop(0.01)
            (entry,) = await stage.entries(1)
            assert (entry["SOCKETGATE_OUTCOME"], entry["SOCKETGATE_LOOKUP"]) == (
                "refused",
                "the gate stopped",
            )
            assert sees_the_end(client)

    staged(tmp_path, scene, deny=BY_NAME)


@pytest.mark.parametrize("turns", range(8))
def test_whose_lookup_ends_as_the_gate_stops_has_one_entry(tmp_path: Path, turns: int) -> None:
    """Whatever the loop has come to: the answer, the task's end, or what follows it."""

    async def scene(stage: Stage) -> None:
        with client_of(stage.listener):
            await stage.names.asked.wait(1)
            stopping = asyncio.create_task(stage.gate.stop(0))
            for _ in range(turns):
                await asyncio.sleep(0)
            stage.names.answer.set_result(Found(b"good.example.org"))
            await stopping
            assert sum(stage.gate.audit.counts.values()) == 1

    staged(tmp_path, scene, deny=BY_NAME)


def test_who_is_in_the_store_when_the_gate_stops_is_kept(tmp_path: Path) -> None:
    """The next start goes on with the client, so the end isn't the client's."""

    async def scene(stage: Stage) -> None:
        store = DescriptorStore(Notifier(print))
        stage.gate._stations = replace(stage.gate._stations, store=store)
        with client_of(stage.listener) as client:
            await stage.names.asked.wait(1)
            await stage.gate.stop(10 * PATIENCE_SECONDS)
            assert await stage.outcomes(1) == ["kept"]
            assert select.select([client], [], [], 0)[0] == []

    path = str(tmp_path / "manager.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        with environment(NOTIFY_SOCKET=path, FDSTORE=None):
            staged(tmp_path, scene, deny=BY_NAME)


def test_a_stop_while_the_rules_settle_ends_when_all_are_decided(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.gate._stations = replace_look(stage, stage.rules.files_changed)
        with client_of(stage.listener):
            while not stage.gate.waiting_count:  # the play's own time limit bounds it
                await let_the_loop_turn()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await stage.gate.stop(10 * PATIENCE_SECONDS)
            assert await stage.outcomes(1) == ["refused"]

    staged(tmp_path, scene, deny=DENY_ALL)


def runs_commands(stage: Stage, ended: Ended) -> list[tuple[CommandKind, bytes]]:
    """The gate has a runner whose commands end like this; those it was given."""
    given: list[tuple[CommandKind, bytes]] = []

    async def run(wanted: Wanted) -> Ended:
        given.append((wanted.kind, wanted.command))
        return ended

    stage.gate._stations = replace(stage.gate._stations, run_command=run)
    return given


def test_a_rule_s_command_has_run_before_the_client_is_handed_over(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        given = runs_commands(stage, Ended(0, ""))
        with client_of(stage.listener), await stage.peer() as peer:
            assert len(peer.take()) == 1
            assert given == [(CommandKind.SPAWN, b"/bin/x 127.0.0.1")]

    staged(tmp_path, scene, deny="ALL: ALL: spawn /bin/x %a: allow\n")


def test_a_command_that_could_not_be_run_denies_and_says_so(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with client_of(stage.listener) as client:
            (entry,) = await stage.entries(1)
            assert sees_the_end(client)
            assert (entry["SOCKETGATE_OUTCOME"], entry["SOCKETGATE_VERDICT"]) == ("refused", "deny")
            assert entry["SOCKETGATE_LOOKUP"] == "spawn: there is no command runner"

    staged(tmp_path, scene, deny="ALL: ALL: spawn /bin/x: allow\n")


def test_a_banner_that_is_missing_is_said_though_a_later_option_refuses(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(stage: Stage) -> None:
        with client_of(stage.listener):
            assert await stage.outcomes(1) == ["refused"]

    staged(tmp_path, scene, deny=f"ALL: ALL: banners {tmp_path}/none: spawn /bin/x\n")
    assert [record.getMessage() for record in caplog.records] == [
        f"sshd: banners: {tmp_path}/none: No such file or directory"
    ]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("ALL: ALL: banners DIR/none\n", "sshd: banners: DIR/none: No such file or directory"),
        ("ALL: ALL: setenv A %z\n", "warning: DIR/hosts.deny, line 1: unrecognized %z"),
    ],
)
def test_a_crowd_does_not_bury_the_journal_in_what_goes_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, rule: str, said: str
) -> None:
    async def scene(stage: Stage) -> None:
        stage.gate.audit = Audit(stage.journal, "sshd", Repetition(2, 2))
        with contextlib.ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(client_of(stage.listener))
            await stage.outcomes(2)

    staged(tmp_path, scene, deny=rule.replace("DIR", str(tmp_path)))
    lines = [record.getMessage() for record in caplog.records]
    assert lines[:2] == [said.replace("DIR", str(tmp_path))] * 2
    assert [line.split(": ")[1] for line in lines[2:]] == [
        "and 3 more about clients from 127.0.0.0/24 in 10 s"
    ]


def test_a_twisted_client_is_the_command_s_and_the_gate_forgets_it(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        runs_commands(stage, Ended(0, ""))
        with client_of(stage.listener):
            (entry,) = await stage.entries(1)
            await let_the_loop_turn()
            assert (entry["SOCKETGATE_OUTCOME"], stage.gate.waiting_count) == ("twisted", 0)
            assert entry["MESSAGE"] == "twist 127.0.0.1 to /bin/echo no"

    staged(tmp_path, scene, deny="ALL: ALL: twist /bin/echo no\n")


def test_the_name_that_a_banner_shows_is_in_the_entry(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.names.answer.set_result(Found(b"good.example.org"))
        with client_of(stage.listener) as client:
            (entry,) = await stage.entries(1)
            assert client.recv(100) == b"hello good.example.org\r\n"
            assert entry["SOCKETGATE_CLIENT_HOST"] == "good.example.org"

    (tmp_path / "sshd").write_text("hello %n\n")
    staged(tmp_path, scene, deny=f"ALL: ALL: banners {tmp_path}\n")


def test_an_exception_after_a_banner_lets_the_client_read_it(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        async def run(_wanted: Wanted) -> Ended:
            raise Broken("no such luck")

        stage.gate._stations = replace(stage.gate._stations, run_command=run)
        with client_of(stage.listener) as client:
            client.sendall(b"nobody reads this")
            (entry,) = await stage.entries(1)
            assert (entry["SOCKETGATE_OUTCOME"], entry["PRIORITY"]) == ("error", "5")
            assert (client.recv(100), client.recv(100)) == (b"go away\r\n", b"")

    (tmp_path / "sshd").write_text("go away\n")
    options = f"banners {tmp_path}: severity notice: spawn /bin/x: allow"
    staged(tmp_path, scene, deny=f"ALL: ALL: {options}\n")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param("", id="by-the-rule"),
        pytest.param(": spawn /bin/x: allow", id="by-a-command-that-fails"),
        pytest.param(": spawn /bin/x: rfc931: allow", id="before-the-verdict"),
    ],
)
def test_a_refused_client_reads_the_banner_before_the_end(tmp_path: Path, options: str) -> None:
    async def scene(stage: Stage) -> None:
        with client_of(stage.listener) as client:
            client.sendall(b"nobody reads this")
            await stage.entries(1)
            assert (client.recv(100), client.recv(100)) == (b"go away\r\n", b"")

    (tmp_path / "sshd").write_text("go away\n")
    staged(tmp_path, scene, deny=f"ALL: ALL: banners {tmp_path}{options}\n")
