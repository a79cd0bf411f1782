# SPDX-License-Identifier: MIT
"""A command as a process: started as its job says, seen to its end, by force past its deadline."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator

from socketgate.command_message import Ended, Job
from socketgate.program import CannotStart, Environment, attributes_for, environment_for
from socketgate.spawn import start_shell

#: For a process to end once it has been killed, in seconds; a gate's patience is longer.
KILL_SECONDS = 1.0

KILLED = "passed its deadline and was killed"
CANNOT_BE_KILLED = "passed its deadline and can't be killed"


class Process:
    """A command that runs. One loop only; `see_out` must follow."""

    def __init__(self, job: Job, environment: Environment, client: int | None) -> None:
        """Start it, with the client given on 0, 1 and 2. Raises CannotStart, with nothing left."""
        environment = environment_for(job.inherited, environment)
        attributes = attributes_for(job.inherited)
        self.pid = start_shell(
            job.command, environment, client, umask=attributes.umask, nice=attributes.nice
        )
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except OSError as error:  # pidfd_open(2): EMFILE and its like
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            raise CannotStart(f"pidfd_open: {error.strerror}") from error

    async def see_out(self, until: float, answer: Callable[[Ended], None]) -> None:
        """Wait for its end and reap it; at the deadline all of its group is killed.

        The first answer is the one that counts. Who can't be killed, as another user by now, is
        answered for in time, and waited for all the same.
        """
        loop = asyncio.get_running_loop()
        with self._watched(loop) as end:
            if not await _comes(end, until):
                with contextlib.suppress(PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)  # not reaped yet: the number is its own
                is_killed = await _comes(end, loop.time() + KILL_SECONDS)
                answer(Ended(None, KILLED if is_killed else CANNOT_BE_KILLED))
                await end.wait()
        answer(Ended(os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])))

    @contextlib.contextmanager
    def _watched(self, loop: asyncio.AbstractEventLoop) -> Iterator[asyncio.Event]:
        """Is set when the process has ended."""
        end = asyncio.Event()
        loop.add_reader(self._pidfd, end.set)
        try:
            yield end
        finally:
            loop.remove_reader(self._pidfd)
            os.close(self._pidfd)


async def _comes(event: asyncio.Event, until: float) -> bool:
    try:
        async with asyncio.timeout_at(until):
            await event.wait()
    except TimeoutError:
        return False
    return True
