# SPDX-License-Identifier: MIT
"""Many clients: each connects, says who it is, and reads to the end.

    python load.py ADDRESS PORT COUNT AT_ONCE

Prints one JSON list, an object for each client: its name, its port, and all it was answered, or
null when it could not connect or was cut off. They wait for as long as one of them comes to an end
now and then, however slow the machine is. Runs alone, without the project, wherever a test needs
clients: in a box, on a client's host.
"""

import asyncio
import json
import sys
from typing import TypedDict

#: When so long nobody has come to an end, nobody waits any longer.
PATIENCE_SECONDS = 60.0


class Visit(TypedDict):
    """What became of one client."""

    name: str
    port: int
    answer: str | None


async def visit(address: str, port: int, name: str, places: asyncio.Semaphore) -> Visit:
    """One client's visit, as soon as there is a place for him. Can be cut off."""
    result = Visit(name=name, port=0, answer=None)
    try:
        async with places:
            reader, writer = await asyncio.open_connection(address, port)
            try:
                result["port"] = writer.get_extra_info("sockname")[1]
                writer.write(f"{name}\n".encode())
                result["answer"] = (await reader.read()).decode()
            finally:
                writer.close()
    except (OSError, asyncio.CancelledError):
        return result
    return result


async def visit_all(address: str, port: int, count: int, at_once: int) -> list[Visit]:
    """All visits, no more than so many at a time."""
    places = asyncio.Semaphore(at_once)
    names = (f"client-{port}-{number}" for number in range(count))
    visits = [asyncio.create_task(visit(address, port, name, places)) for name in names]
    impatience = asyncio.create_task(cut_off_who_hangs(visits))
    try:
        return await asyncio.gather(*visits)
    finally:
        impatience.cancel()


async def cut_off_who_hangs(visits: list[asyncio.Task[Visit]]) -> None:
    """End all visits when too long none has ended."""
    before = -1
    while (ended := sum(one.done() for one in visits)) > before:
        before = ended
        await asyncio.sleep(PATIENCE_SECONDS)
    for one in visits:
        one.cancel()


if __name__ == "__main__":
    host, *numbers = sys.argv[1:]
    sys.stdout.write(json.dumps(asyncio.run(visit_all(host, *map(int, numbers)))))
