# SPDX-License-Identifier: MIT
"""An ident server (RFC 1413) that does what it is told: tells, lies, stalls, floods, hangs up.

async with IdentServer(tells("bob")) as server:
    await look_up_user(request, timeout_seconds=5, port=server.port)
"""

import asyncio
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

#: What it sends for a question; None: nothing, and it keeps the line open.
Behaviour = Callable[[bytes], bytes | None]


def tells(user: str) -> Behaviour:
    """The user, for whatever ports it is asked about."""
    return lambda question: question.strip() + f" : USERID : UNIX : {user}\r\n".encode()


def says(reply: bytes) -> Behaviour:
    """Always the same bytes, as a liar does."""
    return lambda _question: reply


def stalls(_question: bytes) -> None:
    """Never anything."""


def floods(_question: bytes) -> bytes:
    """Far more than a reply may have, and no end of line."""
    return b"x" * 1_000_000


class IdentServer:
    """Serves on a loopback address, in the test's own loop."""

    def __init__(self, behaviour: Behaviour, address: str = "127.0.0.1", port: int = 0) -> None:
        self._behaviour = behaviour
        self._address = address
        self.port = port
        self.questions: list[bytes] = []
        self.askers: list[str] = []
        self._server: asyncio.Server | None = None
        self._answering: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self._address, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._answer(reader, writer))
        self._answering.add(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.askers.append(writer.get_extra_info("peername")[0])
            question = await reader.readline()
            self.questions.append(question)
            reply = self._behaviour(question)
            if reply is not None:
                writer.write(reply)
                await writer.drain()
            await reader.read()  # until the gate hangs up
        except ConnectionError:
            pass  # it hung up in the middle of the flood
        finally:
            writer.transport.abort()


#: What a server started as a program can be told to do.
BEHAVIOURS: dict[str, Behaviour] = {
    "tells": tells("bob"),
    "shell": tells("$(reboot);`id`"),
    "lies": says(b"1, 1 : USERID : UNIX : root\r\n"),
    "stalls": stalls,
    "floods": floods,
}


async def serve(address: str, port: int, behaviour: str) -> None:
    """Until standard input ends; says "ready" when it listens."""
    async with IdentServer(BEHAVIOURS[behaviour], address, port):
        print("ready", flush=True)  # noqa: T201  # whoever started us waits for it
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":  # identserver.py ADDRESS PORT BEHAVIOUR
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
