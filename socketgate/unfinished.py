# SPDX-License-Identifier: MIT
"""Rule files that may still be being written: what is a mistake in them, and what is only not yet.

a last line without newline     the rest of it may come; for so long nothing is decided of it
a file that was emptied         counts at once; a mistake in it soon after was its writing, and
                                the rules before come back (editors truncate, or rename away)
"""

from collections.abc import Callable, Sequence

from socketgate.compiler import Made
from socketgate.largerules import Mistake
from socketgate.rules.source import Sources, was_emptied

#: How long, in seconds, a last line without its newline may be one that is still being written.
NEWLINE_SECONDS = 0.5
MISSING_NEWLINE = "missing-newline"

#: How long, in seconds, a file that was emptied or taken away may be one that is being written.
EMPTIED_SECONDS = 10.0


class Unfinished:
    """What is known of files that are being written, by a monotonic clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._newline_until: float | None = None
        #: What was in force before a file became empty, and until when that is to be known.
        self._before_emptied: tuple[Made, float] | None = None

    @property
    def awaits_newline(self) -> bool:
        """Whether it isn't known yet if a last line is complete."""
        return self._newline_until is not None

    def newline_awaited_until(self, mistakes: Sequence[Mistake]) -> float | None:
        """When these are to be looked at again, if only a newline is missing, and not for long."""
        now = self._clock()
        until = now + NEWLINE_SECONDS if self._newline_until is None else self._newline_until
        is_short = all(mistake.code == MISSING_NEWLINE for mistake in mistakes)
        self._newline_until = until if is_short and now < until else None
        return self._newline_until

    def forget_newline(self) -> None:
        """The files are right."""
        self._newline_until = None

    def replaced(self, before: Made, sources: Sources) -> None:
        """These sources are right, and in force in the place of others."""
        if not was_emptied(before[0], sources):
            self._before_emptied = None
        elif self._remembered() is None:
            self._before_emptied = before, self._clock() + EMPTIED_SECONDS

    def before_emptied(self) -> Made | None:
        """A mistake came: the rules from before a file was emptied, if that was its writing."""
        before, self._before_emptied = self._remembered(), None
        return before

    def _remembered(self) -> Made | None:
        if self._before_emptied is None or self._clock() > self._before_emptied[1]:
            return None
        return self._before_emptied[0]
