# SPDX-License-Identifier: MIT
"""What needs no gate; tests/integration/test_control.py asks real ones for the rest."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from socketgate.answers import DEFINITION
from socketgate.bans import Bans
from socketgate.commandconnect import OwnRunner
from socketgate.commands import Commands
from socketgate.config import CommandsConfig, Limits, RulesConfig
from socketgate.control import Right
from socketgate.lookup_values import Shares
from socketgate.lookups import Lookups
from socketgate.operations import Operations
from socketgate.reload import RulesInForce
from socketgate.report import Report
from socketgate.varlink import CallFailed
from tests.support.waiting import play

Scene = Callable[[Operations], Awaitable[None]]


def no_commands() -> Commands:
    """Those of a gate none of whose rules has one."""
    return Commands(OwnRunner().connect, CommandsConfig(), report=print)


def nothing() -> None:
    """For what must not be called."""


async def with_operations(folder: Path, files: str, scene: Scene) -> None:
    """The operations of a process that has no gate, with this hosts.deny."""
    (folder / "hosts.deny").write_text(files)
    rules = RulesInForce(
        RulesConfig(allow=folder / "hosts.allow", deny=folder / "hosts.deny"),
        None,
        on_change=nothing,
        on_settled=nothing,
    )
    lookups = Lookups()
    operations = Operations(
        report=Report(rules, Bans(), [], 0.0, no_commands()),
        lookups=lookups,
        deciding=Shares(1, 1),
        limits=Limits(),
        reload_now=rules.reload,
    )
    try:
        await scene(operations)
    finally:
        lookups.close()
        await rules.close()


def reload(folder: Path, before: str, after: str) -> Mapping[str, object]:
    """What is answered to a reload from some rules to others."""
    answers: list[Mapping[str, object]] = []

    async def scene(operations: Operations) -> None:
        (folder / "hosts.deny").write_text(after)
        answers.append(await operations.methods()["Reload"].answer({}))

    play(with_operations(folder, before, scene))
    return answers[0]


def test_a_reload_answers_with_what_is_in_force(tmp_path: Path) -> None:
    answer = reload(tmp_path, "", "ALL: .example.org\n")
    assert answer == {"generation": 2, "changed": True, "count": 1}


def test_a_reload_of_the_same_changes_nothing(tmp_path: Path) -> None:
    answer = reload(tmp_path, "ALL: .a\n", "ALL: .a\n")
    assert answer == {"generation": 1, "changed": False, "count": 1}


@pytest.mark.parametrize(
    "files", [pytest.param("ALL ALL\n", id="error"), pytest.param("ALL: .a", id="half-a-line")]
)
def test_a_reload_with_errors_fails(tmp_path: Path, files: str) -> None:
    with pytest.raises(CallFailed) as caught:
        reload(tmp_path, "", files)
    assert "hosts.deny:1" in str(caught.value.parameters["message"])


def test_the_methods_are_those_of_the_interface(tmp_path: Path) -> None:
    async def scene(operations: Operations) -> None:
        assert set(operations.methods()) == {method.name for method in DEFINITION.methods}

    play(with_operations(tmp_path, "", scene))


def test_only_a_reload_changes_anything(tmp_path: Path) -> None:
    async def scene(operations: Operations) -> None:
        methods = operations.methods().items()
        assert [name for name, method in methods if method.right is Right.CHANGE] == ["Reload"]

    play(with_operations(tmp_path, "", scene))


def test_a_daemon_that_is_not_served_is_an_error(tmp_path: Path) -> None:
    async def scene(operations: Operations) -> None:
        with pytest.raises(CallFailed, match="NoSuchDaemon"):
            await operations.explain({"daemon": "smtp", "address": "192.0.2.7"})

    play(with_operations(tmp_path, "", scene))
