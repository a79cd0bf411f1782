# SPDX-License-Identifier: MIT
"""The addresses of names in `dns:NAME` patterns, known before a client asks.

watch(names) ──▶ getaddrinfo(3) in the background, again and again
                     good answer ──▶ the addresses, until the next
                     no such name ──▶ no addresses
                     resolver fails ──▶ the last good answer stays, for a day at most
found(name) ──▶ what is known now, at once
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass

from socketgate.lookup_pool import LookupPool
from socketgate.lookup_source import plain
from socketgate.lookup_values import MAX_NAME_BYTES, Found, LookupLimits, Trouble, is_clean, shown

#: Answers that say "there is no such name", rather than "I can't tell".
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})


@dataclass(slots=True, eq=False)
class _Watched:
    """One name, and what is known of it."""

    name: bytes
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
        self._watched: dict[bytes, _Watched] = {}
        self._settled = asyncio.Event()

    def watch(self, names: frozenset[bytes]) -> None:
        """Look after these names, and no longer after any other."""
        for name in self._watched.keys() - names:
            self._stop(self._watched.pop(name))
        for name in sorted(names - self._watched.keys()):
            self._begin(name)
        self._note_settled()

    def found(self, name: bytes) -> Found:
        """The addresses the name has, as far as is known; a new name is watched from now on."""
        watched = self._watched.get(name) or self._begin(name)
        if watched is None:
            limit = self._limits.max_forward_names
            return Found(frozenset(), f"dns:{shown(name)}: over the limit of {limit} names")
        return Found(watched.addresses, watched.note)

    def age(self, name: bytes) -> float:
        """How long ago, in seconds, the addresses were found out; 0 when they never were."""
        watched = self._watched.get(name)
        if watched is None or watched.good_since is None:
            return 0.0
        return self._clock() - watched.good_since

    def refresh(self) -> None:
        """Ask again for every name, now. What is known stays until the answers come."""
        for watched in self._watched.values():
            watched.is_stale = not self._ask(watched)

    async def settled(self, timeout_seconds: float) -> bool:
        """Wait until every name has had its first answer, good or bad; False at the deadline."""
        self._note_settled()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._settled.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Stop looking after any name."""
        for watched in self._watched.values():
            self._stop(watched)
        self._watched.clear()
        self._pool.close()

    def _begin(self, name: bytes) -> _Watched | None:
        if len(self._watched) >= self._limits.max_forward_names:
            return None
        watched = _Watched(name, note=f"dns:{shown(name)}: not resolved yet")
        self._watched[name] = watched
        self._ask(watched)
        return watched

    def _ask(self, watched: _Watched) -> bool:
        """Begin a lookup, unless one is under way."""
        self._stop(watched)
        return self._pool.start(
            watched,
            watched,
            lambda: _resolve(watched.name, self._limits.max_forward_addresses),
            lambda answer: self._on_answer(watched, answer),
        )

    def _on_answer(self, watched: _Watched, found: Found | Trouble) -> None:
        if self._watched.get(watched.name) is not watched:
            return
        is_good = False
        if isinstance(found, Found) and isinstance(found.answer, frozenset):
            is_good = True
            watched.addresses, watched.note = found.answer, found.note
            watched.good_since = self._clock()
        else:
            self._keep_or_forget(watched)
        watched.is_settled = True
        self._note_settled()
        if watched.is_stale:  # it began before the last refresh
            watched.is_stale = False
            self._ask(watched)
            return
        limits = self._limits
        seconds = limits.forward_refresh_seconds if is_good else limits.forward_retry_seconds
        watched.timer = asyncio.get_running_loop().call_later(seconds, self._ask, watched)

    def _keep_or_forget(self, watched: _Watched) -> None:
        """The resolver failed: the last good answer stays, unless it is too old to be trusted."""
        subject = f"dns:{shown(watched.name)}"
        if watched.good_since is None:
            watched.note = f"{subject}: the resolver gives no answer"
        elif self._clock() - watched.good_since > self._limits.forward_keep_seconds:
            watched.addresses = frozenset()
            watched.note = f"{subject}: the resolver gives no answer, the last good one is too old"
        else:
            watched.note = f"{subject}: the resolver gives no answer, the last good one is kept"

    def _note_settled(self) -> None:
        if all(watched.is_settled for watched in self._watched.values()):
            self._settled.set()
        else:
            self._settled.clear()

    @staticmethod
    def _stop(watched: _Watched) -> None:
        if watched.timer is not None:
            watched.timer.cancel()
            watched.timer = None


def _resolve(name: bytes, max_addresses: int) -> Found:
    """The name's addresses of both families; None when the resolver can't tell. Blocks."""
    if not is_clean(name, MAX_NAME_BYTES):
        return Found(frozenset(), f"dns:{shown(name)}: no host name")
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in _NO_SUCH_NAME:
            return Found(frozenset(), f"dns:{shown(name)}: not found")
        return Found(None)
    except (OSError, UnicodeError):
        return Found(None)
    addresses = sorted({plain(str(info[4][0]).encode()) for info in found})
    if len(addresses) > max_addresses:
        note = f"dns:{shown(name)}: more than {max_addresses} addresses"
        return Found(frozenset(addresses[:max_addresses]), note)
    return Found(frozenset(addresses))
