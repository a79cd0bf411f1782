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
import logging
import time
from collections.abc import Callable
from pathlib import Path

from socketgate.config import OnError, RulesConfig
from socketgate.errors import RuleError
from socketgate.journal import MESSAGE_ID
from socketgate.rulefiles import load_saved_sources, read_sources, save_sources
from socketgate.rules.diagnostic import Diagnostic, Severity
from socketgate.rules.source import Sources
from socketgate.rules.table import RuleTable, build_table

log = logging.getLogger(__name__)

#: How long the files must be left alone before they are read, and the longest that is waited for
#: it, in seconds.
QUIET_SECONDS = 0.01
LONGEST_SETTLING_SECONDS = 0.05

#: How long, in seconds, a last line without its newline may be one that is still being written.
HALF_WRITTEN_SECONDS = 0.5
HALF_WRITTEN = "missing-newline"

#: How many errors are written out; `socketgate check` has them all.
MAX_ERRORS_LOGGED = 10

REJECTED = {"message_id": MESSAGE_ID + "10a"}
LAST_GOOD = "last-good-rules.tar"


class RulesInForce:
    """The table that decides now.

    `on_change(table)` is called for each new one, `on_settled()` after each wait.
    """

    def __init__(
        self,
        config: RulesConfig,
        state_folder: Path | None,
        *,
        on_change: Callable[[], None],
        on_settled: Callable[[], None],
    ) -> None:
        """Load the rules for the start.

        Raises RuleError when neither the files nor a kept copy will do.
        """
        self._config = config
        self._last_good = state_folder / LAST_GOOD if state_folder is not None else None
        self._on_change, self._on_settled = on_change, on_settled
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._settling_since: float | None = None
        self._awaits_newline_until = 0.0
        self._saving: asyncio.Task[None] | None = None
        #: Rises by one with each table put in force.
        self.generation = 1
        #: Why the files as they are now are not in force; empty when they are.
        self.last_error = ""
        #: When the table in force was read, by time.time().
        self.loaded_at = time.time()
        self.sources, self.table = self._first_table()

    @property
    def is_settling(self) -> bool:
        """Whether the files have just changed and what they say is not in force yet."""
        return self._settling_since is not None

    @property
    def is_settled(self) -> bool:
        """Whether what was read last is in force, or known to be wrong."""
        return bool(self.last_error) or self._read == self.sources

    @property
    def paths(self) -> set[str]:
        """Every file the rules come from, whether it exists or not."""
        host_files = {path.decode("utf-8", "surrogateescape") for path in self._read.host_files}
        return {str(self._config.allow), str(self._config.deny)} | host_files

    def files_changed(self) -> None:
        """Something may have changed: reload as soon as it is quiet."""
        now = self._loop.time()
        if self._settling_since is None:
            self._settling_since = now
        when = min(now + QUIET_SECONDS, self._settling_since + LONGEST_SETTLING_SECONDS)
        self._reload_at(when)

    def reload(self) -> bool:
        """Try the files again, now. Says whether the rules changed."""
        try:
            self._read = read_sources(self._config)
            if self._read != self.sources:
                return self._put_in_force(self._read)
            self.last_error = ""
            return False
        finally:
            self._settling_since = None
            self._on_settled()

    async def close(self) -> None:
        """No more reloads; the kept copy is complete."""
        if self._timer is not None:
            self._timer.cancel()
        if self._saving is not None:
            await self._saving

    def _first_table(self) -> tuple[Sources, RuleTable]:
        self._read = sources = read_sources(self._config)
        table = build_table(sources)
        try:
            self._check(table)
        except RuleError as error:
            kept = self._kept_table()
            if kept is None:
                raise
            self.last_error = str(error)
            log.error("%s; deciding by the last good rules, kept in %s", error, self._last_good)
            return kept
        self._keep(sources)
        return sources, table

    def _kept_table(self) -> tuple[Sources, RuleTable] | None:
        if self._last_good is None:
            return None
        sources = load_saved_sources(self._last_good, self._config)
        if sources is None:
            return None
        table = build_table(sources)
        return None if errors_of(table) else (sources, table)

    def _put_in_force(self, sources: Sources) -> bool:
        table = build_table(sources)
        try:
            self._check(table)
        except RuleError as error:
            if self._is_half_written(table):
                return False
            if str(error) != self.last_error:
                log.error("%s; keeping the previous rules", error, extra=REJECTED)
            self.last_error = str(error)
            return False
        self.sources, self.table = sources, table
        self.generation += 1
        self.loaded_at = time.time()
        self.last_error = ""
        self._awaits_newline_until = 0.0
        self._on_change()
        self._keep(sources)
        return True

    def _check(self, table: RuleTable) -> None:
        """Raise RuleError if this table may not be put in force."""
        if self._config.on_error is OnError.LIBWRAP:
            return
        errors = errors_of(table)
        if errors:
            more = (
                f" (and {len(errors) - 1} more errors: see 'socketgate check')"
                if len(errors) > 1
                else ""
            )
            raise RuleError(f"{errors[0].brief}{more}")

    def _is_half_written(self, table: RuleTable) -> bool:
        """Whether only a newline is missing, and whoever writes the file may still be at it."""
        if any(error.code != HALF_WRITTEN for error in errors_of(table)):
            return False
        now = self._loop.time()
        if not self._awaits_newline_until:
            self._awaits_newline_until = now + HALF_WRITTEN_SECONDS
        if now >= self._awaits_newline_until:
            self._awaits_newline_until = 0.0
            return False
        self._reload_at(self._awaits_newline_until)
        return True

    def _reload_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self.reload)

    def _keep(self, sources: Sources) -> None:
        """Keep a copy of these rules for a start with broken files.

        The writing is done off the loop.
        """
        if self._last_good is not None:
            self._saving = self._loop.create_task(_save(sources, self._last_good, self._saving))


async def _save(sources: Sources, path: Path, earlier: asyncio.Task[None] | None) -> None:
    if earlier is not None:
        await earlier
    try:
        await asyncio.to_thread(save_sources, sources, path)
    except OSError as error:
        log.warning("%s: can't keep a copy of the rules: %s", path, error.strerror)


def errors_of(table: RuleTable) -> list[Diagnostic]:
    """What keeps a table from being put in force."""
    return [one for one in table.diagnostics if one.severity is Severity.ERROR]
