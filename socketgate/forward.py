# SPDX-License-Identifier: MIT
"""The addresses of names in `dns:NAME` patterns, known before a client asks.

watch(names) ──▶ getaddrinfo(3) in the background, again and again, for each family
                     good answer ──▶ the addresses, until the next
                     no such name ──▶ no addresses
                     resolver fails ──▶ the last good answer stays, for a day at most
found(name) ──▶ what is known now, at once

The families are asked for apart: for both at once, getaddrinfo(3) takes a name server that fails
for one of them as if the name had no such addresses.
"""

import asyncio
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from socketgate.lookup_pool import LookupPool
from socketgate.lookup_source import plain
from socketgate.lookup_values import MAX_NAME_BYTES, Found, LookupLimits, Trouble, is_clean, shown

#: Answers that say "there is no such name", rather than "I can't tell".
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_ADDRFAMILY})

_NOT_FOUND = ": not found"

#: What names are asked for, and what notes call it.
_FAMILIES = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}


@dataclass(slots=True, eq=False)
class _Watched:
    """One name and family, and what is known of it."""

    name: bytes
    family: socket.AddressFamily
    addresses: frozenset[bytes] = frozenset()
    note: str = ""
    good_since: float | None = None
    is_settled: bool = False
    is_stale: bool = False
    timer: asyncio.TimerHandle | None = None


class ForwardNames:
    """Keeps the addresses of names up to date. To be used from one loop only."""

    def __init__(self, limits: LookupLimits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        threads = limits.max_forward_threads
        self._pool = LookupPool("forward", max_threads=threads, max_per_network=threads)
        self._watched: dict[bytes, tuple[_Watched, ...]] = {}
        self._settled = asyncio.Event()

    def watch(self, names: frozenset[bytes]) -> None:
        """Look after these names, and no longer after any other."""
        for name in self._watched.keys() - names:
            for watched in self._watched.pop(name):
                self._stop(watched)
        for name in sorted(names - self._watched.keys()):
            self._begin(name)
        self._note_settled()

    def found(self, name: bytes) -> Found:
        """The addresses the name has, as far as is known; a new name is watched from now on."""
        families = self._watched.get(name) or self._begin(name)
        if not families:
            limit = self._limits.max_forward_names
            return Found(frozenset(), f"dns:{shown(name)}: over the limit of {limit} names")
        addresses = frozenset[bytes]().union(*(one.addresses for one in families))
        return Found(addresses, _joined_notes(families))

    def age(self, name: bytes) -> float:
        """How long ago, in seconds, the addresses were found out; 0 when they never were."""
        now = self._clock()
        families = self._watched.get(name, ())
        times = (one.good_since for one in families if one.good_since is not None)
        return max((now - time for time in times), default=0.0)

    def refresh(self) -> None:
        """Ask again for every name, now. What is known stays until the answers come."""
        for watched in self._all():
            watched.is_settled = False
            watched.is_stale = not self._ask(watched)

    async def settled(self, timeout_seconds: float) -> bool:
        """Wait until every name has its answer, good or bad; False at the deadline.

        One that came before the last refresh is none.
        """
        self._note_settled()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._settled.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Stop looking after any name."""
        for watched in self._all():
            self._stop(watched)
        self._watched.clear()
        self._pool.close()

    def _all(self) -> Iterator[_Watched]:
        return chain.from_iterable(self._watched.values())

    def _begin(self, name: bytes) -> tuple[_Watched, ...]:
        """Watch a name; the answer is empty when there are too many."""
        if len(self._watched) >= self._limits.max_forward_names:
            return ()
        note = f"dns:{shown(name)}: not resolved yet"
        families = tuple(_Watched(name, family, note=note) for family in _FAMILIES)
        self._watched[name] = families
        for watched in families:
            self._ask(watched)
        return families

    def _ask(self, watched: _Watched) -> bool:
        """Begin a lookup, unless one is under way."""
        self._stop(watched)
        return self._pool.start(
            watched,
            watched,
            lambda: _resolve(watched.name, watched.family, self._limits.max_forward_addresses),
            lambda answer: self._on_answer(watched, answer),
        )

    def _on_answer(self, watched: _Watched, found: Found | Trouble) -> None:
        if watched not in self._watched.get(watched.name, ()):
            return
        is_good = False
        if isinstance(found, Found) and isinstance(found.answer, frozenset):
            is_good = True
            watched.addresses, watched.note = found.answer, found.note
            watched.good_since = self._clock()
        else:
            self._keep_or_forget(watched)
        if watched.is_stale:  # it began before the last refresh
            watched.is_stale = False
            self._ask(watched)
            return
        watched.is_settled = True
        self._note_settled()
        limits = self._limits
        seconds = limits.forward_refresh_seconds if is_good else limits.forward_retry_seconds
        watched.timer = asyncio.get_running_loop().call_later(seconds, self._ask, watched)

    def _keep_or_forget(self, watched: _Watched) -> None:
        """The resolver failed: the last good answer stays, unless it is too old to be trusted."""
        note = f"dns:{shown(watched.name)}: the resolver gives no answer"
        if watched.good_since is None:
            watched.note = note
        elif self._clock() - watched.good_since > self._limits.forward_keep_seconds:
            watched.addresses = frozenset()
            watched.note = f"{note}, the last good one is too old"
        else:
            watched.note = f"{note}, the last good one is kept"

    def _note_settled(self) -> None:
        if all(watched.is_settled for watched in self._all()):
            self._settled.set()
        else:
            self._settled.clear()

    @staticmethod
    def _stop(watched: _Watched) -> None:
        if watched.timer is not None:
            watched.timer.cancel()
            watched.timer = None


def _joined_notes(families: tuple[_Watched, ...]) -> str:
    """What concerns one family says which. Most names have addresses of one only: not a word."""
    notes: dict[str, list[str]] = {}
    for one in families:
        notes.setdefault(one.note, []).append(_FAMILIES[one.family])
    if len(notes) == 1:
        return families[0].note
    return "; ".join(
        f"{note} ({family})"
        for note, (family, *_) in notes.items()
        if note and not note.endswith(_NOT_FOUND)
    )


def _resolve(name: bytes, family: socket.AddressFamily, max_addresses: int) -> Found:
    """The name's addresses of a family; an answer of None: the resolver can't tell. Blocks."""
    if not is_clean(name, MAX_NAME_BYTES):
        return Found(frozenset(), f"dns:{shown(name)}: no host name")
    try:
        found = socket.getaddrinfo(name, None, family, socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in _NO_SUCH_NAME:
            return Found(frozenset(), f"dns:{shown(name)}{_NOT_FOUND}")
        return Found(None)
    except (OSError, UnicodeError):
        return Found(None)
    addresses = sorted({plain(str(info[4][0]).encode()) for info in found})
    if len(addresses) > max_addresses:
        note = f"dns:{shown(name)}: more than {max_addresses} addresses"
        return Found(frozenset(addresses[:max_addresses]), note)
    return Found(frozenset(addresses))
