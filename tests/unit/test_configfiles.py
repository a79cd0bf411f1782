# SPDX-License-Identifier: MIT
import os
from pathlib import Path

import pytest

from socketgate.configfiles import DEFAULT_PATH, read_files
from socketgate.errors import ConfigError
from tests.support.forked import as_nobody


def test_the_default_file_need_not_be_there() -> None:
    assert DEFAULT_PATH in [path for path, _ in read_files()] or not DEFAULT_PATH.exists()


def test_the_parts_come_after_the_main_file_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "gate.d").mkdir()
    files = [tmp_path / "gate.toml", tmp_path / "gate.d" / "a.toml", tmp_path / "gate.d" / "b.toml"]
    for file in reversed(files):
        file.write_text(file.name)
    assert read_files(tmp_path / "gate.toml") == [(file, file.name) for file in files]


def test_what_in_the_folder_is_no_toml_file_by_its_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text("")
    (tmp_path / "gate.d").mkdir()
    (tmp_path / "gate.d" / "a.toml.rpmsave").write_text("nonsense")
    (tmp_path / "gate.d" / ".#a.toml").symlink_to("an-editor's-lock")
    assert read_files(tmp_path / "gate.toml") == [(tmp_path / "gate.toml", "")]


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_files(tmp_path / "none.toml")
    assert str(caught.value) == f"{tmp_path}/none.toml: can't be read: No such file or directory"


def test_a_file_that_is_not_utf_8_says_so(tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_bytes(b"# \xff\n")
    with pytest.raises(ConfigError) as caught:
        read_files(tmp_path / "gate.toml")
    assert str(caught.value) == f"{tmp_path}/gate.toml: is not UTF-8 (byte 2): save it as UTF-8"


def test_a_part_that_is_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text("")
    (tmp_path / "gate.d" / "x.toml").mkdir(parents=True)
    with pytest.raises(ConfigError) as caught:
        read_files(tmp_path / "gate.toml")
    assert str(caught.value) == f"{tmp_path}/gate.d/x.toml: can't be read: Is a directory"


def test_settings_that_may_not_be_read_are_an_error_and_not_passed_over(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "gate.toml").write_text("")
    (tmp_path / "gate.d").mkdir(mode=0o700)
    (tmp_path / "gate.d" / "a.toml").write_text('[rules]\ndeny = "/d"\n')

    def told() -> str:
        try:
            read_files(Path("gate.toml"))
        except ConfigError as error:
            return str(error)
        return "they were passed over"

    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        assert as_nobody(told, folder=fd) == "gate.d: can't be read: Permission denied"
    finally:
        os.close(fd)
