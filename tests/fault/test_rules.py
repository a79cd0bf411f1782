# SPDX-License-Identifier: MIT
"""Whatever happens to the rule files, the old rules stay or the new ones are right."""

import contextlib
import errno
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from socketgate.bans import Ban, parse_net
from socketgate.banstore import Store
from tests.fault.injected import answered
from tests.support.running import RunningGate, listening
from tests.support.waiting import kill_first_child

WAIT_SECONDS = 20.0
DENY_ALL = "ALL: ALL\n"
#: So many that a child compiles them, into a file.
LARGE = "".join(f"ALL: 198.18.{number // 256}.{number % 256}\n" for number in range(10_000))

#: More than the kernel queues for one who doesn't read (inotify(7): max_queued_events).
OVERFLOW = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text()) + 1000


@pytest.fixture
def port() -> Iterator[socket.socket]:
    with listening() as sock:
        yield sock


def gate_in(folder: Path, port: socket.socket, deny: str, *prefix: str) -> RunningGate:
    settings = f'[daemon.test]\nbackend = "{folder}/backend.sock"\n'
    return RunningGate(folder, [("test", port)], deny=deny, settings=settings, prefix=prefix)


def is_refused(port: socket.socket) -> bool:
    """Whether the next client sees the end; an admitted one waits for a backend without one."""
    with socket.create_connection(port.getsockname(), WAIT_SECONDS) as client:
        try:
            return client.recv(1) == b""
        except ConnectionResetError:
            return True


def half_a_rule(path: Path) -> None:
    path.write_text("ALL: 192.0.2.")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_loop_of_links(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def binary_noise(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 64)


def two_gigabytes(path: Path) -> None:
    """Of nothing: a sparse file."""
    os.truncate(path, 2 << 30)


DAMAGE = pytest.mark.parametrize(
    "damage",
    [half_a_rule, a_folder, a_loop_of_links, a_fifo, binary_noise, two_gigabytes],
    ids=lambda function: function.__name__,
)


@DAMAGE
def test_a_damaged_file_leaves_the_rules_in_force(
    tmp_path: Path, port: socket.socket, damage: Callable[[Path], None]
) -> None:
    with gate_in(tmp_path, port, DENY_ALL) as gate:
        damage(gate.deny)
        gate.wait_status("the files have errors")
        assert is_refused(port)


@DAMAGE
def test_a_mended_file_is_in_force_without_anybody_asking(
    tmp_path: Path, port: socket.socket, damage: Callable[[Path], None]
) -> None:
    with gate_in(tmp_path, port, DENY_ALL) as gate:
        damage(gate.deny)
        gate.wait_status("the files have errors")
        mended = tmp_path / "mended"
        mended.write_text("ALL: 127.0.0.0/8\nALL: 192.0.2.1\n")
        if gate.deny.is_dir():
            gate.deny.rmdir()
        mended.rename(gate.deny)
        gate.wait_status(": 2 rules")
        assert is_refused(port)


def test_a_file_replaced_a_thousand_times_a_second_never_lets_anybody_in(
    tmp_path: Path, port: socket.socket
) -> None:
    texts = ("ALL: ALL\n", "ALL: 127.0.0.0/255.0.0.0\n", "ALL: 127.\n")
    stop = threading.Event()

    def replace_for_ever() -> None:
        number = 0
        while not stop.wait(0.001):
            new = tmp_path / "new"
            new.write_text(texts[number % len(texts)])
            new.rename(tmp_path / "hosts.deny")
            number += 1

    with gate_in(tmp_path, port, DENY_ALL):
        writer = threading.Thread(target=replace_for_ever)
        writer.start()
        try:
            assert [is_refused(port) for _ in range(100)] == [True] * 100
        finally:
            stop.set()
            writer.join()


def test_a_change_lost_in_an_overflow_is_seen(tmp_path: Path, port: socket.socket) -> None:
    """The gate stands still while more happens in its folder than the kernel queues."""
    with gate_in(tmp_path, port, "") as gate:
        gate.signal(signal.SIGSTOP)
        try:
            with contextlib.ExitStack() as stack:
                files = [stack.enter_context((tmp_path / name).open("wb")) for name in "ab"]
                for number in range(OVERFLOW):
                    os.pwrite(files[number % 2].fileno(), b"x", 0)
            gate.deny.write_text(DENY_ALL)
        finally:
            gate.signal(signal.SIGCONT)
        assert is_refused(port)


NO_WATCHES = 'echo 0 >/proc/sys/user/max_inotify_watches && exec "$@"'


def test_without_a_watch_left_the_gate_starts_says_so_and_reloads_by_hand(
    tmp_path: Path, port: socket.socket
) -> None:
    with gate_in(tmp_path, port, "", "unshare", "-Ur", "sh", "-c", NO_WATCHES, "sh") as gate:
        texts = [entry.get("MESSAGE", "") for entry in gate.inbox.entries]
        assert any("changes there need 'systemctl reload'" in text for text in texts), texts
        gate.deny.write_text(DENY_ALL)
        gate.signal(signal.SIGHUP)
        gate.wait_status("generation 2")
        assert is_refused(port)


def test_without_an_inotify_instance_left_the_start_fails_and_says_what_to_raise(
    tmp_path: Path, port: socket.socket
) -> None:
    none_left = 'echo 0 >/proc/sys/user/max_inotify_instances && exec "$@"'
    prefix = ("unshare", "-Ur", "sh", "-c", none_left, "sh")
    code, said = RunningGate(tmp_path, [("test", port)], prefix=prefix).run_to_end()
    assert code == 2
    assert said == (
        "socketgate: changes of the rule files can't be watched: inotify_init: Too many open files:"
        " raise fs.inotify.max_user_instances (sysctl.d(5)), each gate takes one\n"
    )


@contextlib.contextmanager
def without_descriptors(gate: RunningGate) -> Iterator[None]:
    """The gate can open nothing (EMFILE) for a while."""
    before = resource.prlimit(gate.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(gate.pid, resource.RLIMIT_NOFILE, (5, before[1]))
    try:
        yield
    finally:
        resource.prlimit(gate.pid, resource.RLIMIT_NOFILE, before)


def test_rules_that_could_not_be_read_for_want_of_descriptors_are_in_force_later(
    tmp_path: Path, port: socket.socket
) -> None:
    """No event says when there are descriptors again."""
    with gate_in(tmp_path, port, "") as gate:
        with without_descriptors(gate):
            gate.deny.write_text(DENY_ALL)
            gate.wait_status("the rules can't be read just now")
        gate.wait_status("generation 2")
        assert is_refused(port)


def settings_with_bans(folder: Path, store: Path) -> str:
    """Nobody serves the daemon: who isn't refused is closed a second later."""
    return (
        f'[bans]\nstore = "{store}"\n[daemon.test]\nbackend = "{folder}/backend.sock"\n'
        "[limits]\nhandoff-seconds = 1\n"
    )


def test_a_ban_that_could_not_be_read_for_want_of_descriptors_is_in_force_later(
    tmp_path: Path, port: socket.socket
) -> None:
    """The first ban, or any after the store was tidied up: the gate has to open a new file."""
    store = tmp_path / "bans"
    settings = settings_with_bans(tmp_path, store)
    now = int(time.time())
    with RunningGate(tmp_path, [("test", port)], settings=settings) as gate:
        with without_descriptors(gate):
            Store(store).append([Ban(net=parse_net("127.0.0.1"), made=now)], now)
            gate.wait_entries(1, MESSAGE=f"{store}: bans can't be read: Too many open files")
            gate.signal(signal.SIGHUP)  # answered when all events so far have been seen
            gate.wait_for("RELOADING")
            gate.wait_for("READY")
        outcomes = (outcome_of_the_next(gate, port, number) for number in range(1, 11))
        assert "refused" in outcomes


def test_bans_that_can_t_be_read_at_the_start_fail_it(tmp_path: Path, port: socket.socket) -> None:
    """Who is banned isn't known, and nobody is let in by mistake: clients wait in the queue."""
    store = tmp_path / "bans"
    os.mkfifo(store)
    settings = f'[bans]\nstore = "{store}"\n'
    code, said = RunningGate(tmp_path, [("test", port)], settings=settings).run_to_end()
    assert code == 2
    assert said == (
        f"socketgate: {store}: bans can't be read: not a regular file; "
        "no gate starts without them\n"
    )


def test_bans_that_can_t_be_read_later_are_those_before(
    tmp_path: Path, port: socket.socket
) -> None:
    """The new file can be opened, and its contents can't be read."""
    store, new = tmp_path / "bans", tmp_path / "new"
    bans = [Ban(net=parse_net("127.0.0.1"), made=0)]
    for path in (store, new):
        Store(path).append(bans, 0)
    settings = f'[bans]\nstore = "{store}"\n'
    with (
        RunningGate(tmp_path, [("test", port)], settings=settings) as gate,
        answered(gate.pid, "pread64", errno.EIO, when="3+"),
    ):
        new.rename(store)
        gate.wait_entries(1, MESSAGE=f"{store}: bans can't be read: Input/output error")
        assert is_refused(port)


def test_without_a_watch_left_bans_are_in_force_a_moment_later(
    tmp_path: Path, port: socket.socket
) -> None:
    store = tmp_path / "bans"
    settings = settings_with_bans(tmp_path, store)
    prefix = ("unshare", "-Ur", "sh", "-c", NO_WATCHES, "sh")
    with RunningGate(tmp_path, [("test", port)], settings=settings, prefix=prefix) as gate:
        Store(store).append([Ban(net=parse_net("127.0.0.1"), made=0)], 0)
        outcomes = (outcome_of_the_next(gate, port, number) for number in range(1, 11))
        assert "refused" in outcomes


def outcome_of_the_next(gate: RunningGate, port: socket.socket, number: int) -> str:
    """How the gate's client of this number ends."""
    is_refused(port)
    *_, entry = gate.wait_entries(number, SOCKETGATE_CLIENT_ADDR="127.0.0.1")
    return entry["SOCKETGATE_OUTCOME"]


def test_a_reload_for_want_of_descriptors_has_an_end(tmp_path: Path, port: socket.socket) -> None:
    """`systemctl reload` waits for READY=1."""
    with gate_in(tmp_path, port, "") as gate, without_descriptors(gate):
        gate.signal(signal.SIGHUP)
        gate.wait_for("RELOADING")
        gate.wait_for("READY")


#: In a mount namespace of the gate's own, a disk that holds a page.
NO_ROOM = 'mount -t tmpfs -o size=4k none "$1" && shift && exec "$@"'


def with_full(folder: Path) -> tuple[str, ...]:
    """A command's prefix: nothing can be written in that folder (ENOSPC)."""
    return ("unshare", "--mount", "sh", "-euc", NO_ROOM, "sh", str(folder))


def test_a_compiling_process_that_is_killed_leaves_the_rules_in_force(
    tmp_path: Path, port: socket.socket
) -> None:
    """As by the kernel for want of memory: the gate doesn't try what would end it as well."""
    with gate_in(tmp_path, port, DENY_ALL) as gate:
        new = tmp_path / "new"
        new.write_text(LARGE)
        new.rename(gate.deny)
        kill_first_child(gate.pid)
        gate.wait_status("the process that compiles was ended")
        assert is_refused(port)


def test_with_no_room_on_disk_for_the_copy_the_new_rules_hold(
    tmp_path: Path, port: socket.socket
) -> None:
    """The last good rules can't be kept; those in force don't depend on it."""
    with gate_in(tmp_path, port, "", *with_full(tmp_path / "state")) as gate:
        gate.deny.write_text(DENY_ALL)
        gate.wait_status("generation 2")
        assert is_refused(port)
        text = "can't keep a copy of the rules: No space left on device"
        gate.wait_entries(1, MESSAGE=f"{tmp_path}/state/last-good-rules.tar: {text}")


def test_with_no_room_on_disk_for_the_compiled_table_large_rules_hold(
    tmp_path: Path, port: socket.socket
) -> None:
    with gate_in(tmp_path, port, "", *with_full(tmp_path / "cache")) as gate:
        gate.deny.write_text(LARGE + DENY_ALL)
        gate.wait_status("generation 2")
        assert is_refused(port)


def test_large_rules_are_in_force_at_the_start_with_no_room_on_disk(
    tmp_path: Path, port: socket.socket
) -> None:
    with gate_in(tmp_path, port, LARGE + DENY_ALL, *with_full(tmp_path / "cache")):
        assert is_refused(port)
