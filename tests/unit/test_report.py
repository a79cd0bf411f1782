# SPDX-License-Identifier: MIT
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from socketgate.answers import GateCounters
from socketgate.bans import Ban, Bans, parse_net
from socketgate.commandconnect import OwnRunner
from socketgate.commands import Commands
from socketgate.config import CommandsConfig, RulesConfig
from socketgate.handoff import Backend
from socketgate.reload import RulesInForce
from socketgate.report import BANS_AT_ONCE, Report, backend_state, has_commands, joined
from socketgate.rules.source import Sources
from socketgate.rules.table import build_table
from socketgate.varlink import CallFailed
from tests.support.backendstub import BackendStub
from tests.support.build import text_of
from tests.support.waiting import play

Scene = Callable[[Report], Awaitable[None]]
Method = Callable[[Report, Mapping[str, object]], Awaitable[Mapping[str, object]]]


def reported(folder: Path, scene: Scene, *, deny: str = "", bans: Bans | None = None) -> None:
    """A report of rules and bans; of gates, tests/integration/test_control.py has real ones."""
    (folder / "hosts.deny").write_text(deny)

    async def with_rules() -> None:
        rules = RulesInForce(
            RulesConfig(allow=folder / "hosts.allow", deny=folder / "hosts.deny"),
            None,
            on_change=lambda: None,
            on_settled=lambda: None,
        )
        try:
            commands = Commands(OwnRunner().connect, CommandsConfig(), report=print)
            await scene(Report(rules, bans or Bans(), [], 5.0, commands))
        finally:
            await rules.close()

    play(with_rules())


def bans_of(*nets: str) -> Bans:
    bans = Bans()
    for net in nets:
        bans.apply(Ban(net=parse_net(net), made=1))
    return bans


def test_the_status_has_the_process_and_its_rules(tmp_path: Path) -> None:
    async def scene(report: Report) -> None:
        status = await report.status({})
        rules = status["rules"]
        assert (status["pid"], status["started_at"], status["bans"]) == (os.getpid(), 5.0, 0)
        assert (rules["generation"], rules["count"], rules["error"]) == (1, 2, None)

    reported(tmp_path, scene, deny="sshd: 192.0.2.7\nALL: .example.org\n")


def test_the_rules_files_are_named(tmp_path: Path) -> None:
    async def scene(report: Report) -> None:
        rules = await report.rules_answer({})
        assert rules["files"] == sorted(
            [str(tmp_path / "hosts.allow"), str(tmp_path / "hosts.deny"), "/etc/bad.hosts"]
        )

    reported(tmp_path, scene, deny="ALL: /etc/bad.hosts\n")


@pytest.mark.parametrize(
    ("deny", "has_some"),
    [
        pytest.param("ALL: ALL: spawn /bin/true\n", True, id="spawn"),
        pytest.param("ALL: 192.0.2.7: twist /bin/true\n", True, id="of-an-address"),
        pytest.param("ALL: .example.org: aclexec /bin/true\n", True, id="of-a-name"),
        pytest.param("ftpd: ALL: spawn /bin/true\n", False, id="another-daemon-s"),
        pytest.param("ALL: ALL: severity info\n192.0.2.7: ALL\n", False, id="other-options"),
    ],
)
def test_a_daemon_whose_rules_have_commands_is_known(deny: str, has_some: bool) -> None:
    table = build_table(Sources(deny=text_of(deny)))
    assert has_commands(table.policy(b"sshd", 22)) is has_some


def test_a_reload_that_failed_is_told(tmp_path: Path) -> None:
    async def scene(report: Report) -> None:
        (tmp_path / "hosts.deny").write_text("ALL ALL\n")
        report.rules.reload()
        counters = await report.counters({})
        assert counters["rules_in_error"]
        assert "hosts.deny:1" in str((await report.rules_answer({}))["error"])

    reported(tmp_path, scene)


def test_bans_are_told_with_their_number(tmp_path: Path) -> None:
    async def scene(report: Report) -> None:
        answer = await report.list_bans({})
        assert [one["net"] for one in answer["bans"]] == ["192.0.2.7/32", "192.0.2.8/32"]
        assert answer["total"] == 2

    reported(tmp_path, scene, bans=bans_of("192.0.2.7", "192.0.2.8"))


@pytest.mark.parametrize(
    ("method", "key"),
    [(Report.status, "bans"), (Report.counters, "bans"), (Report.list_bans, "total")],
)
def test_a_ban_that_has_run_out_is_not_told(tmp_path: Path, method: Method, key: str) -> None:
    bans = Bans()
    bans.apply(Ban(net=parse_net("192.0.2.7"), made=1, until=2))

    async def scene(report: Report) -> None:
        assert (await method(report, {}))[key] == 0

    reported(tmp_path, scene, bans=bans)


def test_bans_of_one_address_are_told(tmp_path: Path) -> None:
    async def scene(report: Report) -> None:
        answer = await report.list_bans({"address": "192.0.2.8"})
        assert [one["net"] for one in answer["bans"]] == ["192.0.2.0/24"]
        assert answer["total"] == 1

    reported(tmp_path, scene, bans=bans_of("192.0.2.7", "192.0.2.0/24"))


def test_very_many_bans_come_in_parts(tmp_path: Path) -> None:
    bans = bans_of(*(f"10.0.{n >> 8}.{n & 255}" for n in range(BANS_AT_ONCE + 10)))

    async def scene(report: Report) -> None:
        parts = [await report.list_bans({"offset": offset}) for offset in (0, BANS_AT_ONCE)]
        assert [len(part["bans"]) for part in parts] == [BANS_AT_ONCE, 10]
        assert {part["total"] for part in parts} == {BANS_AT_ONCE + 10}

    reported(tmp_path, scene, bans=bans)


def test_an_offset_beyond_the_last_ban_has_none(tmp_path: Path) -> None:
    async def scene(report: Report) -> None:
        answer = await report.list_bans({"offset": 1 << 63})
        assert answer == {"bans": [], "total": 1}

    reported(tmp_path, scene, bans=bans_of("192.0.2.7"))


def sockets(*addresses: str) -> list[GateCounters]:
    """The numbers of listening sockets."""
    return [
        GateCounters(daemon="sshd", address=one, waiting=3, held=1, outcomes={"refused": 2})
        for one in addresses
    ]


def test_sockets_that_share_an_address_are_counted_as_one() -> None:
    both = GateCounters(daemon="sshd", address="*:22", waiting=6, held=2, outcomes={"refused": 4})
    assert joined(sockets("*:22", "*:23", "*:22")) == [both, *sockets("*:23")]


@pytest.mark.parametrize(
    "parameters", [{"offset": -1}, {"offset": "x"}, {"address": 1}, {"address": "x"}]
)
def test_parameters_that_make_no_sense_are_an_error(
    tmp_path: Path, parameters: dict[str, object]
) -> None:
    async def scene(report: Report) -> None:
        with pytest.raises(CallFailed, match="InvalidParameter"):
            await report.list_bans(parameters)

    reported(tmp_path, scene)


def test_a_backend_s_trouble_is_told_with_when_it_was(tmp_path: Path) -> None:
    with BackendStub(tmp_path / "b") as stub:
        backend = Backend(str(stub.path))
        before = time.time()
        backend.failed("closed the channel")
        state = backend_state(backend)
    assert state["trouble"] == "closed the channel"
    assert state["trouble_at"] is not None
    assert before <= state["trouble_at"] <= time.time()


def test_a_socket_that_is_not_there_is_a_trouble_of_now(tmp_path: Path) -> None:
    """By no clock: who asks may wait for other gates, and has another time then."""
    state = backend_state(Backend(str(tmp_path / "b")))
    assert (state["trouble"] is None, state["trouble_at"]) == (False, None)


def test_a_backend_that_works_again_has_no_trouble(tmp_path: Path) -> None:
    with BackendStub(tmp_path / "b") as stub:
        backend = Backend(str(stub.path))
        backend.failed("closed the channel")
        backend.works()
        state = backend_state(backend)
    assert (state["trouble"], state["trouble_at"]) == (None, None)
