# SPDX-License-Identifier: MIT
from collections.abc import Iterator
from pathlib import Path

import inotify_simple
import pytest

from socketgate.inotify import INotify, flags


@pytest.fixture
def inotify() -> Iterator[INotify]:
    opened = INotify(nonblocking=True)
    yield opened
    opened.close()


@pytest.mark.parametrize("flag", list(flags), ids=[flag.name for flag in flags])
def test_every_flag_has_the_number_that_inotify_simple_gives_it(flag: flags) -> None:
    assert inotify_simple.flags[flag.name] == flag


def test_a_created_file_is_told_by_name_and_watch(inotify: INotify, tmp_path: Path) -> None:
    watch = inotify.add_watch(str(tmp_path), flags.CREATE)
    (tmp_path / "file").touch()
    (event,) = inotify.read(timeout=0)
    assert (event.wd, event.mask, event.name) == (watch, flags.CREATE, "file")


def test_several_events_are_told_in_order(inotify: INotify, tmp_path: Path) -> None:
    inotify.add_watch(str(tmp_path), flags.CREATE | flags.MOVED_FROM | flags.MOVED_TO)
    (tmp_path / "a").touch()
    (tmp_path / "a").rename(tmp_path / ("b" * 200))
    assert [event.name for event in inotify.read(timeout=0)] == ["a", "a", "b" * 200]


def test_both_halves_of_a_rename_have_the_same_cookie(inotify: INotify, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    inotify.add_watch(str(tmp_path), flags.MOVED_FROM | flags.MOVED_TO)
    (tmp_path / "a").rename(tmp_path / "b")
    one, other = inotify.read(timeout=0)
    assert one.cookie == other.cookie != 0


def test_a_name_that_is_no_utf_8_comes_as_the_file_system_s_functions_take_it(
    inotify: INotify, tmp_path: Path
) -> None:
    inotify.add_watch(str(tmp_path), flags.CREATE)
    (tmp_path / "\udcff").touch()
    assert [event.name for event in inotify.read(timeout=0)] == ["\udcff"]


def test_nothing_new_is_no_event_at_once(inotify: INotify) -> None:
    assert inotify.read(timeout=0) == []


def test_however_many_events_there_are_one_look_sees_them_all(
    inotify: INotify, tmp_path: Path
) -> None:
    inotify.add_watch(str(tmp_path), flags.CREATE)
    names = [f"{number:0200}" for number in range(500)]  # more than 100,000 bytes of events
    for name in names:
        (tmp_path / name).touch()
    assert [event.name for event in inotify.read(timeout=0)] == names


def test_a_removed_watch_tells_no_more(inotify: INotify, tmp_path: Path) -> None:
    inotify.rm_watch(inotify.add_watch(str(tmp_path), flags.CREATE))
    inotify.read(timeout=0)
    (tmp_path / "file").touch()
    assert inotify.read(timeout=0) == []


def test_a_folder_that_is_not_there_is_an_os_error(inotify: INotify, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No such file or directory"):
        inotify.add_watch(str(tmp_path / "none"), flags.CREATE)


def test_a_file_is_no_folder(inotify: INotify, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        inotify.add_watch(str(tmp_path / "file"), flags.CREATE | flags.ONLYDIR)


def test_a_watch_that_does_not_exist_can_t_be_removed(inotify: INotify) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        inotify.rm_watch(12345)
