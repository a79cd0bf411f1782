# SPDX-License-Identifier: MIT
"""Blocking lookups in threads of our own, so that none of them holds up the loop or the exit.

    run(key) ──▶ queue of its network ──▶ thread ──▶ every waiter of that key
                 in turn, a few threads each

A thread inside getnameinfo(3) can't be called back. So a waiter leaves at its deadline and the
thread goes on; it counts against its network until it returns; and as threads are daemons, which
nobody joins, a stuck one does not hold up the exit (concurrent.futures would).
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from socketgate.lookup_values import Found, Trouble

Work = Callable[[], Found]
OnDone = Callable[[Found | Trouble], None]


@dataclass(slots=True, eq=False)
class _Job:
    """One lookup, and how many wait for it."""

    key: Hashable
    network: Hashable
    work: Work
    done: asyncio.Future[Found | Trouble]
    waiters: int = 0


@dataclass(slots=True)
class _Network:
    """What one network has waiting and running."""

    queued: dict[Hashable, _Job] = field(default_factory=dict)
    running: int = 0


class LookupPool:
    """Runs blocking lookups, one at a time for each key. To be used from one loop only."""

    def __init__(self, name: str, *, max_threads: int, max_per_network: int) -> None:
        self._name = name
        self._max_threads = max_threads
        self._max_per_network = max_per_network
        self._jobs: dict[Hashable, _Job] = {}
        self._networks: dict[Hashable, _Network] = {}
        self._inbox: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = 0
        self._running = 0
        self._closed = False

    @property
    def running(self) -> int:
        """How many threads are inside a lookup, stuck ones included."""
        return self._running

    @property
    def waiting(self) -> int:
        """How many lookups have no thread yet."""
        return len(self._jobs) - self._running

    async def run(
        self,
        key: Hashable,
        network: Hashable,
        work: Work,
        *,
        timeout_seconds: float,
        on_done: OnDone | None = None,
    ) -> Found | Trouble:
        """Wait for the lookup of this key, begun now or already under way, but no longer than this.

        `on_done` belongs to the lookup, not to the waiter: it hears of an answer that comes late.
        """
        if self._closed:
            return Trouble.STOPPED
        job = self._jobs.get(key) or self._submit(key, network, work, on_done)
        job.waiters += 1
        try:
            async with asyncio.timeout(timeout_seconds):
                return await asyncio.shield(job.done)
        except TimeoutError:
            return Trouble.TIMED_OUT
        finally:
            job.waiters -= 1
            if not job.waiters:
                self._forget_if_queued(job)

    def start(self, key: Hashable, network: Hashable, work: Work, on_done: OnDone) -> bool:
        """Begin a lookup that nobody waits for, unless it is under way: then False."""
        if self._closed or key in self._jobs:
            return False
        self._submit(key, network, work, on_done)
        return True

    def close(self) -> None:
        """Answer every waiter and let idle threads end. Stuck ones are left behind."""
        if self._closed:
            return
        self._closed = True
        for job in self._jobs.values():
            if not job.done.done():
                job.done.set_result(Trouble.STOPPED)
        self._jobs.clear()
        self._networks.clear()
        for _ in range(self._threads):
            self._inbox.put(None)

    def _submit(self, key: Hashable, network: Hashable, work: Work, on_done: OnDone | None) -> _Job:
        job = _Job(key, network, work, asyncio.get_running_loop().create_future())
        if on_done is not None:
            job.done.add_done_callback(lambda done: on_done(done.result()))
        self._jobs[key] = job
        self._networks.setdefault(network, _Network()).queued[key] = job
        self._start_what_can()
        return job

    def _forget_if_queued(self, job: _Job) -> None:
        """A lookup nobody waits for any more needs no thread."""
        network = self._networks.get(job.network)
        if network is not None and network.queued.get(job.key) is job:
            del network.queued[job.key]
            del self._jobs[job.key]
            self._drop_if_empty(job.network)

    def _start_what_can(self) -> None:
        """Give threads to the queues, in turn."""
        while True:
            key = self._next_network()
            if key is None or not self._get_thread():
                return
            network = self._networks.pop(key)
            self._networks[key] = network
            job = network.queued.pop(next(iter(network.queued)))
            network.running += 1
            self._running += 1
            self._inbox.put(job)

    def _next_network(self) -> Hashable | None:
        """The first in line that has something queued and may have one more thread.

        The last quarter of the threads goes to networks that have none. Those passed over have
        threads, so there are few of them.
        """
        is_scarce = self._running >= self._max_threads * 3 // 4
        share = 1 if is_scarce else self._max_per_network
        for key, network in self._networks.items():
            if network.queued and network.running < share:
                return key
        return None

    def _get_thread(self) -> bool:
        """See to it that a thread is free; says whether one is. At the limit none is started."""
        if self._running < self._threads:
            return True
        if self._threads >= self._max_threads:
            return False
        thread = threading.Thread(target=self._work, name=f"lookup-{self._name}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the kernel has none left: what is queued waits for those there are
            return False
        self._threads += 1
        return True

    def _work(self) -> None:
        """A thread's life. A lookup that raises ends it, with a traceback by threading's hook."""
        while (job := self._inbox.get()) is not None:
            found = None
            try:
                found = job.work()
            finally:
                self._report(job, found)

    def _report(self, job: _Job, found: Found | None) -> None:
        try:
            job.done.get_loop().call_soon_threadsafe(self._on_done, job, found)
        except RuntimeError:
            return  # the loop is closed: nobody is left to tell

    def _on_done(self, job: _Job, found: Found | None) -> None:
        if found is None:
            self._threads -= 1
        self._running -= 1
        if self._closed:
            return
        del self._jobs[job.key]
        self._networks[job.network].running -= 1
        self._drop_if_empty(job.network)
        job.done.set_result(Trouble.BROKE if found is None else found)
        self._start_what_can()

    def _drop_if_empty(self, key: Hashable) -> None:
        network = self._networks[key]
        if not network.queued and not network.running:
            del self._networks[key]
