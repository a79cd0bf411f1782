# SPDX-License-Identifier: MIT
"""An event loop that looks a little later while clients come in bursts, and so finds more of them.

Network cards put off their interrupts for the same reason (ethtool(8), --coalesce): a turn of the
loop costs the same for one client as for thirty. Without it, a gate that is about as fast as its
clients takes them by ones and twos.
"""

import select
import selectors
from collections.abc import Callable

#: As long as some ten clients cost the gate, and less than anybody notices.
WAIT_SECONDS = 0.0002


def nap(seconds: float) -> None:
    """Wait, by select(2): time.sleep waits for a moment of the clock, which may be a false one."""
    select.select((), (), (), seconds)


class CoalescingSelector(selectors.EpollSelector):
    """For asyncio.SelectorEventLoop, which stands still for the wait."""

    def __init__(self, wait: Callable[[float], None] = nap) -> None:
        super().__init__()
        self._wait = wait
        self._is_wanted = False

    def coalesce(self) -> None:
        """Look later, once: what there was has been dealt with, and more is about to come."""
        self._is_wanted = True

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready, as by every selector."""
        if self._is_wanted:
            self._is_wanted = False
            self._wait(WAIT_SECONDS)
        return super().select(timeout)
