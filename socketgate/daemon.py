# SPDX-License-Identifier: MIT
"""The gate process: builds everything, then signals, reloads, watchdog, and the stop.

start    configuration, sockets, rules, gates ─▶ READY=1
SIGHUP   reload, as any change of the files
SIGTERM  STOPPING=1, those under way get their time, the others wait in systemd's sockets
"""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from socketgate import __version__
from socketgate.activation import Listener, close_all, passed_fds, passed_listeners
from socketgate.answers import SOCKET
from socketgate.audit import Audit
from socketgate.banwatch import BansInForce
from socketgate.coalescing import CoalescingSelector
from socketgate.commandconnect import OwnRunner, RunnerAt, runner_path
from socketgate.commands import Commands, Wanted
from socketgate.compiler import Compiler
from socketgate.config import Config, affordable, load_config
from socketgate.control import Control, rights_by
from socketgate.descriptorstore import DescriptorStore, take_stored
from socketgate.gate import Gate
from socketgate.handoff import Handoff
from socketgate.identify import policy_key
from socketgate.journal import MESSAGE_ID, Journal, JournalHandler
from socketgate.largerules import Order
from socketgate.lookup_values import Found, Shares
from socketgate.lookups import FLUSH_ON, Lookups
from socketgate.notify import Notifier, watchdog_seconds
from socketgate.operations import Operations
from socketgate.ownfolders import CACHE, RUNTIME, STATE, Folder, own_folder
from socketgate.reload import LAST_GOOD, RulesInForce
from socketgate.repetition import Repetition
from socketgate.report import Report
from socketgate.rules.keyword import CommandKind
from socketgate.rules.request import CommandStatus, Request
from socketgate.stations import Stations
from socketgate.surroundings import group_diagnostics
from socketgate.trust import trusted_uids
from socketgate.watch import Watcher
from socketgate.wording import count

log = logging.getLogger(__name__)

STARTED = {"message_id": MESSAGE_ID + "10b"}
STOPPED = {"message_id": MESSAGE_ID + "10c"}

#: How long, in seconds, the start waits for the addresses of `dns:` patterns.
FIRST_ANSWERS_SECONDS = 5.0

#: All gates have their compiled tables in one folder.
TABLES = "tables"


def run(config_path: Path | None) -> None:
    """Serve until SIGTERM. Raises a SocketgateError when it can't start."""
    config = load_config(config_path)
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    config = replace(config, limits=affordable(config.limits, descriptors))
    passed = passed_fds()
    stored = take_stored(passed)
    listeners = passed_listeners(lambda: passed)
    journal = Journal()
    notifier = Notifier()
    daemons = ", ".join(sorted({listener.name for listener in listeners}))
    logging.basicConfig(
        level=logging.INFO, format="%(message)s", handlers=[JournalHandler(journal, daemons)]
    )
    try:
        store = DescriptorStore(notifier, stored)
        selector = CoalescingSelector()
        with asyncio.Runner(loop_factory=partial(asyncio.SelectorEventLoop, selector)) as runner:
            daemon = Daemon(config, listeners, journal, notifier, store, selector.coalesce)
            runner.run(daemon.serve())
    finally:
        journal.close()
        close_all(listeners)


def _kept_in(folder: Folder, name: str) -> Path | None:
    """A folder that outlives us. None, with a warning, when there is none."""
    try:
        return own_folder(folder, os.environ, name)
    except OSError as error:
        log.warning("%s: %s; nothing is kept there", error.filename, error.strerror)
        return None


class Daemon:
    """One gate process with all its listeners."""

    def __init__(
        self,
        config: Config,
        listeners: list[Listener],
        journal: Journal,
        notifier: Notifier,
        store: DescriptorStore | None = None,
        coalesce: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._listeners = listeners
        self._journal = journal
        self._notifier = notifier
        self._store = store or DescriptorStore()
        self._coalesce = coalesce
        self._gates: list[Gate] = []

    async def serve(self) -> None:
        """From start to stop."""
        loop = asyncio.get_running_loop()
        self._journal.attach(loop)
        async with contextlib.AsyncExitStack() as stack:
            await self._open_all(stack)
            self._gates = self._build_gates()
            stopped = self._handle_signals(loop)
            await self._open_control(stack)
            await self._ask_forward_names()
            self._start()
            await stopped.wait()
            await self._stop()

    async def _open_all(self, stack: contextlib.AsyncExitStack) -> None:
        """What the gates share; closed in reverse order, whatever happens in between."""
        self._watcher = Watcher()
        stack.callback(self._watcher.close)
        self._bans = BansInForce(self._config.bans, self._watcher)
        stack.callback(self._bans.close)
        self._runner_path = path = runner_path(self._config.commands.socket, os.environ)
        runner = OwnRunner() if path is None else RunnerAt(path)
        stack.callback(runner.close)
        self._commands = Commands(
            runner.connect,
            self._config.commands,
            report=lambda text: log.warning("%s", text),
            check=runner.check,
        )
        stack.callback(self._commands.close)
        self._lookups = Lookups(self._config.lookups, run_command=self._run_aclexec)
        stack.callback(self._lookups.close)
        state = _kept_in(STATE, self._listeners[0].name)
        cache = _kept_in(CACHE, TABLES)
        self._rules = RulesInForce(
            self._config.rules,
            state,
            on_change=self._on_rules_change,
            on_settled=self._on_settled,
            compiler=None if cache is None else self._compiler(cache, state),
        )
        stack.push_async_callback(self._rules.close)

    async def _ask_forward_names(self) -> None:
        """The first clients should find `dns:` patterns answered, if that doesn't take too long."""
        self._lookups.watch_forward(self._rules.table.forward_names)
        if not await self._lookups.forward_settled(FIRST_ANSWERS_SECONDS):
            log.warning("some names of dns: patterns have no addresses yet; they match nobody")

    def _compiler(self, cache: Path, state: Path | None) -> Compiler:
        keys = {policy_key(listener): None for listener in self._listeners}
        last_good = None if state is None else state / LAST_GOOD
        return Compiler(Order(self._config.rules, tuple(keys), cache, last_good))

    async def _open_control(self, stack: contextlib.AsyncExitStack) -> None:
        """The admin's tools need it; the gate's clients don't."""
        try:
            folder = own_folder(RUNTIME, os.environ, self._listeners[0].name)
            if folder is None:
                return
            operations = Operations(
                report=Report(
                    self._rules,
                    self._bans.bans,
                    self._gates,
                    time.time(),
                    self._commands,
                    self._runner_path,
                ),
                lookups=self._lookups,
                deciding=self._deciding,
                limits=self._config.limits,
                reload_now=self._on_sighup,
            )
            rights = rights_by(self._config.control)
            for one in group_diagnostics(self._config):
                log.warning("%s", one.advice)
            control = Control(folder / SOCKET, rights, operations.methods())
            control.open()
            stack.push_async_callback(control.close)
        except OSError as error:
            log.warning("the control socket can't be opened: %s", error)

    def _build_gates(self) -> list[Gate]:
        limits = self._config.limits
        self._deciding = Shares(limits.deciding_connections, limits.deciding_per_source)
        stations = Stations(
            rules=self._rules,
            look_for_changes=self._watcher.look,
            known=self._lookups.known,
            look_up=self._lookups.find_out,
            deciding=self._deciding,
            limits=limits,
            bans=self._bans.bans,
            run_command=self._commands.run,
            store=self._store,
            coalesce=self._coalesce,
        )
        return [self._build_gate(listener, stations) for listener in self._listeners]

    def _build_gate(self, listener: Listener, stations: Stations) -> Gate:
        limits = self._config.limits
        settings = self._config.daemon(listener.name)
        trusted = trusted_uids(
            settings.backend_users, self._config.where("daemon", listener.name, "backend-users")
        )
        repetition = Repetition(limits.refusals_logged, limits.refusals_logged_total)
        return Gate(
            listener,
            stations,
            Audit(self._journal, listener.name, repetition),
            lambda on_end: Handoff(
                settings,
                trusted,
                patience_seconds=limits.handoff_seconds,
                on_end=on_end,
                report=lambda text: log.warning("%s: %s", listener.name, text),
                store=self._store,
                coalesce=self._coalesce,
            ),
        )

    async def _run_aclexec(self, status: CommandStatus, request: Request) -> Found:
        wanted = Wanted(
            kind=CommandKind.ACLEXEC,
            command=status.command,
            address=request.client.address,
            inherited=status.inherited,
        )
        ended = await self._commands.run(wanted)
        return Found(ended.status, f"aclexec: {ended.how}" if ended.how else "")

    def _handle_signals(self, loop: asyncio.AbstractEventLoop) -> asyncio.Event:
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        loop.add_signal_handler(signal.SIGHUP, self._on_sighup)
        return stopped

    def _start(self) -> None:
        self._flush_lookups()
        self._on_settled()
        kept = self._store.count
        for gate in self._gates:
            gate.open()
        if kept:
            gone = self._store.forget_the_rest()
            log.info("%s waited in the descriptor store, gone: %d", count(kept, "client"), gone)
        self._feed_watchdog()
        gc.collect()
        gc.freeze()  # what stays is never looked through again: that stops the loop for 10 ms
        places = ", ".join(f"{one.name} on {one.address}" for one in self._listeners)
        log.info("socketgate %s serves %s", __version__, places, extra=STARTED)
        self._notifier.ready(self._status())

    async def _stop(self) -> None:
        self._notifier.stopping("waiting for connections under way")
        seconds = self._config.limits.drain_seconds
        await asyncio.gather(*(gate.stop(seconds) for gate in self._gates))
        self._store.close()
        log.info("socketgate stops", extra=STOPPED)

    def _on_sighup(self) -> None:
        self._notifier.reloading()
        self._rules.reload()
        self._saying = asyncio.get_running_loop().create_task(self._say_when_settled())

    async def _say_when_settled(self) -> None:
        await self._rules.settled()
        self._notifier.ready(self._status())

    def _on_rules_change(self) -> None:
        self._lookups.flush()
        self._lookups.watch_forward(self._rules.table.forward_names)
        for gate in self._gates:
            gate.rules_changed()
        gc.collect()  # of all that isn't frozen: what is garbage now would be kept for good
        gc.freeze()  # the new table as well; the old one has no cycles and goes without a collector

    def _flush_lookups(self) -> None:
        """What lookups are answered from has changed; watch it as it is now."""
        self._lookups.flush()
        try:
            self._watcher.watch(self._flush_lookups, map(str, FLUSH_ON))
        except OSError as error:
            log.warning("%s: can't be watched: %s", error.filename, error.strerror)

    def _on_settled(self) -> None:
        """The files were read: watch what they name now, and go on accepting."""
        try:
            if self._watcher.watch(self._rules.files_changed, self._rules.paths):
                self._rules.files_changed()
        except OSError as error:
            log.warning(
                "%s: can't be watched: %s; changes there need 'systemctl reload'",
                error.filename,
                error.strerror,
            )
        self._notifier.status(self._status())
        for gate in self._gates:
            gate.go_on()

    def _feed_watchdog(self) -> None:
        seconds = watchdog_seconds()
        if seconds is not None:
            self._notifier.watchdog()
            asyncio.get_running_loop().call_later(seconds, self._feed_watchdog)

    def _status(self) -> str:
        rules = self._rules
        status = f"rules generation {rules.generation}: {count(rules.table.rule_count, 'rule')}"
        return (
            f"{status}; the files have errors: {rules.last_error}" if rules.last_error else status
        )
