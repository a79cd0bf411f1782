# SPDX-License-Identifier: MIT
"""A second thread for calls that block: of several, two are made at once."""

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

Calls = Sequence[Callable[[], None]]


class Helper:
    """The thread, which waits for calls until `close`. They must not need the main thread."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Calls] = SimpleQueue()
        self._ends: SimpleQueue[BaseException | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="helper")
        self._thread.start()

    def make(self, calls: Calls) -> None:
        """Make these, every second one in the helper; returns when all of them have been made.

        What one raises is raised here, and those that were to follow it in its thread are left out.
        """
        others = calls[1::2]
        if others:
            self._calls.put(others)
        try:
            for call in calls[::2]:
                call()
        finally:
            error = self._ends.get() if others else None
            if error is not None:
                raise error

    def close(self) -> None:
        """Let the thread end."""
        self._calls.put(())
        self._thread.join()

    def _run(self) -> None:
        while calls := self._calls.get():
            try:
                for call in calls:
                    call()
            except BaseException as error:  # noqa: BLE001  # raised by `make`
                self._ends.put(error)
            else:
                self._ends.put(None)
