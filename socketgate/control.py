# SPDX-License-Identifier: MIT
"""The control socket: Varlink for the admin's tools, next to the gate's real work.

    connect ─▶ who is it (SO_PEERCRED, SO_PEERGROUPS) ─▶ call ─▶ may he ─▶ method ─▶ reply

Whoever can reach the socket may connect, so everything about it is bounded: connections, of people
without rights above all; the size of a call; the time to say it and to take the answer. Strangers
are let in one at a time with a pause after each, so that no crowd of them slows the gate.
"""

import asyncio
import contextlib
import enum
import errno
import grp
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from socketgate import __version__
from socketgate.answers import DEFINITION, INTERFACE
from socketgate.backend.channel import peer_credentials
from socketgate.config import ControlConfig
from socketgate.varlink import (
    MAX_CALL_BYTES,
    SERVICE,
    SERVICE_DESCRIPTION,
    Call,
    CallFailed,
    NotVarlink,
    describe,
    encode,
    encode_error,
    invalid,
    parse_call,
)

log = logging.getLogger(__name__)

#: Connections at once; the second number is for people without any right.
MAX_CONNECTIONS = 64
MAX_STRANGERS = 4
#: How long nothing may come, and how long an answer may be left lying, in seconds.
IDLE_SECONDS = 60.0
STRANGER_SECONDS = 2.0
REPLY_SECONDS = 10.0
#: Between two strangers, and after one who could not be accepted, in seconds: little work for the
#: gate, and who stands behind a crowd of them and has a right still gets his answer in time.
STRANGER_PAUSE_SECONDS = 0.005

#: A group of this name in the configuration is everybody.
EVERYBODY = "ALL"

#: socket(7), SO_PEERGROUPS (<asm-generic/socket.h>); Python has no name for it.
SO_PEERGROUPS = 59
#: What Python's getsockopt can take; who is in more groups is taken for one who is in none.
_GROUPS_BYTES = 1024


class Right(enum.IntEnum):
    """What somebody may do; each includes the ones before."""

    NOTHING = 0
    LOOK = 1
    CHANGE = 2


#: Answers a call's parameters; raises CallFailed.
Answer = Callable[[Mapping[str, object]], Awaitable[Mapping[str, object]]]


@dataclass(frozen=True, slots=True)
class Method:
    """A method of ours, and the right it takes."""

    right: Right
    answer: Answer


@dataclass(frozen=True, slots=True)
class Rights:
    """Which groups have which right; root and the gate's own user may do everything."""

    admins: frozenset[int]
    viewers: frozenset[int]
    is_everybody_viewer: bool = False

    def of(self, sock: socket.socket) -> Right:
        """What the process at the other end may do."""
        _, uid, gid = peer_credentials(sock)
        if uid in (0, os.geteuid()):
            return Right.CHANGE
        groups = {gid, *_peer_groups(sock)}
        if groups & self.admins:
            return Right.CHANGE
        may_look = self.is_everybody_viewer or groups & self.viewers
        return Right.LOOK if may_look else Right.NOTHING


def rights_by(config: ControlConfig) -> Rights:
    """The configured groups by their numbers; one that doesn't exist has no members."""
    return Rights(
        frozenset(_numbers(config.admin_groups)),
        frozenset(_numbers(config.viewer_groups)),
        EVERYBODY in config.viewer_groups,
    )


def _numbers(names: tuple[str, ...]) -> list[int]:
    numbers = []
    for name in names:
        with contextlib.suppress(KeyError, ValueError):  # not there; with a NUL in it
            numbers.append(grp.getgrnam(name).gr_gid)
    return numbers


def _peer_groups(sock: socket.socket) -> tuple[int, ...]:
    """The other end's supplementary groups when it connected (unix(7))."""
    try:
        packed = sock.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, _GROUPS_BYTES)
    except OSError:
        return ()  # a kernel without it, or more groups than anybody has
    return struct.unpack(f"{len(packed) // 4}I", packed)


class Control:
    """Serves the control socket from `open` to `close`."""

    def __init__(
        self,
        path: Path,
        rights: Rights,
        methods: Mapping[str, Method],
        *,
        reply_seconds: float = REPLY_SECONDS,
    ) -> None:
        self.path = path
        self._reply_seconds = reply_seconds
        self._rights = rights
        self._methods = methods
        self._loop = asyncio.get_running_loop()
        self._listening: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._strangers = 0
        self._pause: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Listen. Raises OSError."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._take_place()
            listening.bind(str(self.path))
            self.path.chmod(0o666)  # who may do what is decided for each who connects
            listening.listen(16)
        except BaseException:  # nothing stays behind, whatever it was; it is raised on
            listening.close()
            raise
        self._listening = listening
        self._loop.add_reader(listening, self._on_readable)

    def _take_place(self) -> None:
        """Remove what a killed gate has left; another gate's socket stays."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
            if sock.connect_ex(str(self.path)) in (0, errno.EAGAIN):
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        self.path.unlink(missing_ok=True)

    async def close(self) -> None:
        """Answer nobody any more."""
        if self._pause is not None:
            self._pause.cancel()
        listening, self._listening = self._listening, None
        if listening is not None:
            self._loop.remove_reader(listening)
            listening.close()
            self.path.unlink(missing_ok=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_readable(self) -> None:
        """Take one; the others wait until the loop has looked after the gate's clients."""
        if self._listening is None:
            return
        try:
            sock, _ = self._listening.accept()
        except OSError:  # out of descriptors: the queue keeps, and the loop is not to run for it
            self._pause_a_little()
            return
        sock.setblocking(False)  # noqa: FBT003  # socket's own signature
        right = self._rights.of(sock)
        if right is Right.NOTHING:
            self._pause_a_little()
        is_full = len(self._tasks) >= MAX_CONNECTIONS or (
            right is Right.NOTHING and self._strangers >= MAX_STRANGERS
        )
        if is_full and right is not Right.CHANGE:
            sock.close()
            return
        self._strangers += right is Right.NOTHING
        task = self._loop.create_task(self._serve(sock, right))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._on_end(done, sock, right))

    def _on_end(self, task: asyncio.Task[None], sock: socket.socket, right: Right) -> None:
        sock.close()  # a task that was cancelled before it began has not
        self._tasks.discard(task)
        self._strangers -= right is Right.NOTHING

    def _pause_a_little(self) -> None:
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._pause = self._loop.call_later(STRANGER_PAUSE_SECONDS, self._go_on)

    def _go_on(self) -> None:
        if self._listening is None:
            return
        try:
            self._loop.add_reader(self._listening, self._on_readable)
        except OSError:  # epoll_ctl(2): ENOMEM, ENOSPC; it passes
            self._pause_a_little()

    async def _serve(self, sock: socket.socket, right: Right) -> None:
        """One connection: call after call, until it ends or misbehaves."""
        reader, writer = await asyncio.open_unix_connection(sock=sock, limit=MAX_CALL_BYTES)
        writer.transport.set_write_buffer_limits(0)  # `drain` waits until all of it is taken
        idle_seconds = STRANGER_SECONDS if right is Right.NOTHING else IDLE_SECONDS
        try:
            while True:
                async with asyncio.timeout(idle_seconds):
                    data = await reader.readuntil(b"\0")
                call = parse_call(data[:-1])
                reply = await self._reply(call, right)
                if not call.is_oneway:
                    writer.write(reply)
                    async with asyncio.timeout(self._reply_seconds):
                        await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, NotVarlink, TimeoutError):
            pass  # it has ended, speaks something else or is too slow: it is hung up on
        except OSError:
            pass  # the other end has gone
        finally:
            writer.close()
            writer.transport.abort()

    async def _reply(self, call: Call, right: Right) -> bytes:
        try:
            return encode({"parameters": await self._answer(call, right)})
        except CallFailed as error:
            return encode_error(error)
        except Exception:  # a mistake of ours ends no gate
            log.exception("control: %s", call.method)
            return encode_error(CallFailed(f"{INTERFACE}.InternalError"))

    async def _answer(self, call: Call, right: Right) -> Mapping[str, object]:
        interface, _, name = call.method.rpartition(".")
        if interface == SERVICE:
            return about_service(name, call)
        if interface != INTERFACE:
            raise CallFailed(f"{SERVICE}.InterfaceNotFound", {"interface": interface})
        method = self._methods.get(name)
        if method is None:
            raise CallFailed(f"{SERVICE}.MethodNotFound", {"method": call.method})
        if right < method.right:
            raise CallFailed(f"{SERVICE}.PermissionDenied")
        return await method.answer(call.parameters)


def about_service(name: str, call: Call) -> Mapping[str, object]:
    """org.varlink.service, which anybody may ask."""
    if name == "GetInfo":
        return {
            "vendor": "socketgate",
            "product": "socketgate",
            "version": __version__,
            "url": "",
            "interfaces": [SERVICE, INTERFACE],
        }
    if name != "GetInterfaceDescription":
        raise CallFailed(f"{SERVICE}.MethodNotFound", {"method": call.method})
    match call.parameters.get("interface"):
        case str(interface) if interface == SERVICE:
            return {"description": SERVICE_DESCRIPTION}
        case str(interface) if interface == INTERFACE:
            return {"description": describe(DEFINITION)}
        case str(interface):
            raise CallFailed(f"{SERVICE}.InterfaceNotFound", {"interface": interface})
        case _:
            raise invalid("interface")
