# SPDX-License-Identifier: MIT
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from socketgate.errors import ConfigError
from socketgate.unitfile import UnitFile
from socketgate.unitinstall import (
    Changes,
    Owner,
    install,
    marked,
    owner_of,
    remove,
)
from tests.support.waiting import PATIENCE_SECONDS

A = UnitFile("/etc/a.socket.d/listen.conf", "[Socket]\nListenStream=7\n")
B = UnitFile("/etc/b.service", "[Service]\nExecStart=/bin/cat\n")
PATHS = (A.path, B.path)


def at(root: Path, file: UnitFile) -> Path:
    return root / file.path.removeprefix("/")


def test_what_is_written_is_ours_and_everybodys_to_read(tmp_path: Path) -> None:
    install(tmp_path, [A], PATHS, force=False)
    written = at(tmp_path, A)
    assert (owner_of(written), written.stat().st_mode & 0o777) == (Owner.OURS, 0o644)


def test_whatever_the_umask_gates_can_read_it(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        install(tmp_path, [A], PATHS, force=False)
    finally:
        os.umask(before)
    folder = at(tmp_path, A).parent
    modes = [path.stat().st_mode & 0o777 for path in (folder.parent, folder, at(tmp_path, A))]
    assert modes == [0o755, 0o755, 0o644]


def test_two_who_install_at_once_may_make_the_same_folder(tmp_path: Path) -> None:
    roots = [tmp_path / str(number) for number in range(200)]
    together = threading.Barrier(2)

    def install_in_each(path: str) -> None:
        for root in roots:
            together.wait(PATIENCE_SECONDS)
            install(root, [UnitFile(path, A.text)], [path], force=False)

    paths = [A.path, f"{A.path}.other"]
    with ThreadPoolExecutor() as pool:
        list(pool.map(install_in_each, paths))
    assert all(Path(f"{root}{path}").exists() for root in roots for path in paths)


def test_the_text_follows_the_line_that_says_whose_it_is(tmp_path: Path) -> None:
    install(tmp_path, [A], PATHS, force=False)
    assert at(tmp_path, A).read_text().split("\n", 1)[1] == A.text


def test_nothing_but_the_files_is_left_in_their_folder(tmp_path: Path) -> None:
    install(tmp_path, [A], PATHS, force=False)
    assert list(at(tmp_path, A).parent.iterdir()) == [at(tmp_path, A)]


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    install(tmp_path, [A, B], PATHS, force=False)
    assert install(tmp_path, [A, B], PATHS, force=False) == Changes(kept=PATHS)


def test_our_own_older_file_is_replaced(tmp_path: Path) -> None:
    install(tmp_path, [UnitFile(A.path, "[Socket]\n")], PATHS, force=False)
    changes = install(tmp_path, [A], PATHS, force=False)
    assert (changes.written, changes.replaced) == ((A.path,), True)


def test_a_file_of_ours_that_is_no_longer_wanted_goes(tmp_path: Path) -> None:
    install(tmp_path, [A, B], PATHS, force=False)
    changes = install(tmp_path, [B], PATHS, force=False)
    assert changes.removed == (A.path,)
    assert not at(tmp_path, A).parent.exists()


def test_what_is_installed_is_removed_with_its_folder(tmp_path: Path) -> None:
    install(tmp_path, [A, B], PATHS, force=False)
    assert remove(tmp_path, PATHS, force=False) == Changes(removed=PATHS)
    assert list(tmp_path.rglob("*")) == [tmp_path / "etc"]


def test_a_folder_with_somebody_elses_file_stays(tmp_path: Path) -> None:
    install(tmp_path, [A], PATHS, force=False)
    other = at(tmp_path, A).with_name("other.conf")
    other.write_text("")
    remove(tmp_path, PATHS, force=False)
    assert other.exists()


def test_nothing_installed_is_nothing_removed(tmp_path: Path) -> None:
    assert remove(tmp_path, PATHS, force=False) == Changes()


def write_by_hand(path: Path) -> None:
    path.write_text("[Service]\n")


def change_a_line(path: Path) -> None:
    path.write_text(marked(B.text) + "Nice=5\n")


def mask(path: Path) -> None:
    path.symlink_to("/dev/null")


def make_binary(path: Path) -> None:
    path.write_bytes(b"\xff")


ADMINS = [write_by_hand, change_a_line, mask, make_binary]


@pytest.mark.parametrize("make", ADMINS)
def test_the_admins_file_is_not_overwritten(tmp_path: Path, make: Callable[[Path], None]) -> None:
    (tmp_path / "etc").mkdir()
    make(at(tmp_path, B))
    with pytest.raises(ConfigError, match=r"/etc/b\.service: not written by"):
        install(tmp_path, [A, B], PATHS, force=False)
    assert not at(tmp_path, A).exists()


@pytest.mark.parametrize("make", ADMINS)
def test_the_admins_file_is_not_removed(tmp_path: Path, make: Callable[[Path], None]) -> None:
    install(tmp_path, [A], PATHS, force=False)
    make(at(tmp_path, B))
    with pytest.raises(ConfigError, match="nothing done"):
        remove(tmp_path, PATHS, force=False)
    assert at(tmp_path, A).exists()


@pytest.mark.parametrize("make", ADMINS)
def test_the_admins_file_is_overwritten_by_force(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    (tmp_path / "etc").mkdir()
    make(at(tmp_path, B))
    install(tmp_path, [B], PATHS, force=True)
    assert owner_of(at(tmp_path, B)) is Owner.OURS


@pytest.mark.parametrize("make", ADMINS)
def test_the_admins_file_is_removed_by_force(tmp_path: Path, make: Callable[[Path], None]) -> None:
    (tmp_path / "etc").mkdir()
    make(at(tmp_path, B))
    remove(tmp_path, PATHS, force=True)
    assert not at(tmp_path, B).is_symlink()
    assert not at(tmp_path, B).exists()


def test_a_folder_in_the_way_is_not_ours(tmp_path: Path) -> None:
    assert owner_of(tmp_path) is Owner.ADMIN


def test_a_draft_that_cannot_take_its_place_is_taken_away(tmp_path: Path) -> None:
    at(tmp_path, B).mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        install(tmp_path, [B], PATHS, force=True)
    assert list((tmp_path / "etc").iterdir()) == [at(tmp_path, B)]
