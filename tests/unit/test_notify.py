# SPDX-License-Identifier: MIT
import contextlib
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from socketgate.notify import Notifier, Send, _send_by_hand, _through_sdnotify, watchdog_seconds
from tests.support.descriptors import full_inbox
from tests.support.waiting import PATIENCE_SECONDS, environment, open_descriptors


def said() -> tuple[Notifier, list[str]]:
    states: list[str] = []
    return Notifier(send=states.append), states


def test_ready_says_the_status_with_it() -> None:
    notifier, states = said()
    notifier.ready("rules generation 1")
    assert states == ["READY=1\nSTATUS=rules generation 1"]


def test_a_status_is_said_again_only_when_it_changed() -> None:
    notifier, states = said()
    for text in ("a", "a", "b", "a"):
        notifier.status(text)
    assert states == ["STATUS=a", "STATUS=b", "STATUS=a"]


def test_the_status_said_when_ready_is_not_said_again() -> None:
    notifier, states = said()
    notifier.ready("a")
    notifier.status("a")
    assert states == ["READY=1\nSTATUS=a"]


def test_reloading_says_the_time_that_type_notify_reload_wants() -> None:
    notifier, states = said()
    notifier.reloading()
    assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=[0-9]+", states[0])


def test_stopping_says_why_it_takes_time() -> None:
    notifier, states = said()
    notifier.stopping("waiting")
    assert states == ["STOPPING=1\nSTATUS=waiting"]


def test_the_watchdog_is_fed() -> None:
    notifier, states = said()
    notifier.watchdog()
    assert states == ["WATCHDOG=1"]


def test_a_newline_in_a_status_begins_no_variable_of_its_own() -> None:
    notifier, states = said()
    notifier.ready("a\nMAINPID=1")
    notifier.status("b\nMAINPID=1")
    notifier.stopping("c\nMAINPID=1")
    assert [state.count("\nMAINPID") for state in states] == [0, 0, 0]


@contextlib.contextmanager
def manager(address: str) -> Iterator[socket.socket]:
    """What stands for systemd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE_SECONDS)
        sock.bind(address.replace("@", "\0"))
        yield sock


@contextlib.contextmanager
def through(way: str) -> Iterator[Send]:
    """One of the two ways to systemd. The package's socket ends with it."""
    send = _through_sdnotify() if way == "sdnotify" else _send_by_hand
    yield send
    for cell in getattr(send, "__closure__", None) or ():
        if (sock := getattr(cell.cell_contents.__self__, "socket", None)) is not None:
            sock.close()


WAYS = pytest.mark.parametrize("way", ["sdnotify", "by-hand"])


@WAYS
@pytest.mark.parametrize("is_abstract", [False, True], ids=["path", "abstract"])
def test_what_is_said_reaches_the_service_manager(
    way: str, is_abstract: bool, tmp_path: Path
) -> None:
    address = f"@socketgate-test-{os.getpid()}-{way}" if is_abstract else str(tmp_path / "notify")
    with manager(address) as sock, environment(NOTIFY_SOCKET=address), through(way) as send:
        Notifier(send).ready("rules generation 1")
        assert sock.recv(4096) == b"READY=1\nSTATUS=rules generation 1"


@WAYS
def test_a_status_beyond_latin_1_arrives_as_utf_8(way: str, tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with manager(address) as sock, environment(NOTIFY_SOCKET=address), through(way) as send:
        Notifier(send).ready("rules from /etc/правила")
        assert sock.recv(4096).decode() == "READY=1\nSTATUS=rules from /etc/правила"


@WAYS
def test_a_file_name_that_is_no_utf_8_still_arrives(way: str, tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with manager(address) as sock, environment(NOTIFY_SOCKET=address), through(way) as send:
        Notifier(send).ready(os.fsdecode(b"/etc/\xff"))
        assert sock.recv(4096) == rb"READY=1" + b"\n" + rb"STATUS=/etc/\udcff"


@WAYS
def test_a_manager_that_has_gone_is_no_failure(way: str, tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with environment(NOTIFY_SOCKET=address), contextlib.ExitStack() as stack:
        with manager(address):
            notifier = Notifier(stack.enter_context(through(way)))
        notifier.ready("x")


@WAYS
def test_a_manager_that_never_reads_does_not_hold_us_up_for_ever(way: str, tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with (
        manager(address),
        environment(NOTIFY_SOCKET=address),
        through(way) as send,
        full_inbox(address),
    ):
        thread = threading.Thread(target=Notifier(send).watchdog, daemon=True)
        thread.start()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def test_without_a_manager_nothing_is_said_and_nothing_opened() -> None:
    with environment(NOTIFY_SOCKET=None):
        before = open_descriptors()
        Notifier().ready("x")
        assert open_descriptors() == before


def test_the_watchdog_is_fed_twice_in_its_time() -> None:
    with environment(WATCHDOG_USEC="30000000", WATCHDOG_PID=str(os.getpid())):
        assert watchdog_seconds() == 15.0


@pytest.mark.parametrize(
    ("microseconds", "pid"),
    [
        pytest.param(None, None, id="no-watchdog"),
        pytest.param("", None, id="empty"),
        pytest.param("0", None, id="zero"),
        pytest.param("-5", None, id="negative"),
        pytest.param("soon", None, id="no-number"),
        pytest.param("30000000", "1", id="for-another-process"),
    ],
)
def test_there_is_no_watchdog_unless_it_is_meant_for_us(
    microseconds: str | None, pid: str | None
) -> None:
    with environment(WATCHDOG_USEC=microseconds, WATCHDOG_PID=pid):
        assert watchdog_seconds() is None
