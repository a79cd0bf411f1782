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
import time
from collections.abc import Callable, Iterator
from functools import lru_cache

from socketgate.accept import Connection
from socketgate.audit import Outcome, known_fact
from socketgate.channel import MAX_TEXT_BYTES, BackendBusy, Channel
from socketgate.config import DaemonConfig, HandoffMode
from socketgate.errors import BackendUnavailable
from socketgate.identify import is_ip, unmapped
from socketgate.rules.option import (
    Banners,
    KeepAlive,
    Linger,
    Nice,
    RunAsGroup,
    RunAsUser,
    SetEnv,
    Severity,
    Spawn,
    Twist,
    Umask,
)
from socketgate.rules.request import Fact, RulePlace

#: Seconds between two tries to reach a backend that isn't there, doubled each time.
FIRST_RETRY_SECONDS = 0.02
LAST_RETRY_SECONDS = 0.5

#: How often, in seconds, the deadlines of waiting clients are looked at, at least.
SWEEP_SECONDS = 1.0

#: What each client's block has beside its text: the lines SOCKETGATE= and ID=, and an empty one.
OVERHEAD_BYTES = 64


class Backend:
    """One backend's address and how it has behaved."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.channels: set[Channel] = set()
        self.trouble = ""
        self._failures = 0
        self._not_before = 0.0

    @property
    def seconds_left(self) -> float:
        """How long it is still to be left alone; 0 when it may be tried."""
        return max(0.0, self._not_before - time.monotonic())

    def failed(self, trouble: str) -> float:
        """It did not take a client; the answer is how long to leave it alone, in seconds."""
        self.trouble = trouble
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

    def __init__(
        self,
        config: DaemonConfig,
        trusted: frozenset[int],
        *,
        patience_seconds: float,
        on_end: Callable[[Connection, Outcome], None],
        report: Callable[[str], None],
    ) -> None:
        self.backends = [Backend(str(path)) for path in config.backend]
        self.held_count = 0
        self._is_channel_mode = config.handoff is HandoffMode.CHANNEL
        self._trusted = trusted
        self._patience_ns = int(patience_seconds * 1e9)
        self._sweep_seconds = min(SWEEP_SECONDS, patience_seconds)
        self._on_end, self._report = on_end, report
        self._loop = asyncio.get_running_loop()
        self._pending: collections.deque[Connection] = collections.deque()
        self._flush_timer: asyncio.TimerHandle | None = None
        self._sweep_timer: asyncio.TimerHandle | None = None

    def submit(self, connection: Connection) -> None:
        """Take charge of a client; `flush` sends it, with the others of its burst."""
        connection.until_ns = time.monotonic_ns() + self._patience_ns
        self.held_count += 1
        self._pending.append(connection)
        if self._sweep_timer is None:
            self._sweep_timer = self._loop.call_later(self._sweep_seconds, self._sweep)

    def flush(self) -> None:
        """Send what can be sent now; what can't goes on waiting, in order."""
        waiting, self._pending = self._pending, collections.deque()
        while waiting:
            channel = self._choose(waiting[0])
            if channel is None:
                if not waiting[0].refused_by:
                    break  # what no backend at all takes needn't be asked for each client
                self._pending.append(waiting.popleft())
                continue
            group = list(_group(waiting, channel))
            if not channel.send(group):
                waiting.extendleft(reversed(group))
                self._could_not_send(channel)
        self._pending.extend(waiting)

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
            channel = Channel(
                backend.path,
                self._trusted,
                on_settled=lambda connection, refusing: self._settled(
                    backend, channel, connection, refusing
                ),
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

    def _settled(
        self, backend: Backend, channel: Channel, connection: Connection, refusing: str | None
    ) -> None:
        if backend.trouble:
            self._report(f"{backend.path}: takes clients again")
        backend.works()
        if not self._is_channel_mode:
            backend.channels.discard(channel)
            channel.close()
        if refusing is None:
            self._end(connection, Outcome.HANDED_OVER)
            return
        connection.refused_by |= {refusing}
        if all(one.path in connection.refused_by for one in self.backends):
            self._end(connection, Outcome.BACKEND_UNAVAILABLE)
        else:
            self._pending.appendleft(connection)
            self._flush_after(0.0)

    def _broken(self, backend: Backend, channel: Channel) -> None:
        clients = channel.take_unacknowledged()
        has_worked = channel.has_acknowledged
        backend.channels.discard(channel)
        channel.close()
        if has_worked and not clients:
            return  # it ended between two clients, as a backend may
        self._pending.extendleft(reversed(clients))
        if has_worked:
            backend.works()
        self._fail(
            backend,
            f"{backend.path}: closed the channel with {len(clients)} clients not taken over",
        )

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
            for channel in list(backend.channels):
                for connection in channel.overdue(now):
                    channel.forget(connection)
                    self._give_up(connection)
                if not self._is_channel_mode and not channel.unacknowledged_count:
                    backend.channels.discard(channel)
                    channel.close()
        for connection in [one for one in self._pending if one.until_ns <= now]:
            self._pending.remove(connection)
            self._give_up(connection)
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


def _group(waiting: collections.deque[Connection], channel: Channel) -> Iterator[Connection]:
    """As many from the front as one message may carry."""
    size = 0
    for _ in range(channel.batch):
        if not waiting or channel.path in waiting[0].refused_by:
            return
        size += len(waiting[0].text) + OVERHEAD_BYTES
        if size > MAX_TEXT_BYTES:
            return
        yield waiting.popleft()


def describe(connection: Connection) -> bytes:
    """What the backend is told of a client: all but SOCKETGATE= and ID= (docs/protocol.md)."""
    listener = connection.listener
    lines = [f"DAEMON={listener.name}"]
    if is_ip(listener):
        lines += [
            f"REMOTE_ADDR={unmapped(str(connection.peer[0]))}",
            f"REMOTE_PORT={connection.peer[1]}",
            f"LOCAL_ADDR={unmapped(connection.server.address)}",
            f"LOCAL_PORT={connection.server.port}",
        ]
    for key, fact in (("REMOTE_HOST", Fact.CLIENT_NAME), ("REMOTE_USER", Fact.CLIENT_USER)):
        if value := known_fact(connection.request, fact):
            lines.append(f"{key}={value}")
    verdict = connection.verdict
    if verdict is None:
        return "".join(f"{line}\n" for line in lines).encode()
    if verdict.place is not None:
        lines.append(_rule_line(verdict.place))
    text = "".join(f"{line}\n" for line in lines).encode()
    return text + b"".join(_option_lines(connection)) if verdict.actions else text


@lru_cache(maxsize=1024)
def _rule_line(place: RulePlace) -> str:
    return f"RULE={place.origin.rpartition('/')[2]}:{place.line}"


def _option_lines(connection: Connection) -> Iterator[bytes]:
    for action in connection.verdict.actions if connection.verdict is not None else ():
        match action:
            case SetEnv(name, value):
                yield b"SETENV=%b=%b\n" % (name, value)
            case Umask(mode):
                yield b"UMASK=%04o\n" % mode
            case Nice(increment):
                yield b"NICE=%d\n" % increment
            case RunAsUser(user, group):
                yield b"USER=%b\n" % user
                if group is not None:
                    yield b"GROUP=%b\n" % group
            case RunAsGroup(group):
                yield b"GROUP=%b\n" % group
            case Spawn() | Twist() | Severity() | KeepAlive() | Linger() | Banners():
                continue  # the gate's own, or the command runner's
