# SPDX-License-Identifier: MIT
import asyncio
import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from socketgate.compiler import Compiler, _answer_of, _end, _start_child, beside_the_loop
from socketgate.largerules import CannotCompile, WrongRules
from socketgate.rules.request import Access
from socketgate.rules.table import RuleTable
from tests.support.largefiles import KEY, Files
from tests.support.waiting import environment, play

PATIENCE_MS = 10_000


@pytest.fixture
def files(tmp_path: Path) -> Files:
    files = Files(tmp_path)
    files.allow.write_text("sshd: 10.1.\n")
    files.deny.write_text("ALL: 192.0.2.0/24\n")
    return files


def access(table: RuleTable, address: str) -> Access | None:
    verdict = table.policy(*KEY).verdict(address)
    return None if verdict is None else verdict.access


def test_a_start_compiles_what_was_not_compiled_before(files: Files) -> None:
    _, table = Compiler(files.order()).start()
    assert access(table, "10.1.2.3") is Access.ALLOW
    assert len(list(files.cache.glob("*.json"))) == 1


def test_what_was_appended_needs_no_child(files: Files) -> None:
    async def scene() -> None:
        compiler = Compiler(files.order())
        compiler.start()
        files.append("ALL: 203.0.113.10\n")
        made = await compiler.appended()
        assert made is not None
        assert access(made[1], "203.0.113.10") is Access.DENY
        files.deny.write_text("ALL: 203.0.113.11\n")
        assert await compiler.appended() is None

    play(scene())


def replace(files: Files) -> None:
    new = files.deny.with_name("new")
    new.write_text(files.deny.read_text() + "ALL: 203.0.113.10\n")
    new.rename(files.deny)


@pytest.mark.parametrize(
    ("change", "only_grew"),
    [
        pytest.param(lambda _: None, True, id="nothing"),
        pytest.param(lambda files: files.append("ALL: 203.0.113.10\n"), True, id="appended"),
        pytest.param(lambda files: files.deny.write_text("#\n"), False, id="cut"),
        pytest.param(replace, False, id="replaced"),
        pytest.param(lambda files: files.deny.unlink(), False, id="deleted"),
    ],
)
def test_files_only_grew_if_they_are_the_same_and_no_shorter(
    files: Files, change: Callable[[Files], None], *, only_grew: bool
) -> None:
    compiler = Compiler(files.order())
    compiler.start()
    change(files)
    assert compiler.only_grew() is only_grew


def test_a_file_that_was_replaced_once_grows_like_any_other(files: Files) -> None:
    async def scene() -> None:
        compiler = Compiler(files.order())
        compiler.start()
        replace(files)
        await compiler.appended()
        files.append("ALL: 203.0.113.11\n")
        assert compiler.only_grew()

    play(scene())


def test_a_file_stays_one_that_was_replaced_however_often_it_is_looked_at(files: Files) -> None:
    compiler = Compiler(files.order())
    compiler.start()
    replace(files)
    assert [compiler.only_grew(), compiler.only_grew()] == [False, False]


def test_nothing_has_only_grown_that_was_never_compiled(files: Files) -> None:
    assert not Compiler(files.order()).only_grew()


def test_nothing_can_be_appended_to_what_was_never_compiled(files: Files) -> None:
    assert play(Compiler(files.order()).appended()) is None


def test_an_appended_aclexec_rule_has_all_compiled_anew(files: Files) -> None:
    async def scene() -> None:
        compiler = Compiler(files.order())
        compiler.start()
        with files.allow.open("a") as file:
            file.write("ALL: 10. : aclexec true\n")
        assert await compiler.appended() is None
        _, table = await compiler.compile()
        assert access(table, "192.0.2.8") is Access.DENY

    play(scene())


def test_a_child_has_nothing_open_of_ours(files: Files) -> None:
    """Stopped before it can do anything, it doesn't keep a client from seeing the end.

    execve(2) closes what is ours just after it lets posix_spawn(3) return.
    """
    near, far = socket.socketpair()
    pid, answers = _start_child(files.order())
    try:
        os.kill(pid, signal.SIGSTOP)
        near.close()
        poller = select.poll()
        poller.register(far, select.POLLIN)
        assert poller.poll(PATIENCE_MS)
    finally:
        far.close()
        os.close(answers)
        _end(pid)


def test_a_child_takes_no_program_from_the_folder_it_is_started_in(
    files: Files, tmp_path: Path
) -> None:
    """Which may be anybody's, where root runs a gate by hand."""
    strange = tmp_path / "socketgate"
    strange.mkdir()
    (strange / "__init__.py").touch()
    with contextlib.chdir(tmp_path):
        _, table = Compiler(files.order()).start()
    assert access(table, "10.1.2.3") is Access.ALLOW


def test_a_child_that_cannot_even_begin_is_no_want_of_memory(files: Files) -> None:
    """As while a package is replaced: the gate compiles the rules itself."""
    unheard_of = environment(PYTHONIOENCODING="unheard-of")
    with unheard_of, pytest.raises(CannotCompile, match="exit code 1"):
        Compiler(files.order()).start()


def test_a_child_is_not_left_behind_when_its_answer_cannot_be_waited_for(tmp_path: Path) -> None:
    """epoll_ctl(2) fails: here for a regular file, elsewhere for want of memory."""
    answers = os.open(tmp_path / "answers", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    pid = os.posix_spawn(
        "/bin/cat",
        ["cat", "/dev/zero"],
        {},
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)],
    )
    with pytest.raises(PermissionError):
        play(_answer_of(pid, answers))
    try:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    except BaseException:
        _end(pid)
        os.close(answers)
        raise


def test_the_loop_turns_while_a_child_compiles(files: Files) -> None:
    async def scene() -> None:
        compiler = Compiler(files.order())
        compiling = asyncio.ensure_future(compiler.compile())
        turns = 0
        while not compiling.done():
            await asyncio.sleep(0)
            turns += 1
        _, table = await compiling
        assert turns > 1
        assert access(table, "192.0.2.7") is Access.DENY

    play(scene())


def test_a_thread_beside_the_loop_lets_go_of_the_interpreter_soon() -> None:
    sys.setswitchinterval(0.005)  # as Python begins
    assert play(beside_the_loop(sys.getswitchinterval)) < 0.001


def test_rules_that_need_names_are_read_beside_the_loop(files: Files) -> None:
    """So many take the processor for a third of a second."""
    files.deny.write_text("".join(f"ALL: .h{n}.example.org\n" for n in range(5000)))

    async def longest_turn(work: Awaitable[object]) -> float:
        """In seconds of the loop's own processor time."""
        task = asyncio.ensure_future(work)
        longest, before = 0.0, time.thread_time()
        while not task.done():
            await asyncio.sleep(0.001)
            longest, before = max(longest, time.thread_time() - before), time.thread_time()
        assert await task is not None
        return longest

    async def scene() -> list[float]:
        compiler = Compiler(files.order())
        compiled = await longest_turn(compiler.compile())
        files.append("ALL: 203.0.113.10\n")
        return [compiled, await longest_turn(compiler.appended())]

    assert max(play(scene())) < 0.05


def test_wrong_rules_are_said(files: Files) -> None:
    files.append("ALL: 300.1.2.3\n")
    compiler = Compiler(files.order())
    with pytest.raises(WrongRules):
        compiler.start()
    with pytest.raises(WrongRules):
        play(compiler.compile())
