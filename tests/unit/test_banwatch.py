# SPDX-License-Identifier: MIT
import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from socketgate.bans import Ban, parse_net
from socketgate.banstore import Store
from socketgate.banwatch import BansInForce
from socketgate.config import BansConfig
from socketgate.errors import BansUnreadable
from socketgate.watch import Watcher
from tests.support.descriptors import no_free_descriptor
from tests.support.waiting import PATIENCE_SECONDS, let_the_loop_turn, play

NOW = 1_000_000.0

Scene = Callable[[BansInForce], Awaitable[None]]


def ban(store: Path, address: str) -> None:
    Store(store).append([Ban(net=parse_net(address), made=int(NOW))], NOW)


async def wait_for(bans: BansInForce, count: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while bans.bans.count != count:
            await asyncio.sleep(0)


def in_force(store: Path, scene: Scene) -> None:
    async def with_bans() -> None:
        config = BansConfig(store=store, never_ban=(parse_net("192.0.2.9"),))
        with (
            contextlib.closing(Watcher()) as watcher,
            contextlib.closing(BansInForce(config, watcher)) as bans,
        ):
            await scene(bans)

    play(with_bans())


def test_bans_that_were_there_are_in_force_at_once(tmp_path: Path) -> None:
    ban(tmp_path / "bans", "192.0.2.7")

    async def scene(bans: BansInForce) -> None:
        assert bans.bans.find("192.0.2.7", "sshd", NOW) is not None

    in_force(tmp_path / "bans", scene)


def test_a_ban_made_later_comes_into_force(tmp_path: Path) -> None:
    async def scene(bans: BansInForce) -> None:
        ban(tmp_path / "bans", "192.0.2.7")
        await wait_for(bans, 1)
        ban(tmp_path / "bans", "192.0.2.8")
        await wait_for(bans, 2)

    in_force(tmp_path / "bans", scene)


def test_a_folder_that_appears_later_is_followed(tmp_path: Path) -> None:
    async def scene(bans: BansInForce) -> None:
        (tmp_path / "folder").mkdir()
        ban(tmp_path / "folder" / "bans", "192.0.2.7")
        await wait_for(bans, 1)

    in_force(tmp_path / "folder" / "bans", scene)


def test_a_store_that_can_t_be_read_for_a_while_is_in_force_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(bans: BansInForce) -> None:
        ban(tmp_path / "bans", "192.0.2.7")
        with no_free_descriptor():
            await let_the_loop_turn()
        assert bans.bans.count == 0
        await wait_for(bans, 1)

    in_force(tmp_path / "bans", scene)
    assert "bans can't be read" in caplog.text


def test_a_store_that_can_t_be_read_at_the_start_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bans").mkdir()

    async def never(_bans: BansInForce) -> None:
        pytest.fail("it began without knowing who is banned")

    with pytest.raises(BansUnreadable, match="not a regular file; no gate starts without them"):
        in_force(tmp_path / "bans", never)
    (tmp_path / "file").touch()
    with pytest.raises(BansUnreadable, match="Not a directory"):
        in_force(tmp_path / "file" / "bans", never)


def test_a_store_that_can_t_be_read_later_leaves_the_bans_as_they_are(tmp_path: Path) -> None:
    store = tmp_path / "bans"
    ban(store, "192.0.2.7")

    async def scene(bans: BansInForce) -> None:
        store.rename(tmp_path / "away")
        store.mkdir()
        await let_the_loop_turn()
        assert bans.bans.count == 1

    in_force(store, scene)


def test_what_is_wrong_a_second_time_is_said_a_second_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = tmp_path / "bans"

    async def scene(bans: BansInForce) -> None:
        for _ in range(2):
            store.mkdir()
            bans.on_change()
            bans.on_change()
            store.rmdir()
            bans.on_change()

    in_force(store, scene)
    assert ["not a regular" in one.getMessage() for one in caplog.records] == [True, True]


def test_a_store_that_is_removed_has_no_bans(tmp_path: Path) -> None:
    ban(tmp_path / "bans", "192.0.2.7")

    async def scene(bans: BansInForce) -> None:
        (tmp_path / "bans").unlink()
        await wait_for(bans, 0)

    in_force(tmp_path / "bans", scene)


def test_who_is_spared_by_the_configuration_is_not_banned(tmp_path: Path) -> None:
    ban(tmp_path / "bans", "192.0.2.0/24")

    async def scene(bans: BansInForce) -> None:
        found = [bans.bans.find(f"192.0.2.{last}", "sshd", NOW) for last in (8, 9)]
        assert [one is not None for one in found] == [True, False]

    in_force(tmp_path / "bans", scene)


def test_damage_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "bans").write_text("rubbish\n")

    async def scene(bans: BansInForce) -> None:
        bans.on_change()
        bans.on_change()

    with caplog.at_level(logging.ERROR):
        in_force(tmp_path / "bans", scene)
    assert ["damaged" in one.getMessage() for one in caplog.records] == [True]
