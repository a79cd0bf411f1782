# SPDX-License-Identifier: MIT
"""Rules to measure with: block lists as people have them, and clients that are on them or not.

Listed addresses end in an odd number and clients' in an even one, so none is listed by accident.
"""

import random
import socket
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

#: The same lists in every run.
SEED = 3
#: 1.0.0.0 to 126.255.255.255 and 128.0.0.0 to 191.255.255.255, which the benchmark's network
#: namespace calls its own.
SPANS = ((1 << 24, 127 << 24), (128 << 24, 192 << 24))


def addresses(count: int, *, listed: bool, seed: int = SEED) -> list[int]:
    """So many different IPv4 addresses, spread over the whole space."""
    numbers = random.Random(seed)  # noqa: S311  # the same in every run, nothing secret
    found: set[int] = set()
    while len(found) < count:
        first, last = SPANS[0] if numbers.random() < 2 / 3 else SPANS[1]
        found.add(numbers.randrange(first, last) & ~1 | listed)
    return list(found)


def text_of(address: int) -> str:
    """As in a rule, and as accept(2) gives it."""
    return socket.inet_ntoa(struct.pack("!I", address))


def sixes(count: int, *, listed: bool, seed: int = SEED) -> list[str]:
    """So many IPv6 addresses, each of another network."""
    numbers = random.Random(seed)  # noqa: S311  # the same in every run, nothing secret
    rest = 1 if listed else 2
    found = []
    for _ in range(count):
        packed = struct.pack(
            "!IIII", 0x20010000 | numbers.getrandbits(16), numbers.getrandbits(32), 0, rest
        )
        found.append(socket.inet_ntop(socket.AF_INET6, packed))
    return found


def deny_lines(count: int, daemon: str = "bench") -> str:
    """A file of so many lines, as fail2ban and the like write it."""
    return lines_of(map(text_of, addresses(count, listed=True)), daemon)


def lines_of(clients: Iterable[str], daemon: str = "bench") -> str:
    """One line for each client."""
    return "".join(f"{daemon}: {client}\n" for client in clients)


def write_sources(path: Path, clients: Sequence[int]) -> Path:
    """For the load generator: where its connections are to come from."""
    path.write_bytes(b"".join(struct.pack("!I", client) for client in clients))
    return path
