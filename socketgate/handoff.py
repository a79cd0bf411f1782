# SPDX-License-Identifier: MIT
"""Hand clients over to a daemon's backends, and keep each until one of them has taken it over.

    submit ─▶ pending ─flush▶ a channel ─ACK▶ handed over
                 ▲                ├─REFUSE▶ the next backend, or backend-unavailable
                 └────────────────┴─broken▶ again, until the deadline

A backend killed at any moment loses no client that it had not acknowledged. What can't be sent
waits in order; how many may wait is the gate's business, which then stops accepting.
"""

import asyncio
import collections
import logging
import time
from collections.abc import Callable, Sequence

from socketgate.accept import Connection
from socketgate.channel import MAX_TEXT_BYTES, BackendBusy, Channel
from socketgate.config import DaemonConfig, HandoffMode
from socketgate.descriptorstore import DescriptorStore
from socketgate.entry import Outcome
from socketgate.errors import BackendUnavailable
from socketgate.wording import count

log = logging.getLogger(__name__)

#: Python 3.11 finds a member of an enum by a call: this one's is found once.
HANDED_OVER = Outcome.HANDED_OVER

#: Seconds between two tries to reach a backend that isn't there, doubled each time.
FIRST_RETRY_SECONDS = 0.02
LAST_RETRY_SECONDS = 0.5

#: How often, in seconds, the deadlines of waiting clients are looked at, at least.
SWEEP_SECONDS = 0.5

#: What each client's block has beside its text: the lines SOCKETGATE= and ID=, and an empty one.
OVERHEAD_BYTES = 64


class Backend:
    """One backend's address and how it has behaved."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.channels: set[Channel] = set()
        self.trouble = ""
        #: When that was so, by time.time(): without clients it isn't tried again.
        self.trouble_at = 0.0
        self._failures = 0
        self._not_before = 0.0

    @property
    def seconds_left(self) -> float:
        """How long it is still to be left alone; 0 when it may be tried."""
        return max(0.0, self._not_before - time.monotonic())

    def failed(self, trouble: str) -> float:
        """It did not take a client; the answer is how long to leave it alone, in seconds."""
        self.trouble, self.trouble_at = trouble, time.time()
        delay = (
            0.0 if not self._failures else FIRST_RETRY_SECONDS * 2 ** min(self._failures - 1, 10)
        )
        self._failures += 1
        return self.wait(min(delay, LAST_RETRY_SECONDS))

    def wait(self, seconds: float) -> float:
        """Leave it alone for a while."""
        self._not_before = time.monotonic() + seconds
        return seconds

    def works(self) -> None:
        """It took a client."""
        self._failures = 0
        self.trouble = ""


class Handoff:
    """Hands one daemon's clients over. `on_end(connection, outcome)` is called once for each."""

    make_channel = Channel

    def __init__(
        self,
        config: DaemonConfig,
        trusted: frozenset[int],
        *,
        patience_seconds: float,
        on_end: Callable[[Connection, Outcome], None],
        report: Callable[[str], None],
        store: DescriptorStore | None = None,
        coalesce: Callable[[], None] = lambda: None,
    ) -> None:
        """`coalesce` has the loop look a little later: answers that come one by one, together."""
        self.backends = [Backend(str(path)) for path in config.backend]
        self.held_count = 0
        self._is_channel_mode = config.handoff is HandoffMode.CHANNEL
        self._trusted = trusted
        self._patience_ns = int(patience_seconds * 1e9)
        self._sweep_seconds = min(SWEEP_SECONDS, patience_seconds)
        self._on_end, self._report = on_end, report
        self._store = store or DescriptorStore()
        self._coalesce = coalesce
        self._loop = asyncio.get_running_loop()
        self._pending: collections.deque[Connection] = collections.deque()
        self._flush_timer: asyncio.TimerHandle | None = None
        self._sweep_timer: asyncio.TimerHandle | None = None

    @property
    def unsent(self) -> Sequence[Connection]:
        """The clients that wait for a backend and are in no backend's queue."""
        return self._pending

    def submit(self, connection: Connection) -> None:
        """Take charge of a client; `flush` sends it, with the others of its burst."""
        connection.until_ns = connection.accepted_ns + self._patience_ns
        self.held_count += 1
        self._pending.append(connection)
        if self._sweep_timer is None:
            self._sweep_timer = self._loop.call_later(self._sweep_seconds, self._sweep)

    def flush(self) -> None:
        """Send what can be sent now; what can't goes on waiting, in order."""
        if not self._pending:
            return
        waiting, self._pending = self._pending, collections.deque()
        try:
            self._send_from(waiting)
        finally:
            self._pending.extend(waiting)

    def _send_from(self, waiting: collections.deque[Connection]) -> None:
        while waiting:
            channel = self._choose(waiting[0])
            if channel is None:
                if not waiting[0].refused_by:
                    return  # what no backend at all takes needn't be asked for each client
                self._pending.append(waiting.popleft())
                continue
            group = _group(waiting, channel)
            if self._store.count:
                for connection in group:
                    self._store.let_go(connection)
            try:
                is_sent = channel.send(group)
            except Exception:  # theirs, or a mistake of ours: not the cost of those behind them
                log.exception("%s: %d clients are denied", channel.path, len(group))
                self._could_not_send(channel)
                for connection in group:
                    self._end(connection, Outcome.ERROR)
                continue
            if not is_sent:
                waiting.extendleft(reversed(group))
                self._could_not_send(channel)

    def close(self) -> list[Connection]:
        """Stop. The clients that no backend has taken over are the caller's."""
        for timer in (self._flush_timer, self._sweep_timer):
            if timer is not None:
                timer.cancel()
        left = list(self._pending)
        self._pending.clear()
        for backend in self.backends:
            for channel in backend.channels:
                left += channel.take_unacknowledged()
                channel.close()
            backend.channels.clear()
        self.held_count = 0
        return left

    def _choose(self, connection: Connection) -> Channel | None:
        """A channel with room, of the backend with the fewest unacknowledged clients."""
        for backend in (
            sorted(self.backends, key=_load) if len(self.backends) > 1 else self.backends
        ):
            if backend.path in connection.refused_by:
                continue
            if self._is_channel_mode and backend.channels:
                channel = next(iter(backend.channels))
                if not channel.is_full:
                    return channel
            elif seconds := backend.seconds_left:
                self._flush_after(seconds)
            elif (opened := self._open(backend)) is not None:
                return opened
        return None

    def _could_not_send(self, channel: Channel) -> None:
        """A channel tells when there is room; a connection for one client is of no more use."""
        if self._is_channel_mode:
            return
        for backend in self.backends:
            if channel in backend.channels:
                backend.channels.discard(channel)
                self._flush_after(backend.wait(FIRST_RETRY_SECONDS))
        channel.close()

    def _open(self, backend: Backend) -> Channel | None:
        try:
            channel = self.make_channel(
                backend.path,
                self._trusted,
                on_acknowledged=lambda clients: self._acknowledged(backend, channel, clients),
                on_refused=lambda connection: self._refused(backend, channel, connection),
                on_room=self.flush,
                on_broken=lambda broken: self._broken(backend, broken),
            )
        except BackendBusy:
            self._flush_after(backend.wait(FIRST_RETRY_SECONDS))
            return None
        except BackendUnavailable as error:
            self._fail(backend, str(error))
            return None
        backend.channels.add(channel)
        return channel

    def _acknowledged(
        self, backend: Backend, channel: Channel, clients: Sequence[Connection]
    ) -> None:
        self._answered(backend, channel)
        self.held_count -= len(clients)
        for connection in clients:
            self._on_end(connection, HANDED_OVER)
        if self.held_count:
            self._coalesce()

    def _refused(self, backend: Backend, channel: Channel, connection: Connection) -> None:
        self._answered(backend, channel)
        connection.refused_by |= {backend.path}
        if all(one.path in connection.refused_by for one in self.backends):
            self._end(connection, Outcome.BACKEND_UNAVAILABLE)
        else:
            self._pending.appendleft(connection)
            self._flush_after(0.0)

    def _answered(self, backend: Backend, channel: Channel) -> None:
        """The backend works; a channel for one client has done its part."""
        if backend.trouble:
            self._report(f"{backend.path}: takes clients again")
        backend.works()
        if not self._is_channel_mode:
            backend.channels.discard(channel)
            channel.close()

    def _broken(self, backend: Backend, channel: Channel) -> None:
        clients = self._take_back(backend, channel)
        if channel.has_acknowledged:
            backend.works()
            if not clients:  # it ended between two clients, as a backend may
                self._flush_after(0.0)
                return
        self._pending.extendleft(reversed(clients))
        left = count(len(clients), "client")
        self._fail(backend, f"{backend.path}: closed the channel with {left} not taken over")

    def _take_back(self, backend: Backend, channel: Channel) -> list[Connection]:
        """Give the channel up. Whom it had and the backend had not taken over is ours again."""
        clients = channel.take_unacknowledged()
        backend.channels.discard(channel)
        channel.close()
        return clients

    def _fail(self, backend: Backend, trouble: str) -> None:
        if not backend.trouble:
            self._report(f"{trouble}, trying again")
        self._flush_after(backend.failed(trouble))

    def _flush_after(self, seconds: float) -> None:
        """Flush then, or earlier if that was already planned."""
        when = self._loop.time() + seconds
        if self._flush_timer is not None:
            if self._flush_timer.when() <= when and not self._flush_timer.cancelled():
                return
            self._flush_timer.cancel()
        self._flush_timer = self._loop.call_at(when, self._on_flush_timer)

    def _on_flush_timer(self) -> None:
        self._flush_timer = None
        self.flush()

    def _sweep(self) -> None:
        """Let go of those whose time is up."""
        self._sweep_timer = None
        now = time.monotonic_ns()
        for backend in self.backends:
            for channel in [one for one in backend.channels if one.is_overdue(now)]:
                # Only a closed channel keeps a stalled backend from taking over who has gone.
                self._pending.extendleft(reversed(self._take_back(backend, channel)))
                self._fail(backend, f"{backend.path}: takes too long to take clients over")
        for connection in [one for one in self._pending if one.until_ns <= now]:
            self._pending.remove(connection)
            self._give_up(connection)
        for connection in self._pending:
            self._store.keep_if_late(connection)
        if self.held_count:
            self._sweep_timer = self._loop.call_later(self._sweep_seconds, self._sweep)

    def _give_up(self, connection: Connection) -> None:
        self._end(
            connection, Outcome.CLIENT_GONE if connection.is_gone() else Outcome.BACKEND_UNAVAILABLE
        )

    def _end(self, connection: Connection, outcome: Outcome) -> None:
        self.held_count -= 1
        self._on_end(connection, outcome)


def _load(backend: Backend) -> int:
    return sum(channel.unacknowledged_count for channel in backend.channels)


def _group(waiting: collections.deque[Connection], channel: Channel) -> list[Connection]:
    """As many from the front as one message may carry."""
    size = 0
    group: list[Connection] = []
    while waiting and len(group) < channel.batch and channel.path not in waiting[0].refused_by:
        size += len(waiting[0].text) + OVERHEAD_BYTES
        if size > MAX_TEXT_BYTES:
            break
        group.append(waiting.popleft())
    return group
