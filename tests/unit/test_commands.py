# SPDX-License-Identifier: MIT
import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest

from socketgate.command_message import (
    MAX_MESSAGE_BYTES,
    STOPPING,
    Ended,
    Job,
    encode_ended,
    parse_job,
)
from socketgate.commands import WENT_AWAY, Commands, Wanted, _Channel
from socketgate.config import CommandsConfig
from socketgate.errors import BackendUnavailable
from socketgate.rules.keyword import CommandKind
from socketgate.rules.option import Nice, SetEnv, Umask
from tests.support.waiting import PATIENCE_SECONDS, let_the_loop_turn, play

#: No process has so many open.
NO_DESCRIPTOR = 2**30


class RunnerStub:
    """Plays the runner, message by message."""

    def __init__(self) -> None:
        self.channels: list[socket.socket] = []
        self.trouble = ""
        self.is_trouble_hidden = False
        self.is_busy = False
        self.reports: list[str] = []

    def check(self) -> None:
        if self.trouble and not self.is_trouble_hidden:
            raise BackendUnavailable(self.trouble)

    def connect(self) -> socket.socket:
        if self.trouble:
            raise BackendUnavailable(self.trouble)
        if self.is_busy:
            self.is_busy = False
            raise BlockingIOError
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.settimeout(0)
        self.channels.append(theirs)
        return ours

    async def job(self, channel: int = 0) -> tuple[Job, list[int]]:
        """The next job on a channel, with the descriptors that came with it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.channels) <= channel:
                await asyncio.sleep(0)
            while True:
                with contextlib.suppress(BlockingIOError):
                    text, fds, _, _ = socket.recv_fds(self.channels[channel], MAX_MESSAGE_BYTES, 2)
                    return parse_job(text), fds
                await asyncio.sleep(0)

    def answer(self, number: int, ended: Ended, channel: int = 0) -> None:
        self.channels[channel].send(encode_ended(number, ended))

    def close(self) -> None:
        for channel in self.channels:
            channel.close()


Scene = Callable[[Commands, RunnerStub], Awaitable[object]]


def played(scene: Scene, *, seconds: int = 20, stub: RunnerStub | None = None) -> object:
    """What a scene with a gate's commands and a runner's stub comes to."""
    runner = stub or RunnerStub()

    async def with_both() -> object:
        config = CommandsConfig(seconds=seconds, twist_seconds=100)
        commands = Commands(
            runner.connect, config, report=runner.reports.append, check=runner.check
        )
        try:
            return await scene(commands, runner)
        finally:
            commands.close()
            runner.close()

    return play(with_both())


@contextlib.contextmanager
def null() -> Iterator[int]:
    fd = os.open(os.devnull, os.O_RDONLY)
    yield fd
    os.close(fd)


def spawn(commands: Commands, command: bytes = b"true") -> asyncio.Task[Ended]:
    wanted = Wanted(kind=CommandKind.SPAWN, command=command, address=b"192.0.2.7")
    return asyncio.ensure_future(commands.run(wanted))


def twist(commands: Commands, client: int) -> asyncio.Task[Ended]:
    wanted = Wanted(kind=CommandKind.TWIST, command=b"x", address=b"192.0.2.7", client=client)
    return asyncio.ensure_future(commands.run(wanted))


@pytest.mark.parametrize("ended", [Ended(0), Ended(3), Ended(-9), Ended(None, "no place")])
def test_the_answer_is_the_runners(ended: Ended) -> None:
    async def scene(commands: Commands, runner: RunnerStub) -> object:
        running = spawn(commands)
        job, _ = await runner.job()
        runner.answer(job.id, ended)
        return await running

    assert played(scene) == ended


def test_a_job_says_what_is_to_be_run_and_by_when() -> None:
    async def scene(commands: Commands, runner: RunnerStub) -> object:
        running = spawn(commands, b"echo")
        job, fds = await runner.job()
        runner.answer(job.id, Ended(0))
        await running
        in_time = 19.0 < job.start_seconds <= job.end_seconds <= 20.0
        return job.kind, job.command, fds, in_time

    assert played(scene) == (CommandKind.SPAWN, b"echo", [], True)


def test_a_twist_comes_with_its_client_and_may_last() -> None:
    async def scene(commands: Commands, runner: RunnerStub) -> object:
        with null() as client:
            running = twist(commands, client)
            job, fds = await runner.job()
            runner.answer(job.id, Ended(0))
            await running
            same = [os.path.sameopenfile(fd, client) for fd in fds]
        for fd in fds:
            os.close(fd)
        return same, job.start_seconds <= 20.0, job.end_seconds > 100.0

    assert played(scene) == ([True], True, True)


def test_a_job_says_for_whom_and_with_what_the_command_runs() -> None:
    async def scene(commands: Commands, runner: RunnerStub) -> object:
        wanted = Wanted(
            kind=CommandKind.ACLEXEC,
            command=b"x",
            address=b"2001:db8::7",
            inherited=(SetEnv(b"A", b"b=c"), Umask(0o27), Nice(-3)),
        )
        running = asyncio.ensure_future(commands.run(wanted))
        job, _ = await runner.job()
        runner.answer(job.id, Ended(0))
        await running
        return job.source, job.inherited

    assert played(scene) == (
        b"2001:db8::7",
        ((b"SETENV", b"A=b=c"), (b"UMASK", b"0027"), (b"NICE", b"-3")),
    )


def test_a_client_that_cannot_be_passed_costs_nobody_else_a_thing() -> None:
    async def scene(commands: Commands, runner: RunnerStub) -> object:
        failed = await twist(commands, client=NO_DESCRIPTOR)
        running = spawn(commands)
        job, _ = await runner.job()
        runner.answer(job.id, Ended(0))
        return failed, await running, len(runner.channels)

    reason = "can't be given to the runner: Bad file descriptor"
    assert played(scene) == (Ended(None, reason), Ended(0), 1)


@pytest.mark.parametrize("size", [70_000, 1_000_000])
def test_a_command_that_no_message_has_room_for_is_not_tried_for_ever(size: int) -> None:
    async def scene(commands: Commands, _runner: RunnerStub) -> object:
        return await spawn(commands, b"x" * size)

    assert played(scene) == Ended(None, "can't be given to the runner: Message too long")


def test_answers_may_come_in_any_order() -> None:
    async def scene(commands: Commands, runner: RunnerStub) -> object:
        first, second = spawn(commands, b"1"), spawn(commands, b"2")
        jobs = [(await runner.job())[0] for _ in range(2)]
        for job in reversed(jobs):
            runner.answer(job.id, Ended(int(job.command)))
        return await first, await second, len(runner.channels)

    assert played(scene) == (Ended(1), Ended(2), 1)


def test_an_answer_nobody_waits_for_is_ignored() -> None:
    async def scene(commands: Commands, runner: RunnerStub) -> object:
        running = spawn(commands)
        job, _ = await runner.job()
        runner.answer(job.id + 1, Ended(1))
        runner.answer(job.id, Ended(0))
        return await running

    assert played(scene) == Ended(0)


def test_without_an_answer_the_deadline_is() -> None:
    async def scene(commands: Commands, runner: RunnerStub) -> object:
        running = spawn(commands)
        await runner.job()
        return await running

    assert played(scene, seconds=0) == Ended(None, "the command runner did not answer")


@pytest.mark.parametrize("last_words", [b"", b"nonsense\n"])
def test_a_runner_that_ends_leaves_nobody_waiting(last_words: bytes) -> None:
    async def scene(commands: Commands, runner: RunnerStub) -> object:
        running = spawn(commands)
        await runner.job()
        if last_words:
            runner.channels[0].send(last_words)
        runner.channels[0].close()
        return await running

    assert played(scene) == Ended(None, "the command runner went away")


def test_an_answer_queued_before_the_end_still_counts() -> None:
    async def scene(commands: Commands, runner: RunnerStub) -> object:
        first, second = spawn(commands, b"1"), spawn(commands, b"2")
        job, _ = await runner.job()
        runner.answer(job.id, Ended(0))
        runner.channels[0].close()  # with the second unread: the gate is told of a reset first
        return (await first).status, (await second).status

    assert played(scene) == (0, None)


def test_after_a_runners_end_the_next_command_goes_to_its_successor() -> None:
    async def scene(commands: Commands, runner: RunnerStub) -> object:
        first = spawn(commands)
        await runner.job()
        runner.channels[0].close()
        await first
        second = spawn(commands)
        job, _ = await runner.job(1)
        runner.answer(job.id, Ended(0), 1)
        return await second

    assert played(scene) == Ended(0)


def test_a_runner_that_stops_answers_what_it_has_and_gets_no_more() -> None:
    async def scene(commands: Commands, runner: RunnerStub) -> object:
        first = spawn(commands, b"1")
        one, _ = await runner.job()
        runner.channels[0].send(STOPPING)
        await let_the_loop_turn()
        second = spawn(commands, b"2")
        other, _ = await runner.job(1)
        runner.answer(other.id, Ended(2), 1)
        runner.answer(one.id, Ended(1))
        answers = await first, await second
        await let_the_loop_turn()
        return answers, runner.channels[0].recv(1)

    assert played(scene) == ((Ended(1), Ended(2)), b"")


def test_a_runner_that_cannot_be_reached_is_reported_once() -> None:
    stub = RunnerStub()
    stub.trouble = "nobody there"

    async def scene(commands: Commands, runner: RunnerStub) -> object:
        failed = [await spawn(commands) for _ in range(2)]
        runner.trouble = ""
        running = spawn(commands)
        job, _ = await runner.job()
        runner.answer(job.id, Ended(0))
        await running
        return {one.trouble for one in failed}, runner.reports

    assert played(scene, stub=stub) == (
        {"the command runner can't be reached: nobody there"},
        ["commands can't be run: nobody there", "commands are run again"],
    )


def test_a_runner_that_does_not_answer_is_reported_until_it_does() -> None:
    """Once a command has run; an answer that it could not is not enough."""

    async def scene(commands: Commands, runner: RunnerStub) -> object:
        commands._config = CommandsConfig(seconds=-1)  # with the time to answer: one second
        await asyncio.gather(spawn(commands), spawn(commands))
        commands._config = CommandsConfig()
        for ended in (Ended(None, "no place"), Ended(0)):
            running = spawn(commands)
            while (job := (await runner.job())[0]).start_seconds == 0:
                pass
            runner.answer(job.id, ended)
            await running
        return runner.reports

    assert played(scene) == [
        "commands can't be run: the command runner did not answer",
        "commands are run again",
    ]


def test_a_runner_that_is_busy_is_asked_again() -> None:
    stub = RunnerStub()
    stub.is_busy = True

    async def scene(commands: Commands, runner: RunnerStub) -> object:
        running = spawn(commands)
        job, _ = await runner.job()
        runner.answer(job.id, Ended(0))
        return await running

    assert played(scene, stub=stub) == Ended(0)


def test_more_commands_than_the_channel_takes_at_once_are_all_run() -> None:
    async def scene(commands: Commands, runner: RunnerStub) -> object:
        running = [spawn(commands, b"x" * 8000) for _ in range(300)]
        await let_the_loop_turn()
        for _ in running:
            job, _ = await runner.job()
            runner.answer(job.id, Ended(0))
        return {(await one).status for one in running}

    assert played(scene) == {0}


def test_once_there_is_room_nothing_is_watched_that_would_keep_the_loop_turning() -> None:
    async def scene() -> bool:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel = _Channel(ours, lambda _: None)
        waiting = asyncio.ensure_future(channel.wait_room())
        await let_the_loop_turn()
        is_watched = asyncio.get_running_loop().remove_writer(ours)
        await waiting
        channel.end(WENT_AWAY)
        theirs.close()
        return is_watched

    assert not play(scene())


def test_a_gate_that_stops_answers_who_waits() -> None:
    async def scene(commands: Commands, runner: RunnerStub) -> object:
        running = spawn(commands)
        await runner.job()
        commands.close()
        return await running

    assert played(scene) == Ended(None, "the gate stopped")


def test_that_nobody_runs_commands_is_known_before_the_first() -> None:
    async def scene(commands: Commands, runner: RunnerStub) -> object:
        runner.trouble = "it isn't there"
        return commands.trouble, commands.is_connected

    assert played(scene) == ("it isn't there", False)


def test_a_runner_that_is_there_again_is_no_trouble_any_more() -> None:
    async def scene(commands: Commands, runner: RunnerStub) -> object:
        runner.trouble = "it isn't there"
        await spawn(commands)
        runner.trouble = ""
        return commands.trouble

    assert played(scene) == ""


def test_a_trouble_that_looking_does_not_tell_lasts_until_a_command_has_run() -> None:
    async def scene(commands: Commands, runner: RunnerStub) -> object:
        runner.trouble, runner.is_trouble_hidden = "nobody listens", True
        await spawn(commands)
        runner.trouble = ""
        before = commands.trouble
        running = spawn(commands)
        job, _ = await runner.job()
        runner.answer(job.id, Ended(0))
        await running
        return before, commands.trouble, commands.is_connected

    assert played(scene) == ("nobody listens", "", True)
