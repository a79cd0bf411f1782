# SPDX-License-Identifier: MIT
"""Runs the commands of rules for gates: `socketgate launch --commands` (docs/commands.md).

    gate ═job═▶ wait for a place ─▶ /bin/sh -c, own session ─▶ ended ─▶ answer
                     └ start deadline       └ end deadline: its process group is killed

A `twist` is answered when it runs; from then on the client is its, and nobody else's. Asked to
stop, the runner says so on every channel, takes what was sent before that, and ends when the gates
have gone over to the next one.
"""

import asyncio
import collections
import contextlib
import errno
import os
import signal
import socket
import struct
from collections.abc import Callable, Iterator

from socketgate.backend.channel import peer_credentials
from socketgate.command_message import (
    MAX_MESSAGE_BYTES,
    STOPPING,
    Ended,
    Job,
    MalformedMessage,
    encode_ended,
    parse_job,
)
from socketgate.program import DEFAULT_PATH, CannotStart, Environment, own_environment
from socketgate.rules.keyword import CommandKind
from socketgate.spawn import OURS, start_shell

RIGHTS = (socket.SOL_SOCKET, socket.SCM_RIGHTS)

#: Room for more than the one descriptor a message may have, so that a wrong one is seen as such.
MAX_DESCRIPTORS = 4

#: Messages of one channel that are read before another's turn comes.
MAX_BURST = 32

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
        commands = asyncio.Semaphore(max_running)
        self._places = {
            CommandKind.SPAWN: commands,
            CommandKind.ACLEXEC: commands,
            CommandKind.TWIST: asyncio.Semaphore(max_running),
        }
        self._channels: set[_Channel] = set()
        self._jobs: set[asyncio.Task[None]] = set()
        self._twist_count = 0
        self._listening: socket.socket | None = None
        self._idle = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def listen(self, listening: socket.socket) -> None:
        """Take channels from gates. Owns the socket given."""
        listening.settimeout(0)
        self._listening = listening
        self._loop.add_reader(listening, self._accept)

    def serve(self, sock: socket.socket) -> None:
        """Take jobs from this channel. Owns the socket given."""
        channel = _Channel(sock, self._on_job, self._on_end)
        self._channels.add(channel)

    async def wait_idle(self) -> None:
        """Until there is neither a channel nor a command."""
        while self._channels or self._jobs:
            self._idle.clear()
            await self._idle.wait()

    async def stop(self, seconds: float = DRAIN_SECONDS) -> None:
        """Have gates go elsewhere; wait for what they have sent here, but not for twists."""
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()
        for channel in list(self._channels):
            channel.answer(STOPPING)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._channels or len(self._jobs) > self._twist_count:
                    self._idle.clear()
                    await self._idle.wait()
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        for channel in list(self._channels):
            channel.close()

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
            self._loop.call_later(PAUSE_SECONDS, self.listen, self._listening)
            return
        pid, uid, _ = peer_credentials(sock)
        if uid not in self._gate_uids:
            self._report(f"process {pid} of user {uid} may not have commands run, closing")
            sock.close()
            return
        self.serve(sock)

    def _on_job(self, channel: "_Channel", job: Job, client: socket.socket | None) -> None:
        task = self._loop.create_task(self._carry_out(channel, job, client))
        self._jobs.add(task)
        task.add_done_callback(self._job_done)

    def _job_done(self, task: asyncio.Task[None]) -> None:
        self._jobs.discard(task)
        self._idle.set()

    def _on_end(self, channel: "_Channel", trouble: str) -> None:
        if trouble:
            self._report(f"a gate sent what no gate sends: {trouble}, closing")
        self._channels.discard(channel)
        self._idle.set()

    async def _carry_out(self, channel: "_Channel", job: Job, client: socket.socket | None) -> None:
        """One job from its arrival to its end."""
        received = self._loop.time()
        with client or contextlib.nullcontext():
            place = self._places[job.kind]
            try:
                async with asyncio.timeout_at(received + job.start_seconds):
                    await place.acquire()
            except TimeoutError:
                channel.answer(encode_ended(job.id, Ended(None, "no place was free in time")))
                return
            try:
                await self._run(channel, job, client, until=received + job.end_seconds)
            finally:
                place.release()

    async def _run(
        self, channel: "_Channel", job: Job, client: socket.socket | None, *, until: float
    ) -> None:
        try:
            pid = start_shell(
                job.command, self._environment, None if client is None else client.fileno()
            )
        except CannotStart as error:
            channel.answer(encode_ended(job.id, Ended(None, str(error))))
            return
        if client is None:
            channel.answer(encode_ended(job.id, await self._wait(pid, until)))
            return
        client.close()  # the command has it alone
        channel.answer(encode_ended(job.id, Ended(0)))
        self._twist_count += 1
        try:
            await self._wait(pid, until)
        finally:
            self._twist_count -= 1

    async def _wait(self, pid: int, until: float) -> Ended:
        """Reap a command, at its deadline by force, with all of its group."""
        was_cut = False
        with self._end_of(pid) as end:
            try:
                async with asyncio.timeout_at(until):
                    await end.wait()
            except TimeoutError:
                was_cut = True
                os.killpg(pid, signal.SIGKILL)  # not reaped yet: the number is still its own
                await end.wait()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return Ended(None, "passed its deadline and was killed") if was_cut else Ended(status)

    @contextlib.contextmanager
    def _end_of(self, pid: int) -> Iterator[asyncio.Event]:
        """Is set when the process has ended (pidfd_open(2))."""
        end = asyncio.Event()
        fd = os.pidfd_open(pid)
        self._loop.add_reader(fd, end.set)
        try:
            yield end
        finally:
            self._loop.remove_reader(fd)
            os.close(fd)


class _Channel:
    """One gate's channel: jobs in, answers out, until either side closes."""

    def __init__(
        self,
        sock: socket.socket,
        on_job: Callable[["_Channel", Job, socket.socket | None], None],
        on_end: Callable[["_Channel", str], None],
    ) -> None:
        """`on_end(channel, trouble)`: it was closed; no trouble when the gate went."""
        self._sock = sock
        self._on_job, self._on_end = on_job, on_end
        self._unsent: collections.deque[bytes] = collections.deque()
        self._loop = asyncio.get_running_loop()
        sock.settimeout(0)
        self._loop.add_reader(sock, self._on_readable)

    def answer(self, text: bytes) -> None:
        """Send it, in order; a gate that is gone needs no answer."""
        if self._sock.fileno() >= 0:
            self._unsent.append(text)
            self._send()

    def close(self) -> None:
        """Let go of it."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()

    def _send(self) -> None:
        while self._unsent:
            try:
                self._sock.send(self._unsent[0], socket.MSG_NOSIGNAL)
            except BlockingIOError:
                self._loop.add_writer(self._sock, self._send)
                return
            except OSError:
                self._end()
                return
            self._unsent.popleft()
        self._loop.remove_writer(self._sock)

    def _on_readable(self) -> None:
        for _ in range(MAX_BURST):
            try:
                job, client = self._receive()
            except BlockingIOError:
                return
            except MalformedMessage as error:
                self._end(str(error))
                return
            except OSError:
                self._end()
                return
            self._on_job(self, job, client)

    def _receive(self) -> tuple[Job, socket.socket | None]:
        """The next job. Raises MalformedMessage; OSError when the channel has ended."""
        room = socket.CMSG_LEN(MAX_DESCRIPTORS * struct.calcsize("i"))
        text, ancillary, flags, _ = self._sock.recvmsg(
            MAX_MESSAGE_BYTES, room, socket.MSG_CMSG_CLOEXEC
        )
        descriptors = [
            fd
            for level, kind, data in ancillary
            if (level, kind) == RIGHTS
            for (fd,) in struct.iter_unpack("i", data)
        ]
        if not text and not descriptors:
            raise ConnectionResetError(errno.ECONNRESET, "the gate closed the channel")
        try:
            return _understand(text, descriptors, flags)
        except (MalformedMessage, OSError) as error:
            for fd in descriptors:
                os.close(fd)
            raise MalformedMessage(str(error)) from error

    def _end(self, trouble: str = "") -> None:
        self.close()
        self._on_end(self, trouble)


def _understand(
    text: bytes, descriptors: list[int], flags: int
) -> tuple[Job, socket.socket | None]:
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        raise MalformedMessage("more than fits")
    job = parse_job(text)
    if len(descriptors) != (job.kind is CommandKind.TWIST):
        raise MalformedMessage(f"{len(descriptors)} descriptors with {job.kind.value}")
    return job, (socket.socket(fileno=descriptors[0]) if descriptors else None)
