# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest

from socketgate.config import parse_config
from socketgate.rules.names import NameUse, names_used
from socketgate.rules.source import Sources
from socketgate.rules.table import build_table
from socketgate.surroundings import daemon_diagnostics, file_diagnostics, group_diagnostics
from tests.support.build import text_of


def uses(allow: str) -> list[NameUse]:
    sources = Sources(allow=text_of(allow))
    return list(names_used(build_table(sources), sources))


def complaints(allow: str, *sockets: str) -> list[tuple[int, int, str]]:
    found = daemon_diagnostics(uses(allow), sockets)
    return [(one.line, one.column, one.message) for one in found]


def test_a_daemon_that_no_socket_has_is_reported_where_it_stands() -> None:
    assert complaints("ALL: ALL\nsshd, vsftp: 192.0.2.7\n", "sshd", "vsftpd") == [
        (2, 7, "no socket unit has the name vsftp")
    ]


def test_the_name_that_was_meant_is_the_hint() -> None:
    (found,) = daemon_diagnostics(uses("vsftp: ALL\n"), ["sshd", "vsftpd"])
    assert found.hint == "did you mean vsftpd?"


@pytest.mark.parametrize(
    "daemons",
    ["ALL", "SSHD", "ssh*", "22", "sshd@192.0.2.1", "KNOWN", "/etc/x", "ALL EXCEPT sshd", ".x"],
)
def test_what_is_no_name_or_is_one_of_a_socket_is_no_complaint(daemons: str) -> None:
    assert complaints(f"{daemons}: ALL\n", "sshd") == []


def test_a_name_is_reported_once_for_a_file() -> None:
    assert len(complaints("ftpd: 192.0.2.7\nFTPD: 192.0.2.8\n")) == 1


def groups(settings: str) -> list[str]:
    config = parse_config([(Path("/x.toml"), settings)])
    return [one.brief for one in group_diagnostics(config)]


@pytest.mark.parametrize("key", ["admin-groups", "viewer-groups"])
def test_a_group_that_does_not_exist_is_reported_with_file_and_key(key: str) -> None:
    assert groups(f'\n[control]\n{key} = ["root", "no-such-group"]\n') == [
        f'/x.toml:3:1: control.{key}: there is no group "no-such-group": nobody is in it'
    ]


def test_the_group_of_the_default_need_not_be_there() -> None:
    assert groups("") == []


def test_all_is_everybody_only_among_the_viewers() -> None:
    assert groups('[control]\nviewer-groups = ["ALL"]\n') == []
    assert len(groups('[control]\nadmin-groups = ["ALL"]\n')) == 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that only its owner may write to, with a file."""
    inner = tmp_path / "etc"
    inner.mkdir(mode=0o755)
    (inner / "hosts").touch(mode=0o644)
    return inner


def reported(*paths: Path) -> list[str]:
    return [one.origin for one in file_diagnostics(map(str, paths))]


def test_a_closed_file_is_no_complaint(folder: Path) -> None:
    assert reported(folder / "hosts") == []


def test_a_file_that_everybody_may_write_to_is_reported(folder: Path) -> None:
    (folder / "hosts").chmod(0o646)
    assert reported(folder / "hosts") == [str(folder / "hosts")]


def test_so_is_a_folder_on_the_way(folder: Path) -> None:
    folder.chmod(0o777)
    assert reported(folder / "hosts") == [str(folder)]


def test_a_folder_is_reported_once(folder: Path) -> None:
    folder.chmod(0o777)
    assert reported(folder / "hosts", folder / "other") == [str(folder)]


def test_in_a_sticky_folder_nobody_can_replace_the_file(folder: Path) -> None:
    folder.chmod(0o1777)
    assert reported(folder / "hosts") == []


def test_the_file_behind_a_link_counts_and_the_link_does_not(folder: Path) -> None:
    (folder / "hosts").chmod(0o666)
    (folder / "link").symlink_to("hosts")
    assert reported(folder / "link") == [str(folder / "hosts")]


def test_a_file_that_is_not_there_is_no_complaint(folder: Path) -> None:
    assert reported(folder / "gone") == []


def test_links_that_go_round_in_a_circle_end(folder: Path) -> None:
    (folder / "circle").symlink_to("circle")
    assert reported(folder / "circle") == []


def test_that_everybody_may_write_to_the_null_device_is_no_complaint(folder: Path) -> None:
    (folder / "empty").symlink_to("/dev/null")
    assert reported(folder / "empty") == []
