# SPDX-License-Identifier: MIT
"""Makes large tables ready beside the loop: a thread for what was appended, a child for the rest.

appended()   the files are what they were, and lines at their ends ─▶ in force in no time
compile()    a child reads everything and compiles it; the loop waits for its answer

Rules that need names or users are read here as well, in a thread: nobody else can have them.
"""

import asyncio
import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from socketgate.interpreter import words_to_run
from socketgate.largerules import (
    CannotCompile,
    Order,
    appended_to,
    find_prepared,
    is_grown,
    read_answer,
    status_of,
    table_of,
)
from socketgate.rules.policy import NotCovered
from socketgate.rules.source import Sources
from socketgate.rules.table import RuleTable
from socketgate.tablefile import Prepared
from socketgate.tablesources import Status

#: A child that takes longer is ended: ten million lines take half of it.
COMPILE_SECONDS = 120.0

ANSWER_BYTES = 65_536

#: The longest that a thread of ours keeps the loop from its next turn, in seconds. Python's own are
#: 5 ms, which clients would wait again and again.
SWITCH_SECONDS = 0.0005

#: The child's program.
CHILD = "socketgate.compiling"

P = ParamSpec("P")
T = TypeVar("T")

#: A table, and the sources it is of: excerpts.
Made = tuple[Sources, RuleTable]


class Compiler:
    """Makes the tables of one process's large rules. One at a time."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._prepared: Prepared | None = None
        #: The files as they were when they were read last.
        self._read: dict[str, Status | None] = {}

    def start(self) -> Made:
        """The table for the start; blocks while it is compiled.

        Raises WrongRules, CannotCompile, NotUsable.
        """
        found = find_prepared(self._order)
        if found is not None:
            self._prepared, sources = found
            with contextlib.suppress(NotCovered):
                return sources, table_of(self._prepared, sources)
        return self._made(_wait_for_answer(*_start_child(self._order)))

    def only_grew(self) -> bool:
        """Whether nothing was replaced or cut since they were read, so that `appended` will do.

        Cheap: reads no file.
        """
        if self._prepared is None:
            return False
        before = {path: state.status for path, state in self._prepared.files.items()} | self._read
        return all(is_grown(before[path], now) for path, now in self._statuses().items())

    async def appended(self) -> Made | None:
        """The table with what was appended to the files since, if that is all that changed."""
        if self._prepared is None:
            return None
        self._read = self._statuses()
        return await beside_the_loop(_with_appended, self._prepared)

    async def compile(self) -> Made:
        """All compiled anew. Raises WrongRules, CannotCompile, NotUsable."""
        self._read = self._statuses()
        pid, answers = _start_child(self._order)
        answer = await _answer_of(pid, answers)
        return await beside_the_loop(self._made, answer)

    def _statuses(self) -> dict[str, Status | None]:
        files = {} if self._prepared is None else self._prepared.files
        return {path: status_of(path) for path in files}

    def _made(self, answer: bytes) -> Made:
        self._prepared = read_answer(answer)
        return self._prepared.sources, table_of(self._prepared)


async def beside_the_loop(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What takes long, in a thread; the loop goes on."""
    sys.setswitchinterval(SWITCH_SECONDS)
    return await asyncio.to_thread(work, *args, **kwargs)


def _with_appended(prepared: Prepared) -> Made | None:
    """The table with what was appended since. Takes long where many rules need names or users."""
    sources = appended_to(prepared)
    if sources is None:
        return None
    try:
        return sources, table_of(prepared, sources)
    except NotCovered:
        return None


def _start_child(order: Order) -> tuple[int, int]:
    """Start a child that compiles; its process, and a descriptor that `read_answer` reads.

    Takes no longer for a large process than for a small one. Raises OSError.
    """
    answers, answer = os.pipe2(os.O_CLOEXEC)
    try:
        pid = os.posix_spawn(
            sys.executable,
            words_to_run(CHILD, order.as_text()),
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, answer, 1)],
        )
    except OSError:
        os.close(answers)
        raise
    finally:
        os.close(answer)
    return pid, answers


async def _answer_of(pid: int, answers: int) -> bytes:
    """All that the child says; it is ended at the deadline, and reaped in any case."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    said = bytearray()

    def read() -> None:
        data = os.read(answers, ANSWER_BYTES)
        said.extend(data)
        if not data and not ended.done():
            ended.set_result(None)

    try:
        loop.add_reader(answers, read)
        async with asyncio.timeout(COMPILE_SECONDS):
            await ended
    except TimeoutError as error:
        raise CannotCompile(f"compiling took longer than {COMPILE_SECONDS:.0f} s") from error
    finally:
        loop.remove_reader(answers)
        os.close(answers)
        code = _end(pid)
    return _checked(said, code)


def _wait_for_answer(pid: int, answers: int) -> bytes:
    """The same for the start, when there is no loop to go on with."""
    until = time.monotonic() + COMPILE_SECONDS
    said = bytearray()
    poller = select.poll()
    poller.register(answers, select.POLLIN)
    try:
        while poller.poll(max(0.0, until - time.monotonic()) * 1000):
            data = os.read(answers, ANSWER_BYTES)
            if not data:
                break
            said += data
        else:
            raise CannotCompile(f"compiling took longer than {COMPILE_SECONDS:.0f} s")
    finally:
        os.close(answers)
        code = _end(pid)
    return _checked(said, code)


def _end(pid: int) -> int:
    """It has answered, or won't: either way nothing of it is needed any more. Its exit code."""
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _checked(said: bytearray, code: int) -> bytes:
    """The answer. Raises CannotCompile when there is none because the child could not begin."""
    if not said and code > 0:
        raise CannotCompile(f"{sys.executable} -m {CHILD} ended with exit code {code}")
    return bytes(said)
