# SPDX-License-Identifier: MIT
"""The audit line: one journal entry for each connection, counted and written (docs/design.md 8).

A flood of refusals from one network, or in all, is summed up every ten seconds, and so is what goes
wrong with options; counters stay exact.
"""

import asyncio
import logging

from socketgate.accept import Connection
from socketgate.entry import DAEMON_FACILITY, KINDS, EntryWriter, Outcome
from socketgate.journal import MESSAGE_ID, Journal, encode_entry
from socketgate.refusals import Refusals
from socketgate.repetition import WINDOW_SECONDS, Repetition
from socketgate.rules.request import UNKNOWN

log = logging.getLogger(__name__)

#: Python 3.11 finds a member of an enum by a call: this one's is found once.
REFUSED = Outcome.REFUSED

#: Where those come from who have no address, as tcpd writes it.
LOCAL = UNKNOWN.decode()


class Audit:
    """Writes the audit lines of one daemon and counts its outcomes."""

    def __init__(self, journal: Journal, daemon: str, repetition: Repetition) -> None:
        self._journal = journal
        self._daemon = daemon
        self._writer = EntryWriter(daemon)
        #: For each outcome that a stranger can cause as often as he likes.
        self._repetitions = {
            outcome: Repetition(repetition.most_per_network, repetition.most_in_all)
            for outcome, kind in KINDS.items()
            if kind.is_summed_up
        }
        self._sayings = Repetition(repetition.most_per_network, repetition.most_in_all)
        self._window: asyncio.TimerHandle | None = None
        #: Connections by outcome since the start, exact whatever was written out.
        self.counts = dict.fromkeys(Outcome, 0)
        #: Who was refused, and by which rules and bans.
        self.refusals = Refusals()

    def write(self, connection: Connection, outcome: Outcome) -> None:
        """One connection has ended."""
        self.counts[outcome] += 1
        if outcome is REFUSED:
            self.refusals.add(connection)
        repetition = self._repetitions.get(outcome)
        if repetition is not None and not repetition.admit(connection.client.network):
            if self._window is None:
                self._open_window()
            return
        self._journal.send(self._writer.encode(connection, outcome))

    def say(self, connection: Connection, level: int, text: str) -> None:
        """What went wrong with the options of one client's rule, ahead of his entry."""
        if self._sayings.admit(connection.client.network):
            log.log(level, "%s", text)
        elif self._window is None:
            self._open_window()

    def close(self) -> None:
        """Write what is still to be summed up."""
        if self._window is not None:
            self._window.cancel()
            self._sum_up()

    def _open_window(self) -> None:
        self._window = asyncio.get_running_loop().call_later(WINDOW_SECONDS, self._sum_up)

    def _sum_up(self) -> None:
        self._window = None
        for outcome, repetition in self._repetitions.items():
            for network, count in repetition.close_window().items():
                self._journal.send(encode_entry(self._summary(outcome, network, count)))
        for network, count in self._sayings.close_window().items():
            text = "%s: and %d more about clients from %s in %.0f s"
            log.warning(text, self._daemon, count, network or LOCAL, WINDOW_SECONDS)

    def _summary(self, outcome: Outcome, network: str, count: int) -> dict[str, str | int]:
        kind = KINDS[outcome]
        client = f"{kind.before} {network or LOCAL}{kind.after}"
        text = f"{client}: and {count} more in {WINDOW_SECONDS:.0f} s"
        return {
            "MESSAGE": text,
            "PRIORITY": kind.level,
            "SYSLOG_IDENTIFIER": self._daemon,
            "SYSLOG_FACILITY": DAEMON_FACILITY,
            "MESSAGE_ID": MESSAGE_ID + "108",
            "SOCKETGATE_DAEMON": self._daemon,
            "SOCKETGATE_OUTCOME": outcome.value,
            "SOCKETGATE_CLIENT_NETWORK": network,
            "SOCKETGATE_COUNT": count,
        }
