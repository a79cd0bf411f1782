# SPDX-License-Identifier: MIT
"""Programs started by posix_spawn(3) itself."""

import ctypes
import errno
import os
import signal
from pathlib import Path

import pytest

from socketgate.posixspawn import Spawner, Strings
from tests.support.gatestub import client_pair, read_all


def spawner(path: bytes, *words: bytes, targets: tuple[int, ...] = (0, 1)) -> Spawner:
    return Spawner(path, [path, *words], targets=targets, default_signals=[signal.SIGUSR1])


def said(made: Spawner, environment: Strings) -> bytes:
    """What a client reads from the program."""
    with client_pair() as (near, far):
        pid = made.start(environment, far.fileno())
        far.close()
        heard = read_all(near)
    os.waitpid(pid, 0)
    return heard


def texts_at(strings: Strings) -> list[bytes | None]:
    """As C would read them, the null pointer too."""
    return list((ctypes.c_char_p * len(strings.pointers)).from_address(strings.address))


def test_strings_end_with_a_null_pointer() -> None:
    strings = Strings([b"A=1", b"", b"B=2"])
    assert texts_at(strings) == [b"A=1", b"", b"B=2", None]


def test_strings_begin_with_those_they_are_to_follow() -> None:
    strings = Strings([b"B=2"], after=Strings([b"A=1"]))
    assert texts_at(strings) == [b"A=1", b"B=2", None]


def test_no_strings_are_a_null_pointer() -> None:
    assert texts_at(Strings([], after=Strings([]))) == [None]


def test_a_program_has_its_words_and_its_environment() -> None:
    made = spawner(b"/bin/sh", b"-c", b"echo $0 $1 $A", b"x y", b"z")
    assert said(made, Strings([b"A=1"])) == b"x y z 1\n"


def test_a_program_has_the_client_on_the_descriptors_named() -> None:
    made = spawner(b"/bin/sh", b"-c", b"echo oops >&2", targets=(0, 1, 2))
    assert said(made, Strings([])) == b"oops\n"


def test_one_descriptor_can_be_different_clients_in_turn() -> None:
    made = spawner(b"/bin/echo", b"hello")
    assert [said(made, Strings([])) for _ in range(2)] == [b"hello\n"] * 2


def test_signals_have_their_default_in_the_program() -> None:
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        heard = said(spawner(b"/bin/grep", b"SigIgn", b"/proc/self/status"), Strings([]))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert int(heard.split()[1], 16) & 1 << (signal.SIGUSR1 - 1) == 0


def test_a_program_that_cannot_be_executed_leaves_no_process(tmp_path: Path) -> None:
    made = spawner(os.fsencode(tmp_path / "none"))
    with client_pair() as (_, far), pytest.raises(OSError, match="No such file") as raised:
        made.start(Strings([]), far.fileno())
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert raised.value.errno == errno.ENOENT
