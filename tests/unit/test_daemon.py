# SPDX-License-Identifier: MIT
import asyncio
import gc
import logging
import os
import shutil
import signal
import weakref
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from socketgate.activation import Listener
from socketgate.config import Config, DaemonConfig, RulesConfig
from socketgate.daemon import STARTED, STOPPED, Daemon, _kept_in
from socketgate.errors import ConfigError, RuleError
from socketgate.journal import Journal
from socketgate.notify import Notifier
from socketgate.ownfolders import STATE
from tests.support.backendstub import BackendStub, Peer
from tests.support.clients import client_of, listening
from tests.support.forked import as_nobody
from tests.support.waiting import PATIENCE_SECONDS, Happenings, environment, open_descriptors, play


class Circle:
    """Garbage that only the collector can find."""

    def __init__(self) -> None:
        self.itself = self


class Stage:
    """A daemon with one listener, and what it says to the service manager."""

    def __init__(self, folder: Path, listener: Listener) -> None:
        self.folder, self.listener = folder, listener
        self.deny = folder / "hosts.deny"
        self.states = Happenings[str]()
        self._served: asyncio.Task[None] | None = None

    def start(self, config: Config) -> None:
        journal = Journal(str(self.folder / "no-journal"))
        daemon = Daemon(config, [self.listener], journal, Notifier(self.states))
        self._served = asyncio.create_task(daemon.serve())

    async def state(self, containing: str) -> str:
        """The next state with this in it; it and those before it are used up."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                while self.states.seen:
                    state = self.states.seen.pop(0)
                    if containing in state:
                        return state
                await self.states.wait(1)

    async def end(self) -> None:
        """Wait until it has ended; raises what ended it."""
        assert self._served is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._served

    async def stop(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await self.end()


def settings(folder: Path, daemon: DaemonConfig | None = None) -> Config:
    return Config(
        rules=RulesConfig(allow=folder / "hosts.allow", deny=folder / "hosts.deny"),
        daemons={"sshd": daemon or DaemonConfig(backend=(folder / "backend.sock",))},
    )


@pytest.fixture(autouse=True)
def _state_folder(tmp_path: Path) -> Iterator[None]:
    with environment(STATE_DIRECTORY=str(tmp_path), RUNTIME_DIRECTORY=None, WATCHDOG_USEC=None):
        yield


def staged(folder: Path, scene: Callable[[Stage], Awaitable[None]], *, deny: str = "") -> None:
    """Play a scene with a daemon that is ready; then it is stopped, and has left nothing open."""

    async def with_daemon() -> None:
        with listening() as listener:
            before = open_descriptors()
            stage = Stage(folder, listener)
            stage.deny.write_text(deny)
            stage.start(settings(folder))
            try:
                await stage.state("READY=1")
                await scene(stage)
            finally:
                await stage.stop()
            assert open_descriptors() == before

    play(with_daemon())


def failed(folder: Path, kind: type[Exception], config: Config) -> str:
    """Why a start fails; it leaves nothing open."""

    async def with_daemon() -> str:
        with listening() as listener:
            before = open_descriptors()
            stage = Stage(folder, listener)
            stage.start(config)
            with pytest.raises(kind) as caught:
                await stage.end()
            assert open_descriptors() == before
            return str(caught.value)

    return play(with_daemon())


def test_when_it_is_ready_it_says_what_is_in_force(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        assert await stage.state("READY=1") == "READY=1\nSTATUS=rules generation 1: 2 rules"

    staged(tmp_path, scene, deny="sshd: 192.0.2.7\nsshd: 192.0.2.8\n")


def test_an_admitted_client_is_handed_over(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with BackendStub(tmp_path / "backend.sock") as backend:
            backend.sock.settimeout(0)
            with client_of(stage.listener):
                sock, _ = await asyncio.get_running_loop().sock_accept(backend.sock)
                with Peer(sock) as peer:
                    assert len(peer.take()) == 1
                    peer.answer("ACK=1")

    staged(tmp_path, scene)


def test_a_hangup_reloads_and_says_so_from_begin_to_end(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        assert (await stage.state("RELOADING=1")).startswith("RELOADING=1\nMONOTONIC_USEC=")
        await stage.state("READY=1")

    staged(tmp_path, scene)


def test_a_changed_file_is_in_force_without_being_told(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text("ALL: ALL\n")
        assert await stage.state("STATUS=") == "STATUS=rules generation 2: 1 rule"

    staged(tmp_path, scene)


def test_old_garbage_does_not_outlive_a_change_of_the_rules(tmp_path: Path) -> None:
    """The collector never looks again at what is there when the new table is frozen."""

    async def scene(stage: Stage) -> None:
        circle = Circle()
        gc.collect()  # it has grown old now
        old = weakref.ref(circle)
        del circle
        stage.deny.write_text("ALL: ALL\n")
        await stage.state("generation 2")
        assert old() is None

    staged(tmp_path, scene)


def test_a_host_file_named_by_a_reload_is_watched_from_then_on(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text(f"ALL: {tmp_path}/foes\n")
        await stage.state("generation 2")
        (tmp_path / "foes").write_text("192.0.2.9\n")
        await stage.state("generation 3")

    (tmp_path / "foes").write_text("192.0.2.7\n")
    staged(tmp_path, scene)


def test_files_with_errors_are_in_the_status_with_the_place(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text("sshd 192.0.2.7\n")
        state = await stage.state("STATUS=")
        assert state.startswith(
            f"STATUS=rules generation 1: 1 rule; the files have errors: {tmp_path}/hosts.deny:1:"
        )

    staged(tmp_path, scene, deny="ALL: ALL\n")


def test_a_mended_file_takes_the_errors_out_of_the_status(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text("sshd 192.0.2.7\n")
        await stage.state("have errors")
        stage.deny.write_text("ALL: ALL\n")
        assert await stage.state("STATUS=") == "STATUS=rules generation 1: 1 rule"

    staged(tmp_path, scene, deny="ALL: ALL\n")


def test_a_folder_of_rules_deleted_and_made_again_is_followed(tmp_path: Path) -> None:
    folder = tmp_path / "etc"

    async def scene() -> None:
        with listening() as listener:
            stage = Stage(folder, listener)
            stage.start(settings(folder))
            await stage.state("READY=1")
            shutil.rmtree(folder)
            await stage.state("generation 2: 0 rules")
            folder.mkdir()
            stage.deny.write_text("ALL: ALL\n")
            await stage.state("generation 3: 1 rule")
            await stage.stop()

    folder.mkdir()
    (folder / "hosts.deny").write_text("ALL: 192.0.2.7\nALL: 192.0.2.8\n")
    play(scene())


def test_a_stop_is_announced(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        assert await stage.state("STOPPING=1") == (
            "STOPPING=1\nSTATUS=waiting for connections under way"
        )

    staged(tmp_path, scene)


def test_an_interrupt_stops_as_well(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await stage.end()

    staged(tmp_path, scene)


def test_the_watchdog_is_fed_again_and_again(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        for _ in range(3):
            await stage.state("WATCHDOG=1")

    with environment(WATCHDOG_USEC="20000"):
        staged(tmp_path, scene)


def test_start_and_stop_have_entries_of_their_kinds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(_stage: Stage) -> None:
        return

    caplog.set_level(logging.INFO, "socketgate")
    staged(tmp_path, scene)
    kinds = [getattr(record, "message_id", "") for record in caplog.records]
    assert kinds == [STARTED["message_id"], STOPPED["message_id"]]


def test_a_start_with_rules_that_can_t_be_used_fails_and_leaves_nothing_open(
    tmp_path: Path,
) -> None:
    (tmp_path / "hosts.deny").write_text("sshd 192.0.2.7\n")
    text = failed(tmp_path, RuleError, settings(tmp_path))
    assert text.startswith(f"{tmp_path}/hosts.deny:1:")


def test_a_backend_user_that_does_not_exist_keeps_the_gate_from_starting(tmp_path: Path) -> None:
    daemon = DaemonConfig(backend=(tmp_path / "b.sock",), backend_users=("no-such-user",))
    text = failed(tmp_path, ConfigError, settings(tmp_path, daemon))
    assert text.startswith("daemon.sshd.backend-users: there is no user 'no-such-user'")


def test_where_no_folder_can_be_made_nothing_is_kept() -> None:
    with environment(STATE_DIRECTORY=None, XDG_STATE_HOME="/proc/none"):
        assert as_nobody(lambda: str(_kept_in(STATE, "sshd"))) == "None"
