# SPDX-License-Identifier: MIT
"""The command runner's side of a channel: jobs in, answers out (docs/commands.md).

    Channel(sock, on_job, on_end) ──▶ on_job(channel, job, client)      for each command
    channel.answer(number, ended)                                        the first counts

A job that can't be taken is answered at once and costs no other one. What no gate sends ends the
channel.
"""

import asyncio
import collections
import contextlib
import os
import socket
import struct
from collections.abc import Callable

from socketgate.command_message import (
    MAX_MESSAGE_BYTES,
    STOPPING,
    Ended,
    Job,
    MalformedMessage,
    encode_ended,
    parse_job,
)
from socketgate.rules.keyword import CommandKind

RIGHTS = (socket.SOL_SOCKET, socket.SCM_RIGHTS)

#: Room for more than the one descriptor a message may have, so that a wrong one is seen as such.
MAX_DESCRIPTORS = 4

#: Messages of one channel that are read before another's turn comes.
MAX_BURST = 32

#: Commands of one gate that run or wait: all clients that it decides at once, each with its one.
MAX_UNANSWERED = 4096

OnJob = Callable[["Channel", Job, socket.socket | None], None]
OnEnd = Callable[["Channel", str], None]


class Channel:
    """One gate's channel, until either side closes. One loop only."""

    def __init__(
        self,
        sock: socket.socket,
        on_job: OnJob,
        on_end: OnEnd,
        *,
        max_unanswered: int = MAX_UNANSWERED,
    ) -> None:
        """`on_end(channel, trouble)`: it was closed; no trouble when the gate went.

        Owns the socket; whoever gets a job owns the client that came with it.
        """
        self._sock = sock
        self._on_job, self._on_end = on_job, on_end
        self._max_unanswered = max_unanswered
        self._unanswered: set[int] = set()
        self._unsent: collections.deque[bytes] = collections.deque()
        self._loop = asyncio.get_running_loop()
        sock.settimeout(0)
        self._loop.add_reader(sock, self._on_readable)

    def answer(self, number: int, ended: Ended) -> None:
        """Say how a job ended, unless that was said; a gate that is gone needs no answer."""
        if number in self._unanswered:
            self._unanswered.discard(number)
            self._send(encode_ended(number, ended))

    def say_stopping(self) -> None:
        """Have the gate go elsewhere with what is to come."""
        self._send(STOPPING)

    def close(self) -> None:
        """Let go of it."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()

    def _send(self, text: bytes) -> None:
        if self._sock.fileno() >= 0:
            self._unsent.append(text)
            self._send_on()

    def _send_on(self) -> None:
        while self._unsent:
            try:
                self._sock.send(self._unsent[0], socket.MSG_NOSIGNAL)
            except BlockingIOError:
                self._loop.add_writer(self._sock, self._send_on)
                return
            except OSError:
                self._end()
                return
            self._unsent.popleft()
        self._loop.remove_writer(self._sock)

    def _on_readable(self) -> None:
        for _ in range(MAX_BURST):
            if self._sock.fileno() < 0:
                return
            try:
                self._receive()
            except BlockingIOError:
                return
            except MalformedMessage as error:
                self._end(str(error))
            except OSError:
                self._end()

    def _receive(self) -> None:
        """Take the next job. Raises MalformedMessage; OSError when the channel has ended."""
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
        with contextlib.ExitStack() as stack:
            for fd in descriptors:
                stack.callback(os.close, fd)
            if not text and not descriptors:
                raise ConnectionResetError
            job, trouble = self._understand(text, descriptors, flags)
            self._unanswered.add(job.id)
            if trouble:
                self.answer(job.id, Ended(None, trouble))
                return
            client = _client(descriptors)
            stack.pop_all()
        self._on_job(self, job, client)

    def _understand(self, text: bytes, descriptors: list[int], flags: int) -> tuple[Job, str]:
        """The job, and why it can't be taken, if so. Raises MalformedMessage."""
        if flags & socket.MSG_TRUNC:
            raise MalformedMessage("more than fits")
        job = parse_job(text)
        has_client = job.kind is CommandKind.TWIST
        if flags & socket.MSG_CTRUNC and has_client and not descriptors:
            return job, "no descriptor was left for the client"  # unix(7): EMFILE, or a policy
        if len(descriptors) != has_client:
            raise MalformedMessage(f"{len(descriptors)} descriptors with {job.kind.value}")
        if len(self._unanswered) >= self._max_unanswered:
            return job, "too many commands wait already"
        return job, ""

    def _end(self, trouble: str = "") -> None:
        self.close()
        self._on_end(self, trouble)


def _client(descriptors: list[int]) -> socket.socket | None:
    try:
        return socket.socket(fileno=descriptors[0]) if descriptors else None
    except OSError as error:
        raise MalformedMessage(f"a client that is no socket: {error.strerror}") from error
