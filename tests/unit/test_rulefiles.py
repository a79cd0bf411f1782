# SPDX-License-Identifier: MIT
import os
import resource
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from socketgate.config import OnError, RulesConfig
from socketgate.rulefiles import (
    MAX_FILE_BYTES,
    load_saved_sources,
    read_source,
    read_sources,
    save_sources,
)
from socketgate.rules.source import Absent, Directory, Source, Text, Unreadable
from tests.support.forked import as_nobody


@pytest.fixture
def config(tmp_path: Path) -> RulesConfig:
    return RulesConfig(allow=tmp_path / "hosts.allow", deny=tmp_path / "hosts.deny")


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"sshd: ALL\n\xff\0")
    assert read_source(str(tmp_path / "file")) == Text(b"sshd: ALL\n\xff\0")


def test_a_small_file_takes_little_memory(tmp_path: Path) -> None:
    """Not as much as the largest one: there may be a LimitAS=, or no overcommitted memory."""
    (tmp_path / "file").write_bytes(b"sshd: ALL\n")
    before = resource.getrlimit(resource.RLIMIT_AS)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MAX_FILE_BYTES // 16, before[1]))
    try:
        assert read_source(str(tmp_path / "file")) == Text(b"sshd: ALL\n")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_a_file_that_is_not_there_is_absent(tmp_path: Path) -> None:
    assert read_source(str(tmp_path / "none")) == Absent()


def test_a_link_to_nothing_is_absent(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("none")
    assert read_source(str(tmp_path / "link")) == Absent()


def test_a_folder_is_a_folder(tmp_path: Path) -> None:
    assert read_source(str(tmp_path)) == Directory()


def test_a_fifo_that_nobody_writes_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert read_source(str(tmp_path / "fifo")) == Unreadable("not a regular file")


def test_the_null_device_is_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "hosts.deny").symlink_to("/dev/null")
    assert read_source(str(tmp_path / "hosts.deny")) == Text(b"")


def test_another_device_is_not_read() -> None:
    assert read_source("/dev/zero") == Unreadable("not a regular file")


def test_a_circle_of_links_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert read_source(str(tmp_path / "a")) == Unreadable("Too many levels of symbolic links")


def test_a_file_below_a_file_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert read_source(str(tmp_path / "file" / "x")) == Unreadable("Not a directory")


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert read_source(str(tmp_path / "huge")) == Unreadable("larger than 256 MiB")


def test_a_name_with_a_nul_is_unreadable() -> None:
    assert isinstance(read_source(b"/etc/\0"), Unreadable)


def test_a_name_that_is_too_long_is_unreadable() -> None:
    assert read_source(b"/" + b"x" * 300) == Unreadable("File name too long")


def test_a_file_that_may_not_be_read_is_unreadable(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "secret").touch(mode=0o600)
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        answer = as_nobody(lambda: repr(read_source("secret")), folder=fd)
    finally:
        os.close(fd)
    assert answer == repr(Unreadable("Permission denied"))


def test_no_files_are_two_absent_ones(config: RulesConfig) -> None:
    sources = read_sources(config)
    assert (sources.allow, sources.deny, sources.host_files) == (Absent(), Absent(), {})


@pytest.mark.parametrize(
    ("on_error", "source"),
    [(OnError.KEEP, Unreadable("Is a directory")), (OnError.LIBWRAP, Directory())],
    ids=["a-mistake", "no-rules-as-in-libwrap"],
)
def test_a_folder_in_the_place_of_a_rule_file_is(
    config: RulesConfig, on_error: OnError, source: Source
) -> None:
    config.deny.mkdir()
    assert read_sources(replace(config, on_error=on_error)).deny == source


def test_the_files_are_known_by_their_paths(config: RulesConfig) -> None:
    sources = read_sources(config)
    assert (sources.allow_origin, sources.deny_origin) == (str(config.allow), str(config.deny))


def host_file(config: RulesConfig, name: str, text: str = "192.0.2.7\n") -> bytes:
    path = config.allow.with_name(name)
    path.write_text(text)
    return os.fsencode(path)


def test_a_host_file_named_in_a_rule_is_read(config: RulesConfig) -> None:
    path = host_file(config, "friends")
    config.allow.write_text(f"sshd: {path.decode()}\n")
    assert read_sources(config).host_files == {path: Text(b"192.0.2.7\n")}


def test_host_files_of_both_files_are_read(config: RulesConfig) -> None:
    friends, foes = host_file(config, "friends"), host_file(config, "foes")
    config.allow.write_text(f"sshd: {friends.decode()}\n")
    config.deny.write_text(f"ALL: {foes.decode()}\n")
    assert set(read_sources(config).host_files) == {friends, foes}


def test_a_host_file_named_in_a_host_file_is_read(config: RulesConfig) -> None:
    deepest = host_file(config, "3")
    middle = host_file(config, "2", f"{deepest.decode()}\n")
    first = host_file(config, "1", f"{middle.decode()}\n")
    config.allow.write_text(f"sshd: {first.decode()}\n")
    assert set(read_sources(config).host_files) == {first, middle, deepest}


def test_a_host_file_that_names_itself_is_read_once(config: RulesConfig) -> None:
    path = host_file(config, "self", f"{config.allow.with_name('self')}\n192.0.2.7\n")
    config.allow.write_text(f"sshd: {path.decode()}\n")
    assert set(read_sources(config).host_files) == {path}


def test_a_host_file_that_is_not_there_is_known_as_absent(config: RulesConfig) -> None:
    path = config.allow.with_name("none")
    config.allow.write_text(f"sshd: {path}\n")
    assert read_sources(config).host_files == {os.fsencode(path): Absent()}


def saved(config: RulesConfig, path: Path) -> None:
    save_sources(read_sources(config), path)


def loaded(config: RulesConfig, path: Path) -> tuple[Source, Source, dict[bytes, Source]]:
    sources = load_saved_sources(path, config)
    assert sources is not None
    return sources.allow, sources.deny, dict(sources.host_files)


def test_what_is_kept_is_what_was_read(config: RulesConfig, tmp_path: Path) -> None:
    friends = host_file(config, "friends")
    config.allow.write_text(f"sshd: {friends.decode()}\n")
    config.deny.write_bytes(b"ALL: ALL\n\xff\0")
    saved(config, tmp_path / "kept")
    assert load_saved_sources(tmp_path / "kept", config) == read_sources(config)


@pytest.mark.parametrize("name", ["hosts.allow", "hosts.deny"])
def test_a_file_that_was_not_there_is_absent_again(
    name: str, config: RulesConfig, tmp_path: Path
) -> None:
    (tmp_path / name).write_text("ALL: ALL\n")
    saved(config, tmp_path / "kept")
    present = {"hosts.allow": (Text(b"ALL: ALL\n"), Absent()),
               "hosts.deny": (Absent(), Text(b"ALL: ALL\n"))}  # fmt: skip
    assert loaded(config, tmp_path / "kept") == (*present[name], {})


def test_a_path_that_is_no_utf_8_is_kept(config: RulesConfig, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff"
    Path(os.fsdecode(path)).write_text("192.0.2.7\n")
    config.allow.write_bytes(b"sshd: " + path + b"\n")
    saved(config, tmp_path / "kept")
    assert loaded(config, tmp_path / "kept")[2] == {path: Text(b"192.0.2.7\n")}


def test_an_admin_can_look_into_what_is_kept(config: RulesConfig, tmp_path: Path) -> None:
    config.deny.write_text("ALL: ALL\n")
    saved(config, tmp_path / "kept")
    with tarfile.open(tmp_path / "kept") as archive:
        assert archive.getnames() == [str(config.deny)]


def test_nobody_but_the_gate_can_read_what_is_kept(config: RulesConfig, tmp_path: Path) -> None:
    saved(config, tmp_path / "kept")
    assert (tmp_path / "kept").stat().st_mode & 0o077 == 0


def test_keeping_leaves_nothing_half_written(config: RulesConfig, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    saved(config, tmp_path / "state" / "kept")
    saved(config, tmp_path / "state" / "kept")
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["kept"]


def test_a_copy_that_can_t_be_kept_leaves_nothing_behind(
    config: RulesConfig, tmp_path: Path
) -> None:
    (tmp_path / "state" / "kept").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        saved(config, tmp_path / "state" / "kept")
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["kept"]


def test_no_kept_copy_is_none(config: RulesConfig, tmp_path: Path) -> None:
    assert load_saved_sources(tmp_path / "kept", config) is None


def test_a_copy_of_other_files_is_not_taken_for_these(config: RulesConfig, tmp_path: Path) -> None:
    config.deny.write_text("ALL: ALL\n")
    saved(config, tmp_path / "kept")
    moved = RulesConfig(allow=config.allow, deny=tmp_path / "elsewhere" / "hosts.deny")
    assert load_saved_sources(tmp_path / "kept", moved) is None


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.3, 0.5])
def test_a_copy_cut_short_is_not_believed(
    share: float, config: RulesConfig, tmp_path: Path
) -> None:
    config.allow.write_text("sshd: 192.0.2.7\n" * 500)
    config.deny.write_text("ALL: ALL\n" * 500)
    saved(config, tmp_path / "kept")
    os.truncate(tmp_path / "kept", int((tmp_path / "kept").stat().st_size * share))
    assert load_saved_sources(tmp_path / "kept", config) is None


def test_a_copy_cut_between_two_files_is_not_believed(config: RulesConfig, tmp_path: Path) -> None:
    config.allow.write_text("sshd: 192.0.2.7\n")
    config.deny.write_text("ALL: ALL\n")
    saved(config, tmp_path / "kept")
    with tarfile.open(tmp_path / "kept") as archive:
        end = archive.getmembers()[-1].offset
    os.truncate(tmp_path / "kept", end)
    assert load_saved_sources(tmp_path / "kept", config) is None


def test_what_is_no_archive_is_not_believed(config: RulesConfig, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("ALL: ALL\n" * 1000)
    assert load_saved_sources(tmp_path / "kept", config) is None
