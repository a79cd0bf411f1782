# SPDX-License-Identifier: MIT
import os
from pathlib import Path

import pytest

from socketgate.wholefile import replacing


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    return path


def test_until_it_is_whole_the_old_file_is_there(file: Path) -> None:
    with replacing(file, 0o600) as new:
        new.write(b"new")
        new.flush()
        before = file.read_bytes()
    assert (before, file.read_bytes()) == (b"old", b"new")


def test_what_goes_wrong_leaves_the_old_file_and_nothing_else(file: Path) -> None:
    def write() -> None:
        with replacing(file, 0o600) as new:
            new.write(b"ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert (file.read_bytes(), list(file.parent.iterdir())) == (b"old", [file])


def test_a_folder_in_its_place_stays(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(IsADirectoryError), replacing(tmp_path / "file", 0o600):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_two_who_write_at_once_both_write_all_of_theirs(file: Path) -> None:
    with replacing(file, 0o600) as one:
        one.write(b"one")
        with replacing(file, 0o600) as other:
            other.write(b"other")
        between = file.read_bytes()
    assert (between, file.read_bytes()) == (b"other", b"one")


def test_what_a_process_left_that_was_killed_goes_with_the_next(file: Path) -> None:
    """Where the machine has no memory one is killed every half minute: they would fill the disk."""
    file.with_name(".file.0123456789ab.new").write_bytes(b"half")
    with replacing(file, 0o600):
        pass
    assert list(file.parent.iterdir()) == [file]


def test_what_is_left_of_other_files_is_for_others_to_remove(file: Path) -> None:
    draft = file.with_name(".file2.0123456789ab.new")
    draft.write_bytes(b"half")
    with replacing(file, 0o600):
        pass
    assert draft.exists()


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664])
def test_its_mode_is_the_one_given(file: Path, mode: int) -> None:
    before = os.umask(0o077)
    try:
        with replacing(file, mode):
            pass
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o7777 == mode


def test_a_link_is_replaced_and_not_followed(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    with replacing(link, 0o600) as new:
        new.write(b"new")
    assert (file.read_bytes(), link.is_symlink()) == (b"old", False)
