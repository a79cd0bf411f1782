# SPDX-License-Identifier: MIT
"""Has the commands of rules run: the gate's side of the command runner (docs/commands.md).

    await commands.run(Wanted(...)) ──▶ Ended, always, by its deadline

One channel, opened when the first command comes. A runner that stops says so: what it was given is
answered there, what comes later goes to its successor. A command that was given away and has no
answer is never given away again: it may have run.
"""

import array
import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

from socketgate.command_message import (
    MAX_ANSWER_BYTES,
    MAX_MESSAGE_BYTES,
    STOPPING,
    Ended,
    Job,
    MalformedMessage,
    encode_job,
    parse_ended,
)
from socketgate.config import CommandsConfig
from socketgate.errors import BackendUnavailable
from socketgate.introduction import option_lines
from socketgate.program import parse_fields
from socketgate.rules.keyword import CommandKind
from socketgate.rules.option import Inherited

#: Opens a channel to the runner. Raises BackendUnavailable, or BlockingIOError: not just now.
Connect = Callable[[], socket.socket]

#: unix(7), sendmsg(2): the kernel has no room now; try again.
NO_ROOM = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS})

#: unix(7): until the next try, where nothing tells when there is room again, in seconds.
RETRY_SECONDS = 0.01

#: For an answer to come back after the runner's own deadline, in seconds.
ANSWER_SECONDS = 2.0

NO_ANSWER = Ended(None, "the command runner did not answer")
WENT_AWAY = Ended(None, "the command runner went away")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A command that a rule wants run for a client of this address; a twist has the client.

    `inherited` is what options before it have set.
    """

    kind: CommandKind
    command: bytes
    address: bytes
    inherited: tuple[Inherited, ...] = ()
    client: int | None = None


class Commands:
    """Gives commands to the runner. One loop only; `close` ends it."""

    def __init__(
        self,
        connect: Connect,
        config: CommandsConfig,
        *,
        report: Callable[[str], None],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`report(text)`: nobody runs commands, said once, and once more when somebody does.

        `check()` raises BackendUnavailable where connecting would, as far as that is to be seen.
        """
        self._connect = connect
        self._check = check
        self._config = config
        self._report = report
        self._is_in_trouble = False
        #: Why the last command was not run, where looking doesn't tell.
        self._unseen = ""
        self._channels: set[_Channel] = set()
        self._current: _Channel | None = None
        self._last_id = 0
        self._sending = asyncio.Lock()
        self._loop = asyncio.get_running_loop()

    async def run(self, wanted: Wanted) -> Ended:
        """Run a command; the client's descriptor stays the caller's."""
        seconds = self._config.seconds
        try:
            async with asyncio.timeout(seconds + ANSWER_SECONDS):
                return await self._run(wanted, self._loop.time() + seconds)
        except TimeoutError:
            self._in_trouble(NO_ANSWER.trouble, is_seen=False)
            return NO_ANSWER
        except BackendUnavailable as error:
            self._in_trouble(str(error), is_seen=bool(self._seen()))
            return Ended(None, f"the command runner can't be reached: {error}")

    @property
    def is_connected(self) -> bool:
        """Whether there is a runner that takes commands."""
        return self._current is not None and self._current.is_open

    @property
    def trouble(self) -> str:
        """Why no command would be run now, or the last one was not; empty if neither."""
        seen = "" if self.is_connected else self._seen()
        return seen or self._unseen

    def _seen(self) -> str:
        """Why connecting would fail, as far as that is to be seen."""
        try:
            self._check()
        except BackendUnavailable as error:
            return str(error)
        return ""

    def _in_trouble(self, why: str, *, is_seen: bool) -> None:
        if not self._is_in_trouble:
            self._report(f"commands can't be run: {why}")
        self._is_in_trouble = True
        self._unseen = "" if is_seen else why

    def close(self) -> None:
        """Answer all who wait, and let go of the runner. What runs goes on."""
        for channel in list(self._channels):
            channel.end(Ended(None, "the gate stopped"))
        self._current = None

    async def _run(self, wanted: Wanted, until: float) -> Ended:
        async with self._sending:
            while True:
                channel = await self._open()
                job = self._job(wanted, until)
                answer = channel.give(job, wanted.client)
                if answer is not None:
                    break
                await channel.wait_room()
        try:
            ended = await answer
        finally:
            channel.forget(job.id)
        if self._is_in_trouble and ended.status is not None:
            self._is_in_trouble, self._unseen = False, ""
            self._report("commands are run again")
        return ended

    def _job(self, wanted: Wanted, until: float) -> Job:
        self._last_id += 1
        left = max(0.0, until - self._loop.time())
        longer = self._config.twist_seconds if wanted.kind is CommandKind.TWIST else 0
        return Job(
            id=self._last_id,
            kind=wanted.kind,
            start_seconds=left,
            end_seconds=left + longer,
            command=wanted.command,
            source=wanted.address,
            inherited=parse_fields(b"".join(option_lines(wanted.inherited))),
        )

    async def _open(self) -> "_Channel":
        """The channel in use, a new one if there is none. Raises BackendUnavailable."""
        while self._current is None or not self._current.is_open:
            try:
                sock = self._connect()
            except BlockingIOError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            try:
                self._current = _Channel(sock, self._channels.discard)
            except OSError as error:  # epoll_ctl(2): ENOMEM, ENOSPC; it passes
                sock.close()
                raise BackendUnavailable(f"epoll_ctl: {error.strerror}") from error
            self._channels.add(self._current)
        return self._current


class _Channel:
    """One connection to a runner, and who waits for its answers."""

    def __init__(self, sock: socket.socket, on_end: Callable[["_Channel"], None]) -> None:
        self._sock = sock
        self._on_end = on_end
        self._waiting: dict[int, asyncio.Future[Ended]] = {}
        self._is_stopping = False
        self._room = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        sock.settimeout(0)
        self._loop.add_reader(sock, self._on_readable)

    @property
    def is_open(self) -> bool:
        """Whether the runner takes commands here."""
        return self._sock.fileno() >= 0 and not self._is_stopping

    def give(self, job: Job, client: int | None) -> asyncio.Future[Ended] | None:
        """Send a job; the answer is to come. None: it was not taken, try again."""
        try:
            self._send(encode_job(job), [] if client is None else [client])
        except ConnectionError:
            self.end(WENT_AWAY)
            return None
        except OSError as error:
            if error.errno in NO_ROOM:
                return None
            answer = self._loop.create_future()
            answer.set_result(Ended(None, f"can't be given to the runner: {error.strerror}"))
            return answer
        answer = self._waiting[job.id] = self._loop.create_future()
        return answer

    def _send(self, message: bytes, rights: list[int]) -> None:
        if len(message) > MAX_MESSAGE_BYTES:
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", rights))]
        self._sock.sendmsg([message], passed if rights else [], socket.MSG_NOSIGNAL)

    async def wait_room(self) -> None:
        """Until it may be worth another try: the channel can be written to, or has ended."""
        if not self.is_open:
            return
        self._room.clear()
        self._loop.add_writer(self._sock, self._room.set)
        try:
            await self._room.wait()
        finally:
            if self._sock.fileno() >= 0:
                self._loop.remove_writer(self._sock)
        await asyncio.sleep(RETRY_SECONDS)

    def forget(self, number: int) -> None:
        """Nobody waits for this answer any more."""
        self._waiting.pop(number, None)
        self._end_if_done()

    def end(self, ended: Ended) -> None:
        """Close it; whoever waits is told."""
        if self._sock.fileno() < 0:
            return
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        self._room.set()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_result(ended)
        self._on_end(self)

    def _on_readable(self) -> None:
        while self._sock.fileno() >= 0:
            try:
                message = self._sock.recv(MAX_ANSWER_BYTES)
            except BlockingIOError:
                return
            except ConnectionResetError:
                continue  # unix(7): told once, ahead of answers that are still queued
            except OSError:
                message = b""
            with contextlib.suppress(MalformedMessage):
                if message:
                    self._obey(message)
                    continue
            self.end(WENT_AWAY)

    def _obey(self, message: bytes) -> None:
        if message == STOPPING:
            self._is_stopping = True
            self._end_if_done()
            return
        number, ended = parse_ended(message)
        answer = self._waiting.get(number)
        if answer is not None and not answer.done():
            answer.set_result(ended)

    def _end_if_done(self) -> None:
        if self._is_stopping and not self._waiting:
            self.end(WENT_AWAY)
