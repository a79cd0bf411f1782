# SPDX-License-Identifier: MIT
"""A limit on what strangers can take up in the journal: repetitions are counted, not written."""

import heapq
from collections.abc import Mapping
from operator import itemgetter

#: The span in which repeated refusals are counted together.
WINDOW_SECONDS = 10.0

#: Networks whose refusals are counted apart in one window; the others share one line.
MAX_NETWORKS = 4096

#: Of these, those that repeated the most and are named when a window ends: a line for each.
MAX_NAMED = 200

ELSEWHERE = "other networks"


class Repetition:
    """Which of many alike events are written out, and how many were not, each ten seconds."""

    def __init__(self, most_per_network: int, most_in_all: int) -> None:
        self.most_per_network = most_per_network
        self.most_in_all = most_in_all
        self._written: dict[str, int] = {}
        self._left_out: dict[str, int] = {}
        self._in_all = 0

    def admit(self, network: str) -> bool:
        """Whether this one is to be written out.

        Otherwise it is counted for the window's summary.
        """
        if self._in_all < self.most_in_all:
            written = self._written.get(network, 0)
            if written < self.most_per_network and (written or len(self._written) < MAX_NETWORKS):
                self._written[network] = written + 1
                self._in_all += 1
                return True
        left_out = self._left_out
        if network not in left_out and len(left_out) >= MAX_NETWORKS:
            network = ELSEWHERE
        left_out[network] = left_out.get(network, 0) + 1
        return False

    def close_window(self) -> Mapping[str, int]:
        """Begin a new window.

        The networks with the most events that were not written out, and how many; all the others
        together.
        """
        left_out, self._left_out = self._left_out, {}
        self._written, self._in_all = {}, 0
        if len(left_out) <= MAX_NAMED:
            return left_out
        elsewhere = left_out.pop(ELSEWHERE, 0)
        named = dict(heapq.nlargest(MAX_NAMED, left_out.items(), key=itemgetter(1)))
        rest = sum(left_out.values()) - sum(named.values())
        return named | {ELSEWHERE: elsewhere + rest}
