# SPDX-License-Identifier: MIT
import contextlib
import os
import pwd
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from socketgate.errors import BackendUnavailable, ConfigError
from socketgate.trust import check_path, check_peer, trusted_uids, user_name
from tests.support.forked import LARGEST_NUMBER, NOBODY

#: A number no user has.
NOBODY_S_NUMBER = 54321


@contextlib.contextmanager
def listening_at(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.bind(str(path))
        sock.listen()
        yield sock


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a socket, both as they should be."""
    (tmp_path / "run").mkdir(mode=0o755)
    with listening_at(tmp_path / "run" / "sshd.sock"):
        yield tmp_path / "run"


def refused(path: Path) -> str:
    with pytest.raises(BackendUnavailable) as caught:
        check_path(str(path))
    return str(caught.value)


def test_a_socket_in_folders_of_root_is_trusted(folder: Path) -> None:
    check_path(str(folder / "sshd.sock"))


def test_a_folder_of_another_user_is_not(folder: Path) -> None:
    os.chown(folder, NOBODY_S_NUMBER, 0)
    assert refused(folder / "sshd.sock") == (
        f"{folder} belongs to uid {NOBODY_S_NUMBER}, who could replace the backend's socket: "
        f"give it to root (chown root {folder})"
    )


def test_a_folder_further_up_counts_as_well(folder: Path) -> None:
    (folder / "deep").mkdir()
    with listening_at(folder / "deep" / "x.sock"):
        os.chown(folder, NOBODY_S_NUMBER, 0)
        assert refused(folder / "deep" / "x.sock").startswith(f"{folder} belongs to uid")


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777, 0o720, 0o702])
def test_a_folder_that_others_can_write_is_not_trusted(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    assert refused(folder / "sshd.sock") == (
        f"{folder} can be written by others, who could replace the backend's socket: "
        f"take that away (chmod go-w {folder})"
    )


def test_in_a_sticky_folder_nobody_replaces_what_is_another_s(folder: Path) -> None:
    folder.chmod(0o1777)
    check_path(str(folder / "sshd.sock"))


def test_a_stranger_s_link_in_a_sticky_folder_is_not_followed(folder: Path) -> None:
    (folder / "tmp").mkdir()
    (folder / "tmp").chmod(0o1777)
    link = folder / "tmp" / "link.sock"
    link.symlink_to(folder / "sshd.sock")
    os.lchown(link, NOBODY_S_NUMBER, NOBODY_S_NUMBER)
    assert refused(link) == (
        f"{link} belongs to uid {NOBODY_S_NUMBER}, who could let it lead elsewhere: "
        f"make it as root (chown -h root {link})"
    )


def test_root_s_link_in_a_sticky_folder_is_followed(folder: Path) -> None:
    (folder / "tmp").mkdir()
    (folder / "tmp").chmod(0o1777)
    (folder / "tmp" / "link.sock").symlink_to(folder / "sshd.sock")
    check_path(str(folder / "tmp" / "link.sock"))


def test_the_folders_behind_a_link_are_checked(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link.sock").symlink_to(folder / "sshd.sock")
    folder.chmod(0o777)
    assert refused(tmp_path / "link.sock").startswith(f"{folder} can be written by others")


def test_the_folder_a_link_stands_in_is_checked(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "link.sock").symlink_to(folder / "sshd.sock")
    (tmp_path / "links").chmod(0o777)
    assert refused(tmp_path / "links" / "link.sock").startswith(
        f"{tmp_path}/links can be written by others"
    )


def test_a_linked_folder_on_the_way_is_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    check_path(str(tmp_path / "link" / "sshd.sock"))


def test_a_socket_that_is_not_there_is_said_so(folder: Path) -> None:
    assert refused(folder / "no.sock") == f"{folder}/no.sock isn't there, or can't be seen by us"


def test_a_folder_that_is_not_there_is_the_one_that_is_named(folder: Path) -> None:
    assert refused(folder / "no" / "x.sock") == f"{folder}/no isn't there, or can't be seen by us"


def test_a_link_to_nothing_names_what_is_missing(folder: Path) -> None:
    (folder / "link.sock").symlink_to("gone.sock")
    assert (
        refused(folder / "link.sock") == f"{folder}/gone.sock isn't there, or can't be seen by us"
    )


def test_a_file_is_no_socket(folder: Path) -> None:
    (folder / "file").touch()
    assert refused(folder / "file") == f"{folder}/file is no socket"


def test_a_folder_is_no_socket(folder: Path) -> None:
    assert refused(folder) == f"{folder} is no socket"


def test_a_socket_is_no_folder(folder: Path) -> None:
    assert refused(folder / "sshd.sock" / "x") == f"{folder}/sshd.sock/x is no socket"


def test_a_circle_of_links_is_refused(folder: Path) -> None:
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    assert refused(folder / "a") == f"{folder}/a: too many symbolic links"


@contextlib.contextmanager
def connection_from(uid: int) -> Iterator[socket.socket]:
    """A socket pair whose other end another user's process made."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind("")  # an abstract name of the kernel's choice
        server.listen()
        address = server.getsockname()
        pid = os.fork()
        if pid == 0:
            try:
                os.setresuid(uid, uid, uid)
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
                    sock.connect(address)
                    sock.recv(1)
            finally:
                os._exit(0)
        peer, _ = server.accept()
        with peer:
            yield peer
        os.waitpid(pid, 0)


@pytest.mark.parametrize("uid", [NOBODY, LARGEST_NUMBER])
def test_a_process_of_a_trusted_user_is_trusted(uid: int) -> None:
    with connection_from(uid) as peer:
        check_peer(peer, frozenset({0, uid}))


def test_a_process_of_another_user_is_not() -> None:
    with connection_from(NOBODY) as peer, pytest.raises(BackendUnavailable) as caught:
        check_peer(peer, frozenset({0}))
    assert str(caught.value).endswith(
        f"runs as {user_name(NOBODY)}: name that user in backend-users, "
        "or let it run as root or socketgate"
    )


def test_root_and_ourselves_are_trusted() -> None:
    assert {0, os.geteuid()} <= trusted_uids([])


def test_a_user_named_in_the_configuration_is_trusted() -> None:
    assert pwd.getpwnam("daemon").pw_uid in trusted_uids(["daemon"])


def test_nobody_else_is_trusted() -> None:
    assert pwd.getpwnam("daemon").pw_uid not in trusted_uids([])


def test_a_user_that_does_not_exist_is_the_configuration_s_fault() -> None:
    with pytest.raises(ConfigError) as caught:
        trusted_uids(["no-such-user"])
    assert str(caught.value) == (
        "backend-users: there is no user 'no-such-user': create it or remove it there"
    )


def test_a_user_is_shown_by_name_or_else_by_number() -> None:
    assert (user_name(0), user_name(NOBODY_S_NUMBER)) == ("root", f"uid {NOBODY_S_NUMBER}")
