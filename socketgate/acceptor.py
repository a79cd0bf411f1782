# SPDX-License-Identifier: MIT
"""When a listener's clients are accepted: in bursts, and while there is room for them.

All others wait in the kernel's queue, which is systemd's and outlives the gate.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator

from socketgate.accept import CannotAccept, Connection, accept_burst, queue_length
from socketgate.activation import Listener
from socketgate.identify import is_ip

log = logging.getLogger(__name__)

#: Connections taken in one go before the loop looks at anything else.
MAX_BURST = 32

#: Seconds until accept(2) is tried again after it failed.
CANNOT_ACCEPT_SECONDS = 0.1


class Acceptor:
    """One listener's. `is_open` says whether anybody is to be accepted; `attend` sees to it."""

    def __init__(
        self,
        listener: Listener,
        numbers: Iterator[int],
        *,
        room: Callable[[], int],
        on_burst: Callable[[list[Connection]], None],
        coalesce: Callable[[], None],
    ) -> None:
        """`room()` is how many more may come now; `on_burst` gets them, and calls `attend`."""
        self.is_open = False
        self.is_reading = False
        self._listener, self._numbers = listener, numbers
        self._room, self._on_burst, self._coalesce = room, on_burst, coalesce
        self._is_ip = is_ip(listener)
        self._is_pausing = self._is_short = False
        self._loop = asyncio.get_running_loop()

    def attend(self) -> None:
        """Listen to the listener, or leave its clients in the queue for now."""
        may_read = self.is_open and not self._is_pausing and self._room() > 0
        if may_read and not self.is_reading:
            try:
                self._loop.add_reader(self._listener.sock, self._on_readable)
            except OSError as error:  # epoll_ctl(2): ENOSPC, ENOMEM; it passes
                self._cannot_accept(f"epoll_ctl: {error.strerror}")
                return
        elif self.is_reading and not may_read:
            self._loop.remove_reader(self._listener.sock)
        self.is_reading = may_read

    def _on_readable(self) -> None:
        most = min(MAX_BURST, self._room())
        if self._is_ip:
            most = min(most, queue_length(self._listener.sock) or most)
        burst: list[Connection] = []
        try:
            accept_burst(self._listener, self._numbers, most, burst)
            self._is_short = self._is_short and not burst
            if 1 < len(burst) < MAX_BURST:
                self._coalesce()
        except CannotAccept as error:
            self._cannot_accept(f"accept: {error}")
        except Exception:  # whoever is taken goes on; nobody else is accepted at once
            log.exception("%s: accept", self._listener.name)
            self._cannot_accept("accept failed")
        self._on_burst(burst)

    def _cannot_accept(self, error: str) -> None:
        if not self._is_short:
            log.error("%s: %s; clients wait in the kernel's queue", self._listener.name, error)
        self._is_short = self._is_pausing = True
        self._loop.call_later(CANNOT_ACCEPT_SECONDS, self._try_again)

    def _try_again(self) -> None:
        self._is_pausing = False
        self.attend()
