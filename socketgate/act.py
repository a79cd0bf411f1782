# SPDX-License-Identifier: MIT
"""What a rule's options do at the gate, in the rule's order and each once (hosts_options(5)).

    keepalive, linger          set on the socket, at once
    banners, spawn, twist      an Errand: what must be waited for

The rest is the audit line's, the lookups' or the backend's; docs/design.md 7 says whose.
"""

import os
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Sequence

from socketgate.accept import Connection
from socketgate.banner import BannerFiles, Learn, send_banner, write_banner
from socketgate.command_message import NOT_RUN, Ended
from socketgate.commands import Wanted
from socketgate.identify import build_request
from socketgate.rules.expand import ExpansionTooLong
from socketgate.rules.keyword import CommandKind
from socketgate.rules.option import (
    Action,
    Banners,
    Inherited,
    KeepAlive,
    Linger,
    Nice,
    SetEnv,
    Spawn,
    Twist,
    Umask,
)
from socketgate.rules.request import Access, Request

#: Runs a command. Always answers, by its own deadline.
RunCommand = Callable[[Wanted], Awaitable[Ended]]

#: The options that make an errand.
WAITING = (Banners, Spawn, Twist)

#: Threads that wait for a close(2), at most; beyond that the kernel goes on without a `linger`.
MAX_CLOSING = 32

_closing = threading.BoundedSemaphore(MAX_CLOSING)


class CannotAct(Exception):
    """An option could not be carried out: the client is refused. The text is for the journal."""


async def run_nothing(_wanted: Wanted) -> Ended:
    """For a gate without a command runner."""
    return Ended(None, "there is no command runner")


def needs_errand(actions: Sequence[Action]) -> bool:
    """Whether one of these has to be waited for."""
    return any(isinstance(action, WAITING) for action in actions)


class Errand:
    """What one connection's options ask for beyond its socket.

    The rules may be asked several times on the way to a verdict, and say each time what options
    ask for so far: what was done is not done again.
    """

    def __init__(
        self, connection: Connection, run_command: RunCommand, files: BannerFiles, learn: Learn
    ) -> None:
        self._connection = connection
        self._run_command = run_command
        self._files = files
        self._learn = learn
        self._done_count = 0
        self._inherited: list[Inherited] = []
        #: The client is a command's now.
        self.is_twisted = False
        #: What went wrong and costs the client nothing.
        self.troubles: list[str] = []

    async def carry_out(self, actions: Sequence[Action], request: Request | None) -> None:
        """Do what is left of these. Raises CannotAct."""
        for action in actions[self._done_count :]:
            self._done_count += 1
            match action:
                case Spawn(command):
                    await self._run(CommandKind.SPAWN, command)
                case Twist(command):
                    await self._run(CommandKind.TWIST, command)
                    self.is_twisted = True
                case Banners(directory):
                    await self._tell(directory, request or build_request(self._connection))
                case SetEnv() | Umask() | Nice():
                    self._inherited.append(action)  # by the commands that follow
                case _:
                    continue  # not for us

    async def _run(self, kind: CommandKind, command: bytes) -> None:
        """A command's own failure is its own affair, as in libwrap; that there is none isn't."""
        wanted = Wanted(
            kind=kind,
            command=command,
            address=self._connection.address.encode(),
            inherited=tuple(self._inherited),
            client=self._connection.fd if kind is CommandKind.TWIST else None,
        )
        ended = await self._run_command(wanted)
        if ended.status is None:
            raise CannotAct(f"{kind.value}: {ended.how}")
        if ended.status in NOT_RUN:
            self.troubles.append(f"{kind.value}: {ended.how}")

    async def _tell(self, directory: bytes, request: Request) -> None:
        banner = self._files.load(directory, request.daemon)
        if banner.trouble:
            self.troubles.append(f"banners: {banner.trouble}")
        try:
            text = await write_banner(banner.text, request, self._learn)
        except ExpansionTooLong as error:
            raise CannotAct(f"banners: a line gets too long: {error}...") from error
        if text:
            send_banner(self._connection, text)
            self._connection.was_told = True


def set_socket_options(connection: Connection) -> list[str]:
    """`keepalive` and `linger`, as the rule says.

    A refused client has no `linger` but 0: there is nothing to deliver that the kernel would not
    deliver by itself, and our close(2) would wait for it. A `twist` serves its client, though the
    verdict is DENY. The answer: what the kernel refused.
    """
    verdict = connection.verdict
    if verdict is None:
        return []
    troubles: list[str] = []
    is_twist = any(isinstance(action, Twist) for action in verdict.actions)
    is_served = is_twist or verdict.access is Access.ALLOW
    for action in verdict.actions:
        match action:
            case KeepAlive():
                _set(connection, socket.SO_KEEPALIVE, struct.pack("i", 1), "SO_KEEPALIVE", troubles)
            case Linger(seconds) if is_served or not seconds:
                value = struct.pack("ii", 1, seconds)
                _set(connection, socket.SO_LINGER, value, f"SO_LINGER {seconds}", troubles)
            case _:
                continue  # not the socket's
    return troubles


def close_apart(connection: Connection) -> None:
    """Close our copy where that may wait, as `linger` says: not in the loop.

    socket(7): whoever closes the last copy waits, and a backend that was quick has closed its own.
    """
    lingers = any(isinstance(one, Linger) and one.seconds for one in _actions(connection))
    if not lingers or connection.fd < 0:
        connection.close()
        return
    if _close_in_thread(connection.fd):
        connection.fd = -1
        return
    _set(connection, socket.SO_LINGER, struct.pack("ii", 0, 0), "SO_LINGER", [])
    connection.close()


def _close_in_thread(fd: int) -> bool:
    """Whether a thread has it now."""
    if not _closing.acquire(blocking=False):
        return False
    try:
        threading.Thread(target=_close, args=(fd,), name="linger", daemon=True).start()
    except RuntimeError:  # the kernel has none left
        _closing.release()
        return False
    return True


def _close(fd: int) -> None:
    try:
        os.close(fd)
    finally:
        _closing.release()


def _actions(connection: Connection) -> tuple[Action, ...]:
    return () if connection.verdict is None else connection.verdict.actions


def _set(connection: Connection, option: int, value: bytes, name: str, troubles: list[str]) -> None:
    try:
        with connection.lent() as sock:
            sock.setsockopt(socket.SOL_SOCKET, option, value)
    except OSError as error:
        troubles.append(f"setsockopt {name}: {error.strerror}")
