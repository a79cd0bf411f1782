# SPDX-License-Identifier: MIT
"""The last good rules, kept for a start with broken files.

Written beside the loop, one copy at a time: of the rules that come meanwhile, the last are next.
"""

import asyncio
import logging
from pathlib import Path

from socketgate.config import RulesConfig
from socketgate.rulefiles import load_saved_sources, save_sources
from socketgate.rules.source import Sources

log = logging.getLogger(__name__)


class LastGood:
    """The copy in a file; without a path, none is kept."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._unwritten: Sources | None = None
        self._writing: asyncio.Task[None] | None = None

    def load(self, config: RulesConfig) -> Sources | None:
        """The copy, if it is of these files and whole. Raises OSError as `read_sources` does."""
        return None if self.path is None else load_saved_sources(self.path, config)

    def keep(self, sources: Sources) -> None:
        """These are good. Returns at once."""
        self._unwritten = sources
        if self.path is not None and (self._writing is None or self._writing.done()):
            self._writing = asyncio.get_running_loop().create_task(self._write(self.path))

    async def close(self) -> None:
        """Wait until the copy is complete."""
        if self._writing is not None:
            await self._writing

    async def _write(self, path: Path) -> None:
        while self._unwritten is not None:
            sources, self._unwritten = self._unwritten, None
            try:
                await asyncio.to_thread(save_sources, sources, path)
            except (OSError, RuntimeError) as error:  # RuntimeError: no thread can be started
                reason = error.strerror if isinstance(error, OSError) else error
                log.warning("%s: can't keep a copy of the rules: %s", path, reason)
