# SPDX-License-Identifier: MIT
"""Short words for tests of lookups: requests, answers as text, and the files of an own /etc."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable

from socketgate.lookup_values import Found, LookupLimits
from socketgate.lookups import Lookups
from socketgate.rules.request import Endpoint, Fact, Request

DEADLINE_SECONDS = 30.0
#: A deadline that passes soon.
AT_ONCE = 0.1

#: A resolver that waits far longer than a test may take: only our own deadlines can end a wait.
PATIENT = "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n"
#: One that gives up, for tests of what follows.
HASTY = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"

Answers = dict[str, list[str]]


def request(
    client: str = "192.0.2.7",
    *,
    client_port: int | None = 40123,
    server: str = "127.0.0.1",
    server_port: int | None = 22,
) -> Request:
    """A request to sshd from this address."""
    return Request(
        daemon=b"sshd",
        client=Endpoint(client.encode(), client_port),
        server=Endpoint(server.encode(), server_port),
    )


def wait_threads_gone() -> None:
    """Until the threads of closed pools have ended; what they are to do must be done."""
    for thread in threading.enumerate():
        if thread.name.startswith("lookup-"):
            thread.join(DEADLINE_SECONDS)


def etc(
    resolv: str = PATIENT, hosts: str | bytes = "127.0.0.1 localhost\n"
) -> dict[str, str | bytes]:
    """Files first, then DNS; netgroups by file."""
    nsswitch = "passwd: files\ngroup: files\nhosts: files dns\nnetgroup: files\n"
    return {"nsswitch.conf": nsswitch, "hosts": hosts, "resolv.conf": resolv}


def text(found: Found | None) -> list[str]:
    """An answer and its note, as JSON has them."""
    if found is None:
        return []
    answer = found.answer
    match answer:
        case bytes():
            return [answer.decode(), found.note]
        case frozenset():
            return [" ".join(sorted(one.decode() for one in answer)), found.note]
        case _:
            return [str(answer), found.note]


def with_lookups(
    scene: Callable[[Lookups], Awaitable[object]], limits: LookupLimits | None = None
) -> object:
    """What the scene comes to."""

    async def play() -> object:
        lookups = Lookups(limits)
        try:
            return await scene(lookups)
        finally:
            lookups.close()

    return asyncio.run(play())


async def name_of(
    lookups: Lookups, address: str, timeout_seconds: float = DEADLINE_SECONDS
) -> Found:
    """The client's name."""
    return await lookups.look_up(
        Fact.CLIENT_NAME, request(address), timeout_seconds=timeout_seconds
    )


async def names_of(lookups: Lookups, addresses: Iterable[str]) -> Answers:
    """All these clients' names, asked for at once."""
    addresses = list(addresses)
    found = await asyncio.gather(*(name_of(lookups, address) for address in addresses))
    return {address: text(one) for address, one in zip(addresses, found, strict=True)}
