# SPDX-License-Identifier: MIT
"""Values and sockets with good defaults, and waiting for what the loop is to bring."""

import asyncio
import contextlib
import itertools
import os
import socket
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from socketgate.accept import Connection, accept_burst
from socketgate.activation import Listener
from socketgate.rules.request import Endpoint, Request
from socketgate.rules.source import Source, Sources, Text
from socketgate.rules.table import RuleTable, build_table

#: No test waits longer for anything.
PATIENCE_SECONDS = 20.0

T = TypeVar("T")


class Happenings(Generic[T]):
    """Called back by what is tested; keeps what it was told, and lets a test wait for it."""

    def __init__(self) -> None:
        self.seen: list[T] = []
        self._changed = asyncio.Event()

    def __call__(self, what: T) -> None:
        self.seen.append(what)
        self._changed.set()

    async def wait(self, count: int) -> list[T]:
        """What came so far, once there are so many."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.seen) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.seen


class Calls(Happenings[None]):
    """The same for a callback without arguments."""

    def __call__(self, what: None = None) -> None:
        super().__call__(what)

    @property
    def count(self) -> int:
        """How often it was called."""
        return len(self.seen)


def play(scene: Coroutine[object, object, T]) -> T:
    """Run a scene in a loop of its own, and never for ever."""

    async def bounded() -> T:
        async with asyncio.timeout(3 * PATIENCE_SECONDS):
            return await scene

    return asyncio.run(bounded())


async def let_the_loop_turn() -> None:
    """Let everything run that is ready now: callbacks, and readers of what has already come."""
    for _ in range(5):
        await asyncio.sleep(0)


def text_of(text: str | bytes) -> Text:
    """A rule file that has been read."""
    return Text(text.encode() if isinstance(text, str) else text)


def table(allow: str = "", deny: str = "", **host_files: str) -> RuleTable:
    """The rules of two files; host files by their paths, `/` written as `__`."""
    files: dict[bytes, Source] = {
        path.replace("__", "/").encode(): text_of(text) for path, text in host_files.items()
    }
    return build_table(Sources(allow=text_of(allow), deny=text_of(deny), host_files=files))


def request(
    client: str = "192.0.2.7", *, daemon: str = "sshd", server: str = "198.51.100.1"
) -> Request:
    """A request to a daemon from this address."""
    return Request(
        daemon=daemon.encode(),
        client=Endpoint(client.encode(), 40123),
        server=Endpoint(server.encode(), 22),
    )


@contextlib.contextmanager
def listening(address: str = "127.0.0.1", *, name: str = "sshd") -> Iterator[Listener]:
    """A TCP listener on a free port; with `::` for both families."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    both = address == "::"
    with socket.create_server((address, 0), family=family, dualstack_ipv6=both) as sock:
        sock.settimeout(0)
        yield Listener(sock, name)


@contextlib.contextmanager
def listening_locally(folder: Path, *, name: str = "sshd") -> Iterator[Listener]:
    """An AF_UNIX stream listener."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(str(folder / "listener.sock"))
        sock.listen()
        sock.settimeout(0)
        yield Listener(sock, name)


def client_of(listener: Listener) -> socket.socket:
    """A client that has connected: the kernel has it in the listener's queue."""
    sock = socket.socket(listener.sock.family, socket.SOCK_STREAM)
    sock.settimeout(PATIENCE_SECONDS)
    address = listener.sock.getsockname()
    if listener.sock.family == socket.AF_INET6 and address[0] == "::":
        address = ("::1", address[1])
    try:
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


#: Numbers of the connections that `connected` makes.
_numbers = itertools.count(1)


@contextlib.contextmanager
def connected(
    listener: Listener, *, text: bytes = b"DAEMON=sshd\n"
) -> Iterator[tuple[Connection, socket.socket]]:
    """An accepted connection, ready to be handed over, and its client."""
    with client_of(listener) as client:
        (connection,) = accept_burst(listener, _numbers, 1)
        connection.text = text
        with connection:
            yield connection, client


def open_descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # only names


@contextlib.contextmanager
def environment(**variables: str | None) -> Iterator[None]:
    """These variables for a while; None takes one away."""
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    try:
        yield
    finally:
        _set(before)


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
