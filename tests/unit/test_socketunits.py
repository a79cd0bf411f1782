# SPDX-License-Identifier: MIT
from collections.abc import Mapping
from pathlib import Path

import pytest

from socketgate.socketunits import socket_names

TEMPLATE = "[Socket]\nFileDescriptorName=%i\n"


def names(folder: Path, files: Mapping[str, str]) -> set[str]:
    """The names, of files in the folders of the admin and of packages."""
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return set(socket_names([folder / "etc", folder / "usr"]))


def test_a_socket_has_the_name_that_its_unit_says(tmp_path: Path) -> None:
    assert names(tmp_path, {"etc/a.socket": "[Socket]\n FileDescriptorName = sshd \n"}) == {"sshd"}


def test_a_socket_without_a_name_has_its_units(tmp_path: Path) -> None:
    assert names(tmp_path, {"etc/a.socket": "[Socket]\nListenStream=1\n"}) == {"a.socket"}


def test_other_units_have_no_socket(tmp_path: Path) -> None:
    assert names(tmp_path, {"etc/a.service": "[Service]\nFileDescriptorName=sshd\n"}) == set()


def test_a_template_alone_is_no_socket(tmp_path: Path) -> None:
    assert names(tmp_path, {"usr/gate@.socket": TEMPLATE}) == set()


def test_a_drop_in_folder_makes_an_instance(tmp_path: Path) -> None:
    found = names(
        tmp_path,
        {
            "usr/gate@.socket": TEMPLATE,
            "etc/gate@sshd.socket.d/listen.conf": "[Socket]\nListenStream=22\n",
        },
    )
    assert found == {"sshd"}


def test_an_enabled_instance_counts(tmp_path: Path) -> None:
    wants = tmp_path / "etc/sockets.target.wants"
    wants.mkdir(parents=True)
    (wants / "gate@ftp.socket").symlink_to("/usr/lib/systemd/system/gate@.socket")
    assert names(tmp_path, {"usr/gate@.socket": TEMPLATE}) == {"ftp"}


def test_the_admins_unit_wins_over_the_packages(tmp_path: Path) -> None:
    found = names(
        tmp_path,
        {
            "etc/a.socket": "[Socket]\nFileDescriptorName=mine\n",
            "usr/a.socket": "[Socket]\nFileDescriptorName=theirs\n",
        },
    )
    assert found == {"mine"}


def test_a_drop_in_wins_over_the_unit(tmp_path: Path) -> None:
    found = names(
        tmp_path,
        {
            "etc/a.socket": "[Socket]\nFileDescriptorName=first\n",
            "usr/a.socket.d/1.conf": "[Socket]\nFileDescriptorName=second\n",
        },
    )
    assert found == {"second"}


def test_an_empty_setting_resets(tmp_path: Path) -> None:
    text = "[Socket]\nFileDescriptorName=a\nFileDescriptorName=\n"
    assert names(tmp_path, {"etc/a.socket": text}) == {"a.socket"}


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("%i", "a-b"),
        ("%I", "a/b"),
        ("%p", "my-gate"),
        ("%j", "gate"),
        ("%n", "my-gate@a-b.socket"),
        ("%N", "my-gate@a-b"),
        ("x%%", "x%"),
    ],
)
def test_specifiers_are_put_in(setting: str, name: str, tmp_path: Path) -> None:
    text = f"[Socket]\nFileDescriptorName={setting}\n"
    unit = "etc/my-gate@a-b.socket"
    assert names(tmp_path, {unit: text}) == {name}


def test_folders_that_are_not_there_have_no_sockets(tmp_path: Path) -> None:
    assert socket_names([tmp_path / "gone"]) == set()
