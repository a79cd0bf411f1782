# SPDX-License-Identifier: MIT
import asyncio
import os

import pytest

from socketgate.command_message import Ended, Job
from socketgate.commandprocess import CANNOT_BE_KILLED, KILLED, Process
from socketgate.program import CannotStart, Fields
from socketgate.rules.keyword import CommandKind
from tests.support.capabilities import without_cap_kill
from tests.support.descriptors import no_free_descriptor
from tests.support.waiting import PATIENCE_SECONDS, Happenings, play

ENVIRONMENT = {b"PATH": b"/usr/bin:/bin", b"GREETING": b"hi"}


def job(command: str, inherited: Fields = ()) -> Job:
    return Job(
        id=1,
        kind=CommandKind.SPAWN,
        start_seconds=60,
        end_seconds=60,
        command=command.encode(),
        inherited=inherited,
    )


def seen_out(command: str, seconds: float = 60, inherited: Fields = ()) -> Ended:
    """The first answer about a command."""

    async def scene() -> Ended:
        answers: list[Ended] = []
        process = Process(job(command, inherited), ENVIRONMENT, None)
        await process.see_out(asyncio.get_running_loop().time() + seconds, answers.append)
        return answers[0]

    return play(scene())


@pytest.mark.parametrize(("command", "status"), [("exit 3", 3), ("kill -9 $$", -9)])
def test_the_answer_is_how_it_ended(command: str, status: int) -> None:
    assert seen_out(command) == Ended(status)


def test_past_its_deadline_it_is_killed() -> None:
    assert seen_out("sleep 600", seconds=0.1) == Ended(None, KILLED)


def test_what_was_set_for_it_is_added_to_its_environment() -> None:
    command = 'test "$GREETING-$MORE" = hi-there'
    assert seen_out(command, inherited=((b"SETENV", b"MORE=there"),)) == Ended(0)


def test_another_user_s_by_its_deadline_is_answered_for_and_waited_for() -> None:
    """kill(2): not permitted. As sudo makes it of an unprivileged runner's command."""
    command = "exec setpriv --reuid=65534 --clear-groups sleep 600"

    async def scene() -> object:
        answers: Happenings[Ended] = Happenings()
        loop = asyncio.get_running_loop()
        process = Process(job(command), ENVIRONMENT, None)
        with without_cap_kill():
            seeing = asyncio.create_task(process.see_out(loop.time() + 0.5, answers))
            (first,) = await answers.wait(1)
            waits = not seeing.done()
        os.kill(process.pid, 9)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await seeing
        return first, waits

    assert play(scene()) == (Ended(None, CANNOT_BE_KILLED), True)


def test_one_that_cannot_be_watched_does_not_run_on() -> None:
    """The test would leave a child, were it not killed and waited for."""

    async def scene() -> None:
        with no_free_descriptor(), pytest.raises(CannotStart, match="Too many open files"):
            Process(job("sleep 600"), ENVIRONMENT, None)

    play(scene())
