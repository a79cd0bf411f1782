# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest

from socketgate.config import Config, parse_config
from socketgate.rules.names import NameUse, names_used
from socketgate.rules.source import Sources
from socketgate.rules.table import build_table
from socketgate.surroundings import (
    daemon_diagnostics,
    group_diagnostics,
    nearest_socket,
)
from tests.support.build import text_of


def uses(allow: str) -> list[NameUse]:
    sources = Sources(allow=text_of(allow))
    return list(names_used(build_table(sources), sources))


def complaints(allow: str, *sockets: str) -> list[tuple[int, int, str]]:
    found = daemon_diagnostics(uses(allow), Config(), sockets)
    return [(one.line, one.column, one.message) for one in found]


def test_a_daemon_that_no_socket_has_is_reported_where_it_stands() -> None:
    assert complaints("ALL: ALL\nsshd, vsftp: 192.0.2.7\n", "sshd", "vsftpd") == [
        (2, 7, "no socket unit has the name vsftp")
    ]


def test_the_name_that_was_meant_is_the_hint() -> None:
    (found,) = daemon_diagnostics(uses("vsftp: ALL\n"), Config(), ["sshd", "vsftpd"])
    assert found.hint == "did you mean vsftpd?"


@pytest.mark.parametrize(
    ("name", "near"),
    [("ssh", "sshd"), ("SSHD", "sshd"), ("smtp", ""), ("docker", "")],
)
def test_the_socket_that_was_probably_meant_is_found(name: str, near: str) -> None:
    assert nearest_socket(name, ["SSHD", "docker.socket"]) == near


@pytest.mark.parametrize(
    "daemons",
    ["ALL", "SSHD", "ssh*", "22", "sshd@192.0.2.1", "KNOWN", "/etc/x", "ALL EXCEPT sshd", ".x"],
)
def test_what_is_no_name_or_is_one_of_a_socket_is_no_complaint(daemons: str) -> None:
    assert complaints(f"{daemons}: ALL\n", "sshd") == []


def test_a_name_is_reported_once_for_a_file() -> None:
    assert len(complaints("ftpd: 192.0.2.7\nFTPD: 192.0.2.8\n")) == 1


def configured(settings: str) -> Config:
    return parse_config([(Path("/x.toml"), settings)])


def test_settings_of_a_daemon_that_no_socket_has_are_reported_and_make_its_name_known() -> None:
    config = configured(
        '[daemon.ssh]\nbackend = "/run/x.sock"\n[daemon.ftpd]\nhandoff = "channel"\n'
    )
    (found,) = daemon_diagnostics(uses("ssh: ALL\n"), config, ["sshd", "ftpd"])
    assert found.brief == (
        "/x.toml:2:1: daemon.ssh.backend: no socket unit has the name ssh: these settings are"
        " nobody's"
    )
    assert found.hint == "did you mean sshd?"


def groups(settings: str) -> list[str]:
    return [one.brief for one in group_diagnostics(configured(settings))]


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
