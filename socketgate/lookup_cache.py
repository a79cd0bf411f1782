# SPDX-License-Identifier: MIT
"""Answers kept for a while: bounded, the least recently used goes first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

from socketgate.lookup_values import Found, LookupLimits, keep_seconds


class LookupCache:
    """Finds an answer again until its time is over; times differ by the kind of answer."""

    def __init__(self, limits: LookupLimits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._kept: OrderedDict[Hashable, tuple[float, Found]] = OrderedDict()
        self.generation = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> Found | None:
        """The answer, if it is still good."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        until, found = kept
        if self._clock() >= until:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return found

    def age(self, key: Hashable) -> float:
        """How long ago, in seconds, an answer was put in; 0 for one that isn't kept."""
        kept = self._kept.get(key)
        if kept is None:
            return 0.0
        until, found = kept
        return max(self._clock() - until + keep_seconds(found.answer, self._limits), 0.0)

    def put(self, key: Hashable, found: Found, generation: int) -> None:
        """Keep an answer, unless it was asked for before the last flush."""
        if generation != self.generation:
            return
        self._kept[key] = (self._clock() + keep_seconds(found.answer, self._limits), found)
        self._kept.move_to_end(key)
        if len(self._kept) > self._limits.max_cached:
            self._kept.popitem(last=False)

    def flush(self) -> None:
        """Forget everything, answers still on their way included."""
        self._kept.clear()
        self.generation += 1
