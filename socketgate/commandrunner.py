# SPDX-License-Identifier: MIT
"""Runs the commands of rules for gates: `socketgate launch --commands` (docs/commands.md).

    gate ═job═▶ wait for a place ─▶ /bin/sh -c, own session ─▶ ended ─▶ answer
                     └ start deadline       └ end deadline: its process group is killed

A `twist` is answered when it runs; from then on the client is its, and nobody else's. Asked to
stop, the runner says so on every channel, takes what was sent before that, and ends when the gates
have gone over to the next one.
"""

import asyncio
import contextlib
import socket
import traceback
from collections.abc import Callable
from functools import partial

from socketgate.backend.channel import peer_credentials
from socketgate.command_message import Ended, Job
from socketgate.commandchannel import Channel
from socketgate.commandplaces import NoPlace, Places
from socketgate.commandprocess import CANNOT_BE_KILLED, Process
from socketgate.program import DEFAULT_PATH, CannotStart, Environment, own_environment
from socketgate.rules.keyword import CommandKind
from socketgate.spawn import OURS

#: accept(2): until the next try when there is no descriptor left, in seconds.
PAUSE_SECONDS = 0.5

#: What systemd says of our own unit (systemd.exec(5)). What it says of folders stays, for scripts.
OUR_UNIT = OURS | {
    b"INVOCATION_ID",
    b"JOURNAL_STREAM",
    b"MEMORY_PRESSURE_WATCH",
    b"MEMORY_PRESSURE_WRITE",
    b"SYSTEMD_EXEC_PID",
}

#: For what runs when we are to stop, in seconds; it goes on by itself after that.
DRAIN_SECONDS = 25.0


def command_environment() -> Environment:
    """What a command gets: PATH, the locale, and what an admin has set for the unit."""
    kept = {name: value for name, value in own_environment().items() if name not in OUR_UNIT}
    return {b"PATH": DEFAULT_PATH, **kept}


class Runner:
    """Runs, counts, cuts off and reaps. One loop only."""

    def __init__(
        self,
        environment: Environment,
        *,
        max_running: int,
        gate_uids: frozenset[int],
        report: Callable[[str], None],
    ) -> None:
        """So many commands at once, and so many twists: those, long as they may be, are apart."""
        self._environment = environment
        self._gate_uids = gate_uids
        self._report = report
        commands = Places(max_running)
        self._places = {
            CommandKind.SPAWN: commands,
            CommandKind.ACLEXEC: commands,
            CommandKind.TWIST: Places(max_running),
        }
        self._channels: set[Channel] = set()
        self._jobs: set[asyncio.Task[None]] = set()
        self._listening: socket.socket | None = None
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def listen(self, listening: socket.socket) -> None:
        """Take channels from gates. Owns the socket given."""
        listening.settimeout(0)
        self._listening = listening
        self._loop.add_reader(listening, self._accept)

    def serve(self, sock: socket.socket) -> None:
        """Take jobs from this channel. Owns the socket given."""
        self._channels.add(Channel(sock, self._on_job, self._on_end))

    async def wait_idle(self) -> None:
        """Until there is neither a channel nor a command."""
        while self._channels or self._jobs:
            await self._wait_change()

    async def stop(self, seconds: float = DRAIN_SECONDS) -> None:
        """Have gates go elsewhere, and wait until they have answers to all that they sent here.

        A gate that has them closes its channel. What runs then, and twists, is left to itself.
        """
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()
            self._listening = None
        for channel in list(self._channels):
            channel.say_stopping()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._channels:
                    await self._wait_change()
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        for channel in list(self._channels):
            channel.close()

    async def _wait_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _accept(self) -> None:
        if self._listening is None:
            return
        try:
            sock, _ = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:  # accept(2): EMFILE and its like
            self._report(f"can't take gates now, trying again: {error.strerror}")
            self._loop.remove_reader(self._listening)
            self._loop.call_later(PAUSE_SECONDS, self._accept_again)
            return
        pid, uid, _ = peer_credentials(sock)
        if uid not in self._gate_uids:
            self._report(f"process {pid} of user {uid} may not have commands run, closing")
            sock.close()
            return
        self.serve(sock)

    def _accept_again(self) -> None:
        if self._listening is None:
            return
        try:
            self._loop.add_reader(self._listening, self._accept)
        except OSError:  # epoll_ctl(2): ENOMEM, ENOSPC; it passes
            self._loop.call_later(PAUSE_SECONDS, self._accept_again)

    def _on_job(self, channel: Channel, job: Job, client: socket.socket | None) -> None:
        task = self._loop.create_task(self._carry_out(channel, job, client))
        self._jobs.add(task)
        task.add_done_callback(self._job_done)

    def _job_done(self, task: asyncio.Task[None]) -> None:
        self._jobs.discard(task)
        self._changed.set()

    def _on_end(self, channel: Channel, trouble: str) -> None:
        if trouble:
            self._report(f"a gate sent what no gate sends: {trouble}, closing")
        self._channels.discard(channel)
        self._changed.set()

    async def _carry_out(self, channel: Channel, job: Job, client: socket.socket | None) -> None:
        """One job from its arrival to its end; it is answered, whatever goes wrong."""
        received = self._loop.time()
        answer = partial(channel.answer, job.id)
        try:
            with client or contextlib.nullcontext():
                async with self._places[job.kind].one(job.source, received + job.start_seconds):
                    await self._run(job, client, answer, until=received + job.end_seconds)
        except NoPlace:
            answer(Ended(None, "no place was free in time"))
        except CannotStart as error:
            answer(Ended(None, str(error)))
        except Exception:  # noqa: BLE001  # the last line: who waits is answered, and we go on
            self._report(f"a command of kind {job.kind.value}:\n{traceback.format_exc()}")
            answer(Ended(None, "the command runner failed; its journal says how"))

    async def _run(
        self,
        job: Job,
        client: socket.socket | None,
        answer: Callable[[Ended], None],
        *,
        until: float,
    ) -> None:
        """Hold the place until the command's end, even one that nobody waits for any more."""
        process = Process(job, self._environment, None if client is None else client.fileno())
        if client is not None:
            # The command has it alone; while the gate has its copy this close(2) can't linger.
            client.close()
            answer(Ended(0))

        def tell(ended: Ended) -> None:
            if ended.trouble == CANNOT_BE_KILLED:
                self._report(f"process {process.pid} {CANNOT_BE_KILLED}; it keeps its place")
            answer(ended)

        await process.see_out(until, tell)
