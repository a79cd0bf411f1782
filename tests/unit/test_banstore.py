# SPDX-License-Identifier: MIT
import contextlib
import fcntl
import multiprocessing
import os
import resource
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from socketgate.banlog import encode_event, parse_header
from socketgate.bans import Ban, Bans, Unban, parse_net
from socketgate.banstore import SLACK_BYTES, Store, StoreReader

NOW = 1_000_000.0


def ban(net: str, until: int = 2_000_000) -> Ban:
    return Ban(net=parse_net(net), made=int(NOW), until=until)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "bans")


class Gate:
    """A reader as a gate has it; tests close it by `with`."""

    def __init__(self, path: Path) -> None:
        self.bans = Bans()
        self.reader = StoreReader(path, self.bans)
        self.troubles = self.reader.refresh()

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, *_: object) -> None:
        self.reader.close()

    def nets(self) -> list[str]:
        self.troubles = self.reader.refresh()
        return sorted(one.net.name for one in self.bans)


def nets(store: Store, now: float = NOW) -> list[str]:
    return sorted(one.net.name for one in store.bans(now))


def many(count: int) -> list[Ban]:
    return [ban(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(count)]


def bytes_read() -> int:
    """By this process so far, proc_pid_io(5)."""
    _, _, count = Path("/proc/self/io").read_text().split("\n")[0].partition(" ")
    return int(count)


def renew(store: Store) -> None:
    """Make the log long enough to be written anew."""
    size = len(encode_event(ban("192.0.2.200")))
    before = store.path.stat().st_ino
    for _ in range(2):
        store.append([ban("192.0.2.200")] * (SLACK_BYTES // size + 1), NOW)
    assert store.path.stat().st_ino != before


def test_without_a_file_there_is_no_ban(store: Store) -> None:
    assert nets(store) == []


def test_bans_are_kept(store: Store) -> None:
    store.append([ban("192.0.2.7"), ban("2001:db8::/64")], NOW)
    assert nets(store) == ["192.0.2.7", "2001:db8::/64"]


def test_a_ban_that_has_run_out_is_not_told(store: Store) -> None:
    store.append([ban("192.0.2.7", until=1_000_010)], NOW)
    assert nets(store, NOW + 10) == []


def test_everybody_may_read_and_the_group_may_write_whatever_the_umask(store: Store) -> None:
    umask = os.umask(0o077)
    try:
        store.append([ban("192.0.2.7")], NOW)
    finally:
        os.umask(umask)
    assert store.path.stat().st_mode & 0o777 == 0o664


def test_a_long_log_is_renewed_and_loses_nothing(store: Store) -> None:
    store.append([ban("192.0.2.7"), ban("192.0.2.8")], NOW)
    store.append([Unban(parse_net("192.0.2.8"), "ALL")], NOW)
    renew(store)
    assert nets(store) == ["192.0.2.200", "192.0.2.7"]


def test_a_renewed_log_is_short(store: Store) -> None:
    store.append([ban("192.0.2.7")], NOW)
    renew(store)
    header = parse_header(store.path.read_bytes())
    assert header.base < 300


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:-5], id="half-a-line-at-the-end"),
        pytest.param(lambda data: b"X" + data[1:], id="bad-header"),
        pytest.param(lambda data: b"", id="empty"),
    ],
)
def test_a_damaged_file_is_kept_aside_when_a_ban_is_added(
    store: Store, damage: Callable[[bytes], bytes]
) -> None:
    store.append([ban("192.0.2.7"), ban("192.0.2.8")], NOW)
    damaged = damage(store.path.read_bytes())
    store.path.write_bytes(damaged)
    store.append([ban("192.0.2.9")], NOW)
    aside = store.path.with_name(f"bans.damaged-{int(NOW)}")
    assert aside.read_bytes() == damaged


def test_what_could_be_read_of_a_damaged_file_counts(store: Store) -> None:
    store.append([ban("192.0.2.7"), ban("192.0.2.8")], NOW)
    store.path.write_bytes(store.path.read_bytes()[:-5])
    store.append([ban("192.0.2.9")], NOW)
    assert nets(store) == ["192.0.2.7", "192.0.2.9"]


def test_damage_is_said_once(store: Store) -> None:
    store.append([ban("192.0.2.7")], NOW)
    with store.path.open("ab") as file:
        file.write(b"rubbish\n")
    store.bans(NOW)
    store.bans(NOW)
    assert len(store.troubles) == 1
    assert "was damaged: 1 ban could be read" in store.troubles[0]


def test_a_symbolic_link_is_not_followed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("precious\n")
    store.path.symlink_to("elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        store.append([ban("192.0.2.7")], NOW)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_only_who_may_ban_can_take_the_lock(store: Store, umask: int) -> None:
    before = os.umask(umask)
    try:
        store.append([ban("192.0.2.7")], NOW)
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.path.with_name("bans.lock").stat().st_mode) == 0o660


def test_a_lock_that_anybody_could_take_is_shut(store: Store) -> None:
    lock = store.path.with_name("bans.lock")
    lock.touch()
    lock.chmod(0o644)
    store.append([ban("192.0.2.7")], NOW)
    assert stat.S_IMODE(lock.stat().st_mode) == 0o660


def test_a_lock_that_is_never_given_back_is_said(store: Store) -> None:
    store.append([ban("192.0.2.7")], NOW)
    with store.path.with_name("bans.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError, match=r"'fuser -v .*/bans\.lock' says by whom"):
            Store(store.path, lock_seconds=0.02).append([ban("192.0.2.8")], NOW)
    assert nets(store) == ["192.0.2.7"]


def test_a_fifo_in_its_place_blocks_nobody(store: Store) -> None:
    os.mkfifo(store.path)
    with pytest.raises(OSError, match="not a regular file"):
        store.append([ban("192.0.2.7")], NOW)


@contextlib.contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """A full disk, as far as this process can tell (setrlimit(2), RLIMIT_FSIZE)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_ban_for_which_there_is_no_room_leaves_the_store_as_it_was(store: Store) -> None:
    store.append([ban("192.0.2.7")], NOW)
    before = store.path.read_bytes()
    with no_file_longer_than(len(before) + 10), pytest.raises(OSError, match="too large"):
        store.append([ban("192.0.2.8")], NOW)
    assert store.path.read_bytes() == before


def append_some(path: Path, number: int) -> None:
    for last in range(50):
        Store(path).append([ban(f"10.0.{number}.{last}")], NOW)


def test_bans_by_many_at_once_are_all_kept(store: Store) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=append_some, args=(store.path, n)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        worker.close()
    assert len(nets(store)) == 200


def test_a_gate_reads_what_was_there_before_it(store: Store) -> None:
    store.append([ban("192.0.2.7")], NOW)
    with Gate(store.path) as gate:
        assert gate.nets() == ["192.0.2.7"]


def test_a_gate_reads_on(store: Store) -> None:
    with Gate(store.path) as gate:
        store.append([ban("192.0.2.7")], NOW)
        assert gate.nets() == ["192.0.2.7"]
        store.append([ban("192.0.2.8"), Unban(parse_net("192.0.2.7"), "ALL")], NOW)
        assert gate.nets() == ["192.0.2.8"]


def test_a_gate_follows_to_a_renewed_log(store: Store) -> None:
    store.append([ban("192.0.2.7")], NOW)
    with Gate(store.path) as gate:
        renew(store)
        assert gate.nets() == ["192.0.2.200", "192.0.2.7"]
        store.append([ban("192.0.2.8")], NOW)
        assert gate.nets() == ["192.0.2.200", "192.0.2.7", "192.0.2.8"]


def test_a_gate_that_missed_a_whole_log_reads_the_new_one(store: Store) -> None:
    store.append([ban("192.0.2.7")], NOW)
    with Gate(store.path) as gate:
        renew(store)
        store.append([Unban(parse_net("192.0.2.7"), "ALL")], NOW)
        renew(store)
        assert gate.nets() == ["192.0.2.200"]


def test_a_gate_that_is_up_to_date_reads_nothing_again_when_the_log_is_renewed(
    store: Store,
) -> None:
    """The bans it has are the very objects it had."""
    store.append([ban("192.0.2.7")], NOW)
    with Gate(store.path) as gate:
        (before,) = gate.bans
        renew(store)
        gate.reader.refresh()
        assert any(one is before for one in gate.bans)


def test_a_file_that_was_removed_has_no_bans(store: Store) -> None:
    store.append([ban("192.0.2.7")], NOW)
    with Gate(store.path) as gate:
        store.path.unlink()
        assert gate.nets() == []
        store.append([ban("192.0.2.8")], NOW)
        assert gate.nets() == ["192.0.2.8"]


def test_a_file_that_was_removed_after_it_could_not_be_read_has_no_bans(store: Store) -> None:
    store.append([ban("192.0.2.7")], NOW)
    with Gate(store.path) as gate:
        store.path.unlink()
        store.path.mkdir()
        assert gate.nets() == ["192.0.2.7"]
        store.path.rmdir()
        assert gate.nets() == []


def test_a_gate_says_what_is_damaged_and_the_rest_counts(store: Store) -> None:
    store.append([ban("192.0.2.7")], NOW)
    with store.path.open("ab") as file:
        file.write(b"rubbish\n" + encode_event(ban("192.0.2.8")))
    with Gate(store.path) as gate:
        assert "1 damaged line left out" in gate.troubles[0]
        assert gate.nets() == ["192.0.2.7", "192.0.2.8"]


def test_a_gate_reads_what_it_can_of_a_file_without_header(store: Store) -> None:
    store.path.write_bytes(b"rubbish\n" + encode_event(ban("192.0.2.8")))
    with Gate(store.path) as gate:
        assert "first line is damaged" in gate.troubles[0]
        assert gate.nets() == ["192.0.2.8"]


def test_half_a_line_counts_when_its_rest_is_there(store: Store) -> None:
    store.append([ban("192.0.2.7")], NOW)
    line = encode_event(ban("192.0.2.8"))
    with Gate(store.path) as gate, store.path.open("ab", buffering=0) as file:
        file.write(line[:10])
        assert gate.nets() == ["192.0.2.7"]
        file.write(line[10:])
        assert gate.nets() == ["192.0.2.7", "192.0.2.8"]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "bans").mkdir()
    with Gate(tmp_path / "bans") as gate:
        assert "bans can't be read: not a regular file" in gate.troubles[0]


def test_a_ban_more_costs_nothing_of_those_there_are(store: Store) -> None:
    """Thousands are not read again for one that is added."""
    store.append(many(10_000), NOW)
    with Gate(store.path) as gate:
        store.append([ban("192.0.2.7")], NOW)
        before = bytes_read()
        gate.reader.refresh()
        assert bytes_read() - before < store.path.stat().st_size / 10
        assert gate.bans.count == 10_001
