# SPDX-License-Identifier: MIT
"""Whom a client may be handed to: the folders on a backend's path, and the process at its end.

The path is what is trusted: a socket that PID 1 listens on shows root's credentials, whoever will
serve it. So nobody but root (run by hand: and the gate's own user) may be able to replace anything
on it.
"""

import contextlib
import os
import pwd
import socket
import stat
from collections.abc import Iterable

from socketgate.backend.channel import peer_credentials
from socketgate.errors import BackendUnavailable, ConfigError
from socketgate.pathwalk import walk

SERVICE_USER = "socketgate"


def trusted_uids(names: Iterable[str], key: str = "backend-users") -> frozenset[int]:
    """Root, our own user, the user `socketgate`, and those named in the configuration.

    Raises ConfigError for a name that is no user's; `key` is where the configuration has the names.
    """
    uids = {0, os.geteuid()}
    with contextlib.suppress(KeyError):  # run by hand, nothing installed: there is no such user
        uids.add(pwd.getpwnam(SERVICE_USER).pw_uid)
    for name in names:
        try:
            uids.add(pwd.getpwnam(name).pw_uid)
        except KeyError as error:
            raise ConfigError(
                f"{key}: there is no user {name!r}: create it or remove it there"
            ) from error
    return frozenset(uids)


def check_path(path: str) -> None:
    """Raise BackendUnavailable unless only root and we can replace anything on this path.

    Follows symbolic links as the kernel does; the folders they stand in are checked as well.
    """
    owners = (0, os.geteuid())
    checked = set()
    is_socket = False
    try:
        for step in walk(path):
            if step.folder not in checked:
                _check_folder(step.folder, os.lstat(step.folder), owners)
                checked.add(step.folder)
            if step.status is None:
                raise BackendUnavailable(f"{step.path} isn't there, or can't be seen by us")
            if stat.S_ISLNK(step.status.st_mode):
                _check_link(step.path, step.status, owners)
            is_socket = step.is_last and stat.S_ISSOCK(step.status.st_mode)
    except OSError as error:
        raise BackendUnavailable(str(error)) from error
    if not is_socket:
        raise BackendUnavailable(f"{path} is no socket")


def _check_folder(folder: str, status: os.stat_result, owners: tuple[int, ...]) -> None:
    if status.st_uid not in owners:
        raise BackendUnavailable(
            f"{folder} belongs to {user_name(status.st_uid)}, who could replace the backend's "
            f"socket: give it to root (chown root {folder})"
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX:
        raise BackendUnavailable(
            f"{folder} can be written by others, who could replace the backend's socket: "
            f"take that away (chmod go-w {folder})"
        )


def _check_link(path: str, status: os.stat_result, owners: tuple[int, ...]) -> None:
    """In a sticky folder (/tmp) anybody may make a link, and its owner may make another of it."""
    if status.st_uid not in owners:
        raise BackendUnavailable(
            f"{path} belongs to {user_name(status.st_uid)}, who could let it lead elsewhere: "
            f"make it as root (chown -h root {path})"
        )


def check_peer(sock: socket.socket, uids: frozenset[int]) -> None:
    """Raise BackendUnavailable unless one of these users is at the other end (SO_PEERCRED)."""
    pid, uid, _ = peer_credentials(sock)
    if uid not in uids:
        raise BackendUnavailable(
            f"the backend (process {pid}) runs as {user_name(uid)}: name that user in "
            "backend-users, or let it run as root or socketgate"
        )


def user_name(uid: int) -> str:
    """A user by name, by number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
