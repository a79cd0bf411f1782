# SPDX-License-Identifier: MIT
"""The rules in force, and how they change: read everything, compare, swap one reference.

    event ─▶ settling (until it is quiet, at most 50 ms) ─▶ reload ─▶ the same: nothing happens
                                                              ├─▶ right: in force from here on
                                                              └─▶ errors: the previous rules stay

inotify, SIGHUP and `systemctl reload` are one and the same. Connections under way keep the table
they began with; new ones wait while the files settle, so that the next one is decided by the new
rules.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path

from socketgate.accountcheck import account_faults
from socketgate.compiler import Compiler, Made, beside_the_loop
from socketgate.config import OnError, RulesConfig
from socketgate.firstrules import first_rules
from socketgate.journal import MESSAGE_ID
from socketgate.largerules import (
    LARGE_BYTES,
    CannotCompile,
    CompilerStarved,
    Mistake,
    WrongRules,
    mistakes_of,
    size_of,
    summary_of,
)
from socketgate.lastgood import LastGood
from socketgate.rulefiles import is_shortage, paths_of, read_sources
from socketgate.rules.names import accounts_named
from socketgate.rules.source import Sources
from socketgate.rules.table import RuleTable, build_table
from socketgate.tablefile import NotUsable
from socketgate.unfinished import Unfinished
from socketgate.wording import count

log = logging.getLogger(__name__)

#: How long the files must be left alone before they are read, and the longest that is waited for
#: it, in seconds.
QUIET_SECONDS = 0.01
LONGEST_SETTLING_SECONDS = 0.05

#: Seconds until files are tried again that could not be read or compiled, for want of descriptors
#: or memory: no event tells when there are more.
AGAIN_SECONDS = 1.0
#: The same when it takes a processor for seconds to find out that it is still so.
COMPILE_AGAIN_SECONDS = 30.0

#: How long, in seconds, a reload waits for the accounts that options name; clients wait with it.
ACCOUNT_SECONDS = 0.2

LOADED = {"message_id": MESSAGE_ID + "109"}
REJECTED = {"message_id": MESSAGE_ID + "10a"}
LAST_GOOD = "last-good-rules.tar"


class RulesInForce:
    """The table that decides now.

    `on_change()` is called for each new one, `on_settled()` after each wait.
    """

    def __init__(
        self,
        config: RulesConfig,
        state_folder: Path | None,
        *,
        on_change: Callable[[], None],
        on_settled: Callable[[], None],
        compiler: Compiler | None = None,
    ) -> None:
        """Load the rules for the start; without a `compiler` large files stop the loop for a while.

        Raises RuleError when neither the files nor a kept copy will do.
        """
        self._config = config
        self._last_good = LastGood(state_folder and state_folder / LAST_GOOD)
        self._compiler = compiler
        self._on_change, self._on_settled = on_change, on_settled
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._settling_since: float | None = None
        self._unfinished = Unfinished(self._loop.time)
        self._making: asyncio.Task[None] | None = None
        self._is_compiling = self._is_stale = self._is_closed = False
        #: Whether the files have just changed and clients are to wait for what they say. What takes
        #: long to compile is not waited for.
        self.is_settling = False
        self._quiet = asyncio.Event()
        #: Rises by one with each table put in force.
        self.generation = 1
        #: When the table in force was read, by time.time().
        self.loaded_at = time.time()
        first = first_rules(config, compiler, self._last_good)
        self._host_files = first.host_files
        self.sources, self.table = first.made
        #: Why the files as they are now are not in force; empty when they are.
        self.last_error = first.error
        if first.error:
            text = "%s; deciding by the last good rules, kept in %s"
            log.error(text, first.error, self._last_good.path, extra=REJECTED)

    @property
    def is_settled(self) -> bool:
        """Whether what the files say is in force, or known to be wrong."""
        return not (self._settling_since or self._making or self._unfinished.awaits_newline)

    @property
    def paths(self) -> set[str]:
        """Every file the rules come from, whether it exists or not."""
        return paths_of(self._config, self._host_files)

    async def settled(self) -> None:
        """Wait until what the files say is in force, or known to be wrong."""
        while not self.is_settled:
            self._quiet.clear()
            await self._quiet.wait()

    def files_changed(self) -> None:
        """Something may have changed: reload as soon as it is quiet."""
        now = self._loop.time()
        self._reload_at(min(now + QUIET_SECONDS, self._settle() + LONGEST_SETTLING_SECONDS))

    def _settle(self) -> float:
        """Clients wait from here on, unless it takes long. The answer: since when files change."""
        compiler = self._large()
        takes_long = compiler is not None and (self._is_compiling or not compiler.only_grew())
        self.is_settling = self.is_settling or not takes_long
        self._settling_since = self._settling_since or self._loop.time()
        return self._settling_since

    def reload(self) -> None:
        """Try the files again, now. What large ones say is in force later: see `is_settled`."""
        try:
            self._reload()
        except MemoryError:
            failure: Exception = MemoryError()  # another one: this holds all that was made so far
        except Exception as error:  # noqa: BLE001  # whoever asked is to hear that it is over
            failure = error
        else:
            return
        self._could_not(failure)

    def _reload(self) -> None:
        self._settle()
        compiler = self._large()
        if compiler is not None:
            self._reload_large(compiler)
            return
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._settling_ends())
            sources = self._read()
            if sources == self.sources:
                self._overtake()
                self._accept()
                return
            if (compiler := self._large()) is not None:  # a host file that was not known yet
                self._reload_large(compiler)
                return
            table = build_table(sources)
            if self._config.on_error is OnError.LIBWRAP or not accounts_named(table):
                self._overtake()
                self._offer(sources, table)
            elif self._making is None:
                rest = stack.pop_all()
                self._begin(self._offer_by_accounts(sources, table, rest))
            else:
                self._is_stale = True

    def _overtake(self) -> None:
        """What is being made is of files as they were: it must not come after what they are now."""
        if self._making is not None:
            self._making.cancel()

    def _reload_large(self, compiler: Compiler) -> None:
        self._is_stale = self._making is not None
        if self._making is None:
            self._begin(self._make(compiler))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        self._making = self._loop.create_task(work)
        self._making.add_done_callback(lambda _: self._on_made())

    async def _offer_by_accounts(
        self, sources: Sources, table: RuleTable, settling: contextlib.ExitStack
    ) -> None:
        """The same, once it is known whether the users and groups that options name exist."""
        with settling:
            self._offer(sources, table, await beside_the_loop(self._account_mistakes, table))

    def _account_mistakes(self, table: RuleTable) -> list[Mistake]:
        """May take `ACCOUNT_SECONDS`."""
        if self._config.on_error is OnError.LIBWRAP:
            return []
        found = account_faults(accounts_named(table), max_seconds=ACCOUNT_SECONDS)
        return [Mistake(one.code, one.advice) for one in found]

    async def close(self) -> None:
        """No more reloads; the kept copy is complete."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)
        await self._last_good.close()

    def _large(self) -> Compiler | None:
        """Who compiles the files as they are now, if they are large."""
        is_large = self._compiler is not None and size_of(self.paths) >= LARGE_BYTES
        return self._compiler if is_large else None

    def _read(self) -> Sources:
        sources = read_sources(self._config)
        self._host_files = frozenset(sources.host_files)
        return sources

    @contextlib.contextmanager
    def _settling_ends(self) -> Iterator[None]:
        """Whatever happens in it: clients need wait no longer after it."""
        try:
            yield
        finally:
            self._end_settling()

    def _end_settling(self) -> None:
        self._settling_since, self.is_settling = None, False
        self._quiet.set()
        self._on_settled()

    async def _make(self, compiler: Compiler) -> None:
        """What large files say.

        Clients wait for what was appended, not for replaced files to be read or compiled.
        """
        if self.is_settling and not compiler.only_grew():
            self._end_settling()
        with self._settling_ends():
            made = await compiler.appended()
            if made is not None:
                await self._offer_unless_same(made)
            self._is_compiling = made is None
        if made is None:
            with self._settling_ends():
                await self._make_all(compiler)

    async def _make_all(self, compiler: Compiler) -> None:
        try:
            await self._offer_unless_same(await compiler.compile())
        except WrongRules as wrong:
            self._host_files = wrong.host_files
            self._reject(wrong.mistakes)
        except (CannotCompile, NotUsable, OSError) as error:
            if is_shortage(error):
                raise
            log.warning("the rules are compiled in the gate itself: %s", error)
            sources = await beside_the_loop(self._read)
            await self._offer_unless_same((sources, await beside_the_loop(build_table, sources)))

    def _on_made(self) -> None:
        task, self._making = self._making, None
        self._is_compiling = False
        if task is not None and not task.cancelled() and (error := task.exception()):
            self._could_not(error)
        if self._is_stale:
            self._is_stale = False
            self.files_changed()
        self._quiet.set()

    def _could_not(self, error: BaseException) -> None:
        """The files are neither right nor wrong yet: keep the previous rules, and try again."""
        text = f"the rules can't be read just now: {str(error) or 'out of memory'}"
        if text != self.last_error:
            trace = None if is_shortage(error) else error
            log.error("%s; keeping the previous rules", text, exc_info=trace, extra=REJECTED)
        self.last_error = text
        is_dear = isinstance(error, CompilerStarved)
        self._reload_at(self._loop.time() + (COMPILE_AGAIN_SECONDS if is_dear else AGAIN_SECONDS))
        self._end_settling()

    async def _offer_unless_same(self, made: Made) -> None:
        sources, table = made
        self._host_files = frozenset(sources.host_files)
        if sources == self.sources:
            self._accept()
        else:
            self._offer(sources, table, await beside_the_loop(self._account_mistakes, table))

    def _offer(self, sources: Sources, table: RuleTable, more: Sequence[Mistake] = ()) -> None:
        """Put a table in force, if it may be."""
        if mistakes := [*self._mistakes(table), *more]:
            self._reject(mistakes)
            return
        self._unfinished.replaced((self.sources, self.table), sources)
        self._accept()
        self._put_in_force(sources, table)

    def _put_in_force(self, sources: Sources, table: RuleTable) -> None:
        self.sources, self.table = sources, table
        self.generation += 1
        self.loaded_at = time.time()
        text = "rules generation %d is in force: %s"
        log.info(text, self.generation, count(table.rule_count, "rule"), extra=LOADED)
        self._on_change()
        if self._large() is None:  # of large files, who compiles them keeps a copy
            self._last_good.keep(sources)

    def _accept(self) -> None:
        """The files say what is in force."""
        self.last_error = ""
        self._unfinished.forget_newline()

    def _reject(self, mistakes: list[Mistake]) -> None:
        """Keep the rules from before a file was written, and say why, unless it still is."""
        if (until := self._unfinished.newline_awaited_until(mistakes)) is not None:
            self._reload_at(until)
            return
        text = summary_of(mistakes)
        if text != self.last_error:
            log.error("%s; keeping the previous rules", text, extra=REJECTED)
        self.last_error = text
        if (before := self._unfinished.before_emptied()) is not None:
            self._put_in_force(*before)

    def _mistakes(self, table: RuleTable) -> list[Mistake]:
        return [] if self._config.on_error is OnError.LIBWRAP else mistakes_of(table)

    def _reload_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._is_closed:
            self._timer = self._loop.call_at(when, self.reload)
