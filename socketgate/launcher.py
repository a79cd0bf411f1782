# SPDX-License-Identifier: MIT
"""Start a program for every client that gates hand over, so many at once.

    gates ═channels═▶ Receiver ─▶ ready ─▶ ACK for all ─▶ start, two at once ─▶ running ─▶ reaped
                          └ not read while all places are taken: clients wait, unacknowledged, in
                            the channels, and when those are full at the gate

No program reads a byte of a client's before we have said that the client is ours: else somebody
else might serve it as well. What runs goes on when we stop; whom we had not taken over goes to
another launcher or our successor.
"""

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from types import FrameType

from socketgate.backend import ChannelReceiver, Offer, Receiver
from socketgate.helper import Helper
from socketgate.notify import Notifier, watchdog_seconds
from socketgate.program import CannotStart
from socketgate.spawn import Start

#: Makes ready all that can be wrong with a client before it is taken over. Raises CannotStart.
Prepare = Callable[[Offer], Start]
Report = Callable[[str], None]

STOPPING_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})

#: How long to leave clients where they are when we are out of descriptors.
PAUSE_SECONDS = 0.5

#: Clients acknowledged by one message, at most. Each message costs the gate a wake-up; but those
#: acknowledged and not yet started go with us when we are killed.
MOST_TOGETHER = 4

#: After so long without a client we ask to be told of each program's end. While clients come, ends
#: are looked for with each of them instead, which is cheaper than a signal.
QUIET_SECONDS = 1.0


class Launcher:
    """Starts, counts and reaps. `run` returns when we are told to stop."""

    def __init__(
        self,
        receiver: Receiver,
        prepare: Prepare,
        *,
        max_running: int,
        report: Report,
        notifier: Notifier,
    ) -> None:
        self._receiver = receiver
        self._prepare = prepare
        self._max_running = max_running
        self._report = report
        self._notifier = notifier
        self._running: set[int] = set()
        #: Made ready, and their gates not told yet: never for longer than `_take` takes.
        self._ready: list[tuple[Offer, Start]] = []
        #: Of these each gate's last, whose acknowledgement is for all before it.
        self._last: dict[ChannelReceiver, Offer] = {}
        #: Makes every second start: each blocks until the kernel has put the program in place.
        self._helper = Helper()
        self._paused_until = 0.0
        self._watchdog_seconds = watchdog_seconds()
        self._fed_at = time.monotonic()

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        with contextlib.closing(self._helper), contextlib.closing(Signals()) as signals:
            without_clients, with_clients = select.poll(), select.poll()
            for poll in (without_clients, with_clients):
                poll.register(signals, select.POLLIN)
            with_clients.register(self._receiver, select.POLLIN)
            self._notifier.ready("takes connections")
            ready: list[tuple[int, int]] = []
            while not signals.stop(ready):
                signals.tell_children(wanted=not ready or not self._may_take())
                self._reap()  # after that: no end is missed
                poll = with_clients if self._may_take() else without_clients
                ready = poll.poll(self._patience_ms(is_told=signals.children_are_told))
                self._feed_watchdog()
                if self._may_take():
                    self._take()
        self._notifier.stopping(f"{len(self._running)} programs go on by themselves")
        self._receiver.close()

    def _has_room(self) -> bool:
        return len(self._running) + len(self._ready) < self._max_running

    def _may_take(self) -> bool:
        return self._has_room() and (
            not self._paused_until or time.monotonic() >= self._paused_until
        )

    def _take(self) -> None:
        """Take over whoever is there, then start their programs: none reads before that."""
        self._paused_until = 0.0
        try:
            while self._has_room() and len(self._ready) < MOST_TOGETHER:
                offer = self._receiver.next_offer(0)
                if offer is None:
                    return
                self._make_ready(offer)
        except OSError as error:
            self._report(f"can't take clients now, trying again: {error.strerror}")
            self._paused_until = time.monotonic() + PAUSE_SECONDS
        finally:
            self._start_all()
        if not self._has_room():
            self._notifier.status(f"all {self._max_running} places are taken, clients wait")

    def _make_ready(self, offer: Offer) -> None:
        """A client for whom the program can't be started is the next backend's chance."""
        if offer.channel not in self._last and not offer.channel.is_writable():
            self._receiver.hold(offer)
            return
        try:
            self._ready.append((offer, self._prepare(offer)))
        except CannotStart as reason:
            self._report(f"refused a client: {reason}")
            offer.refuse()
        else:
            self._last[offer.channel] = offer

    def _start_all(self) -> None:
        """Acknowledge, then start."""
        taken = {channel for channel, offer in self._last.items() if offer.take()}
        starts = [
            partial(self._begin, start if offer.channel in taken else None, offer)
            for offer, start in self._ready
        ]
        self._ready.clear()
        self._last.clear()
        self._helper.make(starts)

    def _begin(self, start: Start | None, offer: Offer) -> None:
        """Start the program of a client that is ours, in whichever thread; let go of the client."""
        try:
            if start is not None:
                self._running.add(start())
        except CannotStart as reason:
            self._report(f"closed a client that was taken over: {reason}")
        finally:
            offer.close()

    def _reap(self) -> None:
        """Let go of every program that has ended."""
        was_full = not self._has_room()
        while self._running and (pid := os.waitpid(-1, os.WNOHANG)[0]):
            self._running.discard(pid)
        if was_full and self._has_room():
            self._notifier.status("takes connections")

    def _patience_ms(self, *, is_told: bool) -> float | None:
        """How long poll(2) may sleep; None: until something comes."""
        now = time.monotonic()
        times = [QUIET_SECONDS] if self._running and not is_told else []
        if self._paused_until:
            times.append(max(0.0, self._paused_until - now))
        if self._watchdog_seconds is not None:
            times.append(max(0.0, self._fed_at + self._watchdog_seconds - now))
        return 1000 * min(times) + 1 if times else None

    def _feed_watchdog(self) -> None:
        if self._watchdog_seconds is None:
            return
        now = time.monotonic()
        if now >= self._fed_at + self._watchdog_seconds:
            self._fed_at = now
            self._notifier.watchdog()


class Signals:
    """Signals as readiness of a descriptor; `close` puts back what was."""

    def __init__(self) -> None:
        self.children_are_told = False
        self._readable, self._written = socket.socketpair()
        self._readable.settimeout(0)
        self._written.settimeout(0)
        self._number = self._readable.fileno()
        self._wakeup_before = signal.set_wakeup_fd(
            self._written.fileno(), warn_on_full_buffer=False
        )
        self._before = {number: signal.signal(number, _ignore) for number in STOPPING_SIGNALS}

    def fileno(self) -> int:
        """Readable when a signal came."""
        return self._readable.fileno()

    def stop(self, ready: list[tuple[int, int]]) -> bool:
        """Use up what came, if poll(2) says that something did; says whether we are to stop."""
        if self._number not in dict(ready):
            return False
        return not STOPPING_SIGNALS.isdisjoint(self._readable.recv(4096))

    def tell_children(self, *, wanted: bool) -> None:
        """Whether the end of a child counts."""
        if wanted != self.children_are_told:
            signal.signal(signal.SIGCHLD, _ignore if wanted else signal.SIG_DFL)
            self.children_are_told = wanted

    def close(self) -> None:
        """Signals do again what they did."""
        self.tell_children(wanted=False)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        self._readable.close()
        self._written.close()


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """The wake-up descriptor says it all."""
