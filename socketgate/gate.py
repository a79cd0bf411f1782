# SPDX-License-Identifier: MIT
"""One connection's way, and the only module that knows its order.

    accept ─▶ identify ─▶ decide ─▶ act ─▶ hand over ─▶ audit
                            │ ▲     ▲ ├─▶ refuse ─────▶ audit
                            ▼ │     │ └─▶ twist ──────▶ audit
              look up, run commands, in a task

The usual connection goes the whole way without a task, in the listener's reader callback; only
those that need a lookup or a command wait, in a task of their own. Each ends in exactly one audit
line (who is kept over a restart, in one of each gate), and whatever goes wrong on the way costs
that one connection, which is denied.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from socketgate.accept import Connection
from socketgate.acceptor import Acceptor
from socketgate.act import CannotAct, close_apart, needs_errand, set_socket_options
from socketgate.activation import Listener
from socketgate.audit import Audit
from socketgate.banner import Farewells
from socketgate.channel import MAX_TEXT_BYTES
from socketgate.clients import NOBODY, Client, Clients, ip_text
from socketgate.entry import Outcome, client_text
from socketgate.handoff import OVERHEAD_BYTES, Handoff
from socketgate.hearing import Hearing, so_far
from socketgate.identify import ServerAddresses, build_request, is_ip, policy_key
from socketgate.introduction import introduce
from socketgate.judge import Judgement, judge_by_known
from socketgate.lane import Lanes
from socketgate.lookup_source import prefixes_of
from socketgate.lookup_values import Prefixes
from socketgate.rules.request import Access
from socketgate.rules.table import RuleTable
from socketgate.rules.verdict import Verdict
from socketgate.stations import Stations

log = logging.getLogger(__name__)

#: Python 3.11 finds a member of an enum by a call: the usual way's are found once.
DENY, REFUSED = Access.DENY, Outcome.REFUSED

#: Others have the client now: it is theirs to end.
GIVEN_AWAY = frozenset({Outcome.HANDED_OVER, Outcome.TWISTED, Outcome.KEPT})

#: How often, in seconds, a stopping gate looks who only waits.
LOOK_AGAIN_SECONDS = 0.2


class Gate:
    """One listener's connections. `open` begins to accept.

    `stop` ends it and waits for those under way.
    """

    def __init__(
        self,
        listener: Listener,
        stations: Stations,
        audit: Audit,
        make_handoff: Callable[[Callable[[Connection, Outcome], None]], Handoff],
    ) -> None:
        self.listener = listener
        self.audit = audit
        self.handoff = make_handoff(self._on_handoff_end)
        self._stations = stations
        self._servers = ServerAddresses(listener)
        self._is_ip = is_ip(listener)
        self._tasks: dict[asyncio.Task[None], Connection] = {}
        self._loop = asyncio.get_running_loop()
        self._accepted: list[Connection] = []
        self._acceptor = Acceptor(
            listener,
            stations.numbers,
            room=self._room,
            on_burst=self._on_burst,
            coalesce=stations.coalesce,
        )
        self._drained: asyncio.Event = asyncio.Event()
        self._farewells = Farewells()
        self.rules_changed()

    @property
    def waiting_count(self) -> int:
        """Connections accepted and not yet gone."""
        return len(self._accepted) + len(self._tasks) + self.handoff.held_count

    def rules_changed(self) -> None:
        """Decide by the table in force from here on."""
        rules = self._stations.rules
        self._policy = rules.table.policy(*policy_key(self.listener))
        self._generation = rules.generation
        self._clients = Clients(self._policy.verdict)
        self._lanes = Lanes()
        self.audit.refusals.forget_rules()

    def open(self) -> None:
        """Go on with those whom an earlier run has left in the descriptor store, and accept."""
        self._acceptor.is_open = True
        self._accepted += self._stations.store.take_back(self.listener, self._stations.numbers)
        self.go_on()

    async def stop(self, seconds: float) -> None:
        """Accept no more; give those under way so long, then close them.

        Who isn't accepted waits in the kernel, and who only waits in the descriptor store.
        """
        self._acceptor.is_open = False
        self._acceptor.attend()
        try:
            async with asyncio.timeout(seconds):
                while self._keep_waiting():
                    self._drained.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._drained.wait(), LOOK_AGAIN_SECONDS)
        except TimeoutError:
            left = self._keep_waiting()
            log.warning("%s: %d connections were still waiting", self.listener.name, left)
        tasks = dict(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Who has gone on to the handoff meanwhile is in its hands.
        never_begun = [one for task, one in tasks.items() if task.cancelled() and one.fd >= 0]
        for connection in (*never_begun, *self._accepted):
            self._leave(connection)
        self._accepted = []
        for connection in self.handoff.close():
            kept = Outcome.KEPT if connection.stored else Outcome.BACKEND_UNAVAILABLE
            self._end(connection, kept)
        self._farewells.close()
        self.audit.close()

    def _keep_waiting(self) -> int:
        """Have those kept who only wait. The answer: how many are under way otherwise."""
        store = self._stations.store
        store.keep_all((*self._accepted, *self.handoff.unsent))
        return max(0, self.waiting_count - store.count_of(self.listener))

    def go_on(self) -> None:
        """Decide those who are accepted, unless the rules are about to change: then they wait."""
        if not self._stations.rules.is_settling:
            accepted, self._accepted = self._accepted, []
            for connection in accepted:
                self._admit(connection)
            self.handoff.flush()
        self._acceptor.attend()
        if not self._acceptor.is_open:
            self._one_less()

    def _on_burst(self, burst: list[Connection]) -> None:
        self._accepted += burst
        # Whatever was written to the files before these clients came is seen from here on.
        try:
            self._stations.look_for_changes()
        except Exception:  # noqa: BLE001  # by which rules isn't known: deny those, and go on
            accepted, self._accepted = self._accepted, []
            for connection in accepted:
                self._fail(connection)
        self.go_on()

    def _room(self) -> int:
        """How many more clients may be accepted now, beside those who wait for a backend."""
        if self._stations.rules.is_settling:
            return 0
        waiting = len(self._accepted) + self.handoff.held_count
        return self._stations.limits.held_connections - waiting

    def _admit(self, connection: Connection) -> None:
        """Take one connection as far as it gets without waiting."""
        connection.generation = self._generation
        try:
            client = self._clients.of(connection.peer) if self._is_ip else NOBODY
            connection.client = client
            try:
                connection.server = self._servers.of(connection)
            except OSError:
                self._end(connection, Outcome.CLIENT_GONE)
                return
            if self._is_ip and self._stations.bans.count and self._refuse_banned(connection):
                return
            if client.verdict is None:
                self._decide(connection)
            elif client.access is None:
                self._settle(connection, client.verdict)
            else:
                connection.verdict = client.verdict
                if client.access is DENY:
                    self._end(connection, REFUSED)
                    return
                connection.lane = self._lanes.of(client.verdict, connection.server)
                self._finish(connection, client.verdict)
        except Exception:  # noqa: BLE001  # the last line of the synchronous way: deny, and go on
            self._fail(connection)

    def _refuse_banned(self, connection: Connection) -> bool:
        """Whether a ban concerns the client; then this was its end."""
        ban = self._stations.bans.find(connection.bare_address, self.listener.name, time.time())
        if ban is None:
            return False
        connection.ban = ban.net.name
        connection.verdict = Verdict(Access.DENY)
        self._end(connection, Outcome.REFUSED)
        return True

    def _decide(self, connection: Connection) -> None:
        """By what is known already if that is enough; else in a task, which may wait."""
        table, known = self._stations.rules.table, self._stations.known
        judgement = judge_by_known(table, build_request(connection), known)
        connection.request, connection.lookup_notes = judgement.request, judgement.notes
        if isinstance(judgement.answer, Verdict):
            self._settle(connection, judgement.answer)
            return
        connection.verdict = so_far(judgement.answer)
        hearing = self._hearing(connection)
        self._in_task(hearing, partial(self._decide_later, hearing, table, judgement))

    def _in_task(self, hearing: Hearing, rest: Callable[[], Awaitable[None]]) -> None:
        """Go the rest of the way in a task, unless too many do already."""
        connection = hearing.connection
        who = prefixes_of(connection.address.encode())
        if not self._stations.deciding.take(who):
            self._end(connection, Outcome.OVER_LIMIT)
            return
        task = self._loop.create_task(self._guarded(hearing, rest))
        self._tasks[task] = connection
        task.add_done_callback(lambda done: self._task_done(done, who))

    async def _guarded(self, hearing: Hearing, rest: Callable[[], Awaitable[None]]) -> None:
        """The rest of the way; whatever goes wrong on it denies."""
        connection = hearing.connection
        try:
            await rest()
        except CannotAct as error:
            self._refuse(connection, str(error))
        except asyncio.CancelledError:
            self._leave(connection)
            raise
        except Exception:  # noqa: BLE001  # the last line of the task: deny, and go on
            self._fail(connection)
        self.handoff.flush()

    async def _decide_later(self, hearing: Hearing, table: RuleTable, judgement: Judgement) -> None:
        """By the table it began with, whatever is in force meanwhile."""
        verdict = await hearing.judge(table, judgement)
        self._adopt(hearing.connection, verdict)
        await self._act(hearing, verdict)

    async def _act(self, hearing: Hearing, verdict: Verdict) -> None:
        """What options ask for, one after the other, then what the verdict says."""
        connection = hearing.connection
        self._stations.store.let_go(connection)
        await hearing.carry_out(verdict.actions)
        if hearing.is_twisted:
            self._end(connection, Outcome.TWISTED)
            return
        self._finish(connection, verdict)

    def _task_done(self, task: asyncio.Task[None], who: Prefixes) -> None:
        del self._tasks[task]
        self._stations.deciding.give_back(who)
        self._one_less()

    def _settle(self, connection: Connection, verdict: Verdict) -> None:
        """Do what the verdict says, in a task if that may take time."""
        self._adopt(connection, verdict)
        if verdict.actions and needs_errand(verdict.actions):
            hearing = self._hearing(connection)
            self._in_task(hearing, partial(self._act, hearing, verdict))
            return
        self._finish(connection, verdict)

    def _adopt(self, connection: Connection, verdict: Verdict) -> None:
        """The verdict counts from here on: what it says, and what it does to the socket."""
        connection.verdict = verdict
        if verdict.request is not None and connection.request is not None:
            connection.request = verdict.request
        for text in verdict.messages:
            self.audit.say(connection, logging.ERROR, text)
        if verdict.actions:
            for trouble in set_socket_options(connection):
                self._report(connection, trouble)

    def _hearing(self, connection: Connection) -> Hearing:
        return Hearing(connection, self._stations, partial(self._report, connection))

    def _report(self, connection: Connection, trouble: str) -> None:
        self.audit.say(connection, logging.WARNING, f"{self.listener.name}: {trouble}")

    def _finish(self, connection: Connection, verdict: Verdict) -> None:
        """Refuse, or hand over."""
        if verdict.access is DENY:
            self._end(connection, REFUSED)
            return
        connection.text = introduce(connection)
        if len(connection.text) + OVERHEAD_BYTES > MAX_TEXT_BYTES:
            log.error("%s: the rule's options are too long to hand over", self.listener.name)
            self._end(connection, Outcome.ERROR)
            return
        self.handoff.submit(connection)

    def _refuse(self, connection: Connection, note: str) -> None:
        """Whatever the rules say or would have said; the entry has the note."""
        connection.lookup_notes = (*connection.lookup_notes, note)
        self._deny(connection)
        self._end(connection, Outcome.REFUSED)

    def _deny(self, connection: Connection) -> None:
        """From here on that's the verdict, with the place and the options it had."""
        connection.lane = None
        if connection.verdict is not None:
            connection.verdict = replace(connection.verdict, access=Access.DENY)

    def _leave(self, connection: Connection) -> None:
        """The gate stops: a stored connection goes on with the next start, others are refused."""
        if connection.stored:
            self._end(connection, Outcome.KEPT)
        else:
            self._refuse(connection, "the gate stopped")

    def _fail(self, connection: Connection) -> None:
        """Whatever it was costs this one connection."""
        self._deny(connection)
        self._end(connection, Outcome.ERROR)
        log.exception("%s: client %s is denied", self.listener.name, client_text(connection))

    def _on_handoff_end(self, connection: Connection, outcome: Outcome) -> None:
        self._end(connection, outcome)
        if not self._acceptor.is_reading:
            self._one_less()

    def _one_less(self) -> None:
        """One connection waits no longer."""
        if not self._acceptor.is_reading:
            self._acceptor.attend()
        if not self.waiting_count:
            self._drained.set()

    def _end(self, connection: Connection, outcome: Outcome) -> None:
        """The one end of every connection: our copy is closed, then the audit line is written."""
        try:
            if self._is_ip and connection.client is NOBODY:  # nobody had looked yet
                connection.client = Client(ip_text(connection.peer), None)
            if connection.stored and outcome is not Outcome.KEPT:
                self._stations.store.let_go(connection)
            if connection.verdict is not None and connection.verdict.actions:
                if connection.was_told and outcome not in GIVEN_AWAY:
                    self._farewells.say(connection)
                close_apart(connection)
            else:
                connection.close()
            self.audit.write(connection, outcome)
        except Exception:  # close, and go on: the ends of others come next
            log.exception("%s: the end of a connection", self.listener.name)
            connection.close()
