# SPDX-License-Identifier: MIT
import os
import stat
import struct
from pathlib import Path

import pytest

from socketgate.bans import Ban, parse_net
from socketgate.banstore import REMEDY, Store
from socketgate.config import Config, parse_config
from socketgate.filecheck import (
    ACL,
    GATE_USER,
    Reader,
    ban_diagnostics,
    file_diagnostics,
    is_user_changed,
    missing_diagnostics,
    unreadable_diagnostics,
)
from socketgate.rulefiles import read_sources
from socketgate.rules.diagnostic import Severity
from socketgate.rules.source import Sources, Unreadable
from tests.support.forked import as_nobody


def configured(settings: str) -> Config:
    return parse_config([(Path("/x.toml"), settings)])


def test_a_rule_file_that_the_configuration_names_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "deny").touch()
    config = configured(f'[rules]\nallow = "{tmp_path}/alow"\ndeny = "{tmp_path}/deny"\n')
    (found,) = missing_diagnostics(config, read_sources(config.rules))
    assert (found.brief, found.hint) == (
        f"{tmp_path}/alow:1:1: there is no such file: it has no rules",
        "create it, or name another: /x.toml:2: rules.allow",
    )


def test_the_rule_files_of_the_default_need_not_be_there() -> None:
    assert list(missing_diagnostics(Config(), Sources())) == []


def test_a_rule_file_that_can_t_be_read_is_not_missing() -> None:
    config = configured('[rules]\nallow = "/closed/rules"\n')
    assert list(missing_diagnostics(config, Sources(allow=Unreadable("no")))) == []


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


#: Whoever runs the tests, as if without privileges: what counts is the owner's part of a mode.
OWNER = Reader(os.getuid(), frozenset())
#: acl(5) as the kernel keeps it: the owner, user 1, the group, the mask and all others may read.
AN_ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, 4, user)
    for tag, user in ((1, 2**32 - 1), (2, 1), (4, 2**32 - 1), (16, 2**32 - 1), (32, 2**32 - 1))
)


def unreadable(*paths: Path) -> list[tuple[str, str]]:
    """What its owner can't read, and what would help."""
    found = unreadable_diagnostics(map(str, paths), OWNER)
    return [(Path(one.origin).name, one.hint.split(" /")[0]) for one in found]


def test_a_file_that_gates_can_read_is_no_complaint(folder: Path) -> None:
    (folder / "hosts").chmod(0o400)
    assert unreadable(folder / "hosts") == []


def test_a_file_that_gates_cannot_read_is_an_error(folder: Path) -> None:
    (folder / "hosts").chmod(0o244)
    assert unreadable(folder / "hosts") == [("hosts", "chmod o+r")]


def test_a_folder_that_gates_cannot_pass_is_an_error_once(folder: Path) -> None:
    (folder / "hosts").chmod(0o244)
    folder.chmod(0o655)
    found = unreadable(folder / "hosts", folder / "other")
    folder.chmod(0o755)
    assert found == [("etc", "chmod o+x")]


def test_what_a_link_leads_to_must_be_readable(folder: Path) -> None:
    (folder / "hosts").chmod(0)
    (folder / "link").symlink_to("hosts")
    assert unreadable(folder / "link") == [("hosts", "chmod o+r")]


def test_a_file_with_an_acl_is_taken_for_readable(folder: Path) -> None:
    os.setxattr(folder / "hosts", ACL, AN_ACL)
    (folder / "hosts").chmod(0o040)
    assert unreadable(folder / "hosts") == []


def test_a_missing_file_is_nothing_that_cannot_be_read(folder: Path) -> None:
    assert unreadable(folder / "gone") == []


@pytest.mark.parametrize(
    ("reader", "mode", "may"),
    [
        pytest.param(Reader(1, frozenset({2})), 0o400, True, id="owner"),
        pytest.param(Reader(1, frozenset({2})), 0o044, False, id="the-owner-is-none-of-the-others"),
        pytest.param(Reader(3, frozenset({2})), 0o040, True, id="group"),
        pytest.param(Reader(3, frozenset({2})), 0o404, False, id="nor-is-who-is-in-the-group"),
        pytest.param(Reader(3, frozenset({4})), 0o004, True, id="others"),
        pytest.param(Reader(3, frozenset({4})), 0o440, False, id="not-others"),
    ],
)
def test_the_first_class_a_reader_is_in_decides(reader: Reader, mode: int, may: bool) -> None:
    status = os.stat_result((stat.S_IFREG | mode, 0, 0, 1, 1, 2, 0, 0, 0, 0))
    assert reader.may(stat.S_IROTH, status) is may


def test_gates_run_as_the_user_of_their_unit() -> None:
    unit = Path(__file__).parents[2] / "units/socketgate@.service"
    assert f"User={GATE_USER}" in unit.read_text().splitlines()


def test_no_bans_are_no_complaint(tmp_path: Path) -> None:
    assert list(ban_diagnostics(tmp_path / "none")) == []


def test_something_else_in_the_place_of_the_bans_is_an_error(tmp_path: Path) -> None:
    (found,) = ban_diagnostics(tmp_path)
    assert (found.severity, found.code) == (Severity.ERROR, "unreadable-bans")
    assert found.brief == f"{tmp_path}:1:1: bans can't be read: not a regular file"


def test_who_can_t_read_the_bans_is_not_told_to_take_them_away(tmp_path: Path) -> None:
    store = tmp_path / "bans"
    store.touch(mode=0o600)

    def hints() -> str:
        return " ".join(found.hint for found in ban_diagnostics(Path("bans")))

    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        assert "only you can't read it, ask as root" in as_nobody(hints, folder=folder)
    finally:
        os.close(folder)


def test_damaged_bans_are_a_warning_with_what_mends_them(tmp_path: Path) -> None:
    store = Store(tmp_path / "bans")
    store.append([Ban(parse_net(net), made=1) for net in ("192.0.2.7", "192.0.2.8")], 1.0)
    assert list(ban_diagnostics(store.path)) == []
    store.path.write_text(store.path.read_text().replace("192.0.2.8/32", "192.0.2"))
    (found,) = ban_diagnostics(store.path)
    assert (found.severity, found.code) == (Severity.WARNING, "damaged-bans")
    assert (found.message, found.hint) == ("1 damaged line left out", REMEDY)


@pytest.mark.parametrize(
    ("drop_in", "is_changed"),
    [
        ("socketgate@sshd.service.d/user.conf", True),
        ("socketgate@.service.d/user.conf", True),
        ("socketgate.service.d/user.conf", True),
        ("socketgate-command.service.d/user.conf", False),
        ("sshd.service.d/user.conf", False),
    ],
)
def test_a_gate_s_drop_in_may_change_whom_gates_run_as(
    drop_in: str, is_changed: bool, tmp_path: Path
) -> None:
    file = tmp_path / drop_in
    file.parent.mkdir()
    file.write_text("[Service]\nSupplementaryGroups=adm\n")
    assert is_user_changed([tmp_path / "none", tmp_path]) is is_changed


def test_a_drop_in_about_other_things_leaves_the_user(tmp_path: Path) -> None:
    folder = tmp_path / "socketgate@sshd.service.d"
    folder.mkdir()
    (folder / "more.conf").write_text("[Service]\n# User=nobody\nLimitNOFILE=9\n")
    assert not is_user_changed([tmp_path])
