# SPDX-License-Identifier: MIT
"""The bans in force in a gate: what the store says, from a moment after it was written on."""

import asyncio
import logging
import time

from socketgate.bans import Bans
from socketgate.banstore import StoreReader
from socketgate.config import BansConfig
from socketgate.errors import BansUnreadable
from socketgate.watch import Watcher

log = logging.getLogger(__name__)

#: Between two looks for bans that have run out: they don't count meanwhile, they only take up room.
EXPIRE_SECONDS = 60.0

#: Seconds until a store is looked at again that could not be read or can't be watched: no event
#: tells when there are descriptors or watches again.
AGAIN_SECONDS = 1.0


class BansInForce:
    """Follows the store. Whatever is wrong with it is said once, and what can be read counts.

    While it can't be read at all, the bans are those before.
    """

    def __init__(self, config: BansConfig, watcher: Watcher) -> None:
        """Raises BansUnreadable: there are none before, and nobody is let in by mistake."""
        self.bans = Bans(config.never_ban)
        self._reader = StoreReader(config.store, self.bans)
        self._watcher = watcher
        self._troubles: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._again: asyncio.TimerHandle | None = None
        troubles = self._reader.refresh()
        if self._reader.is_behind:
            raise BansUnreadable(f"{', '.join(troubles)}; no gate starts without them")
        self._follow(troubles)
        self._expire()

    def on_change(self) -> None:
        """The store may have changed: read what is new."""
        self._follow(self._reader.refresh())

    def close(self) -> None:
        """Follow it no more."""
        for timer in (self._timer, self._again):
            if timer is not None:
                timer.cancel()
        self._reader.close()

    def _follow(self, troubles: list[str]) -> None:
        """Watch the store as it is now; `troubles` are those of reading it."""
        is_watched = True
        try:
            if self._watcher.watch(self.on_change, [str(self._reader.path)]):
                troubles = troubles + self._reader.refresh()
        except OSError as error:
            is_watched = False
            text = "can't be watched for bans, and is looked at each second"
            troubles = [*troubles, f"{error.filename}: {text}: {error.strerror}"]
        self._report(troubles)
        if self._again is not None:
            self._again.cancel()
        if self._reader.is_behind or not is_watched:
            self._again = asyncio.get_running_loop().call_later(AGAIN_SECONDS, self.on_change)

    def _report(self, troubles: list[str]) -> None:
        for trouble in troubles:
            if trouble not in self._troubles:
                log.error("%s", trouble)
        self._troubles = troubles

    def _expire(self) -> None:
        self.bans.expire(time.time())
        self._timer = asyncio.get_running_loop().call_later(EXPIRE_SECONDS, self._expire)
