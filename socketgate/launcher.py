# SPDX-License-Identifier: MIT
"""Start a program for every client that gates hand over, so many at once.

    gates ═channels═▶ Receiver ─▶ start ─▶ ACK ─▶ running ─▶ reaped
                          └ not read while all places are taken: clients wait, unacknowledged, in
                            the channels, and when those are full at the gate

What runs goes on when we stop; what was not started goes to another launcher or our successor.
"""

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from types import FrameType

from socketgate.backend import Offer, Receiver
from socketgate.notify import Notifier, watchdog_seconds
from socketgate.program import CannotStart

#: Starts the program for a client; the answer is its process. Raises CannotStart.
Start = Callable[[Offer], int]
Report = Callable[[str], None]

STOPPING_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})

#: How long to leave clients where they are when we are out of descriptors.
PAUSE_SECONDS = 0.5


class Launcher:
    """Starts, counts and reaps. `run` returns when we are told to stop."""

    def __init__(
        self,
        receiver: Receiver,
        start: Start,
        *,
        max_running: int,
        report: Report,
        notifier: Notifier,
    ) -> None:
        self._receiver = receiver
        self._start = start
        self._max_running = max_running
        self._report = report
        self._notifier = notifier
        self._running: set[int] = set()
        self._watchdog_seconds = watchdog_seconds()
        self._fed_at = time.monotonic()

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        with signals_as_readiness() as signals:
            without_clients = select.poll()
            without_clients.register(signals, select.POLLIN)
            with_clients = select.poll()
            with_clients.register(signals, select.POLLIN)
            with_clients.register(self._receiver, select.POLLIN)
            self._notifier.ready("takes connections")
            pause_until = 0.0
            while True:
                may_take = self._has_room() and time.monotonic() >= pause_until
                poll = with_clients if may_take else without_clients
                ready = poll.poll(self._patience_ms(pause_until))
                self._feed_watchdog()
                if any(fd == signals.fileno() for fd, _ in ready):
                    if STOPPING_SIGNALS & set(signals.recv(4096)):
                        break
                    self._reap()
                elif ready and not self._take():
                    pause_until = time.monotonic() + PAUSE_SECONDS
        self._notifier.stopping(f"{len(self._running)} programs go on by themselves")
        self._receiver.close()

    def _has_room(self) -> bool:
        return len(self._running) < self._max_running

    def _take(self) -> bool:
        """Start programs for whoever is there. False: better not ask again at once."""
        while self._has_room():
            try:
                offer = self._receiver.next_offer(0)
            except OSError as error:
                self._report(f"can't take clients now, trying again: {error.strerror}")
                return False
            if offer is None:
                return True
            self._serve(offer)
        self._notifier.status(f"all {self._max_running} places are taken, clients wait")
        return True

    def _serve(self, offer: Offer) -> None:
        """Start, then acknowledge: a program that can't be started is the next backend's chance."""
        if not offer.channel.is_writable():
            self._receiver.hold(offer)
            return
        try:
            pid = self._start(offer)
        except CannotStart as reason:
            self._report(f"refused a client: {reason}")
            offer.refuse()
            return
        self._running.add(pid)
        if offer.take():
            offer.client.close()
        else:
            os.kill(pid, signal.SIGKILL)  # somebody else serves this client

    def _reap(self) -> None:
        was_full = not self._has_room()
        with contextlib.suppress(ChildProcessError):  # waitpid(2): none left
            while pid := os.waitpid(-1, os.WNOHANG)[0]:
                self._running.discard(pid)
        if was_full and self._has_room():
            self._notifier.status("takes connections")

    def _patience_ms(self, pause_until: float) -> float | None:
        """How long poll(2) may sleep."""
        now = time.monotonic()
        times = [pause_until - now] if pause_until > now else []
        if self._watchdog_seconds is not None:
            times.append(max(0.0, self._fed_at + self._watchdog_seconds - now))
        return 1000 * min(times) + 1 if times else None

    def _feed_watchdog(self) -> None:
        now = time.monotonic()
        if self._watchdog_seconds is not None and now >= self._fed_at + self._watchdog_seconds:
            self._fed_at = now
            self._notifier.watchdog()


@contextlib.contextmanager
def signals_as_readiness() -> Iterator[socket.socket]:
    """A socket that gives the numbers of the signals that came (SIGCHLD and those that stop us)."""
    readable, written = socket.socketpair()
    with readable, written:
        readable.settimeout(0)
        written.settimeout(0)
        before = signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
        handlers = {n: signal.signal(n, _ignore) for n in (signal.SIGCHLD, *STOPPING_SIGNALS)}
        try:
            yield readable
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """The wake-up descriptor says it all."""
