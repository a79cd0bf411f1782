# SPDX-License-Identifier: MIT
"""The sockets a backend can listen on: passed by systemd, or opened on a path."""

import errno
import fcntl
import os
import pwd
import socket
from contextlib import suppress
from pathlib import Path

from .receiver import GATE_USER

FIRST_PASSED_FD = 3  # sd_listen_fds(3)


class NotABackendSocket(Exception):
    """What was passed is no sequential-packet listener; the text says what to change."""


def passed_socket(name: str | None = None) -> socket.socket:
    """The socket systemd passed (sd_listen_fds(3)): the only one, or the one of this name."""
    count = int(os.environ.get("LISTEN_FDS", "0"))
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or count < 1:
        raise NotABackendSocket("no socket was passed: start it by a .socket unit, or name a path")
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    fds = [FIRST_PASSED_FD + i for i in range(count) if name is None or names[i : i + 1] == [name]]
    if len(fds) != 1:
        raise NotABackendSocket(f"{len(fds)} of the passed sockets {names} may be meant, not one")
    sock = socket.socket(fileno=fds[0])
    fcntl.fcntl(sock, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if (sock.family, sock.type) != (socket.AF_UNIX, socket.SOCK_SEQPACKET) or not listens:
        sock.close()
        raise NotABackendSocket("its .socket unit needs ListenSequentialPacket= and Accept=no")
    return sock


def open_path(path: Path) -> socket.socket:
    """Listen on a path, 0660, for the gates' group where there is one and we may give it away.

    A socket left behind by a process that has ended is replaced; one in use is EADDRINUSE.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        if path.is_socket() and _is_left_behind(path):
            path.unlink()
        os.fchmod(sock.fileno(), 0o660)  # before bind(2), so that it is never more, whatever umask
        sock.bind(os.fspath(path))
        with suppress(KeyError, PermissionError):
            os.chown(path, -1, pwd.getpwnam(GATE_USER).pw_gid)
        path.chmod(0o660)  # bind(2) left out what the umask says, for the gates their write access
        sock.listen(socket.SOMAXCONN)
    except BaseException:  # nothing stays behind, whatever it was; it is raised on
        sock.close()
        raise
    return sock


def _is_left_behind(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        probe.settimeout(0)  # else a queue that is full would be waited for
        return probe.connect_ex(os.fspath(path)) == errno.ECONNREFUSED
