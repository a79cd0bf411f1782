# SPDX-License-Identifier: MIT
"""Many clients: each connects, says who it is, and reads to the end.

    python load.py ADDRESS PORT COUNT AT_ONCE

Prints one JSON list, an object for each client: its name, its port, and all it was answered, or
null when it could not connect or was cut off. Runs alone, without the project, wherever a test
needs clients: in a box, on a client's host.
"""

import asyncio
import json
import sys
from typing import TypedDict

#: No client waits longer than this, whatever happens.
DEADLINE_SECONDS = 150.0


class Visit(TypedDict):
    """What became of one client."""

    name: str
    port: int
    answer: str | None


async def visit(address: str, port: int, name: str) -> Visit:
    """One client's visit."""
    result = Visit(name=name, port=0, answer=None)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                result["port"] = writer.get_extra_info("sockname")[1]
                writer.write(f"{name}\n".encode())
                result["answer"] = (await reader.read()).decode()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return result
    return result


async def visit_all(address: str, port: int, count: int, at_once: int) -> list[Visit]:
    """All visits, no more than so many at a time."""
    places = asyncio.Semaphore(at_once)

    async def visit_in_turn(number: int) -> Visit:
        async with places:
            return await visit(address, port, f"client-{port}-{number}")

    return list(await asyncio.gather(*map(visit_in_turn, range(count))))


if __name__ == "__main__":
    host, *numbers = sys.argv[1:]
    sys.stdout.write(json.dumps(asyncio.run(visit_all(host, *map(int, numbers)))))
