# SPDX-License-Identifier: MIT
"""Where the command runner is: on a path that only root can replace, or a child of ours.

The child is for a gate run by hand. The shipped units have socketgate-command.socket, and need no
exec at all.
"""

import contextlib
import os
import select
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from socketgate.backend.channel import peer_credentials
from socketgate.errors import BackendUnavailable
from socketgate.interpreter import words_to_run
from socketgate.program import own_environment
from socketgate.spawn import OURS, RESTORED_SIGNALS
from socketgate.trust import check_path, trusted_uids, user_name

#: What socketgate-command.socket listens on.
DEFAULT_SOCKET = Path("/run/socketgate/command.sock")

#: How long a child with nothing left to do has to end, in seconds.
END_SECONDS = 2.0

RUNNER = ("socketgate.__main__", "launch", "--commands", "--stdin")


def runner_path(configured: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The runner's socket; None for a child of our own, as who runs the gate by hand wants it.

    RUNTIME_DIRECTORY is what systemd sets for the shipped units (systemd.exec(5)).
    """
    if configured is not None:
        return configured
    return DEFAULT_SOCKET if environ.get("RUNTIME_DIRECTORY") else None


def to_do(path: Path) -> str:
    """What an admin is to do when nobody listens there."""
    if path == DEFAULT_SOCKET:
        return "systemctl start socketgate-command.socket"
    return "start the command runner there"


class RunnerAt:
    """A runner that listens on a path."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._uids = trusted_uids(())
        self._to_do = to_do(path)

    def check(self) -> None:
        """Raise BackendUnavailable if nobody can listen there, or not only who should."""
        if not os.path.lexists(self._path):  # pathlib has it from 3.12 on
            raise BackendUnavailable(f"{self._path} isn't there: {self._to_do}")
        check_path(self._path)

    def connect(self) -> socket.socket:
        """A channel. Raises BackendUnavailable, or BlockingIOError when its queue is full."""
        self.check()
        try:
            with contextlib.ExitStack() as opened:
                kind = socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK
                sock = opened.enter_context(socket.socket(socket.AF_UNIX, kind))
                sock.connect(self._path)
                _check_peer(sock, self._uids)
                opened.pop_all()
        except BlockingIOError:
            raise
        except ConnectionRefusedError as error:
            raise BackendUnavailable(f"nobody listens on {self._path}: {self._to_do}") from error
        except OSError as error:
            raise BackendUnavailable(f"{self._path}: {error.strerror}") from error
        return sock

    def close(self) -> None:
        """Nothing of it is ours."""


def _check_peer(sock: socket.socket, uids: frozenset[int]) -> None:
    pid, uid, _ = peer_credentials(sock)
    if uid not in uids:
        raise BackendUnavailable(
            f"the command runner (process {pid}) runs as {user_name(uid)}: have systemd listen "
            "for it (socketgate-command.socket), or run it as the gate's own user"
        )


def _start(channel: socket.socket) -> int:
    return os.posix_spawn(
        sys.executable,
        words_to_run(*RUNNER),
        {name: value for name, value in own_environment().items() if name not in OURS},
        file_actions=[(os.POSIX_SPAWN_DUP2, channel.fileno(), 0)],
        setsigdef=RESTORED_SIGNALS,
    )


class OwnRunner:
    """A runner that is our child, started with the first command. `close` lets go of it."""

    def __init__(self) -> None:
        self._children: dict[int, int] = {}

    def check(self) -> None:
        """It is there when it is needed."""

    def connect(self) -> socket.socket:
        """A channel to a new child. Raises BackendUnavailable."""
        self._reap(0.0)
        try:
            with contextlib.ExitStack() as opened:
                ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                opened.enter_context(ours)
                with theirs:
                    pid = _start(theirs)
                self._children[pid] = os.pidfd_open(pid)  # `theirs` has made room for it
                opened.pop_all()
        except OSError as error:
            raise BackendUnavailable(f"{sys.executable}: {error.strerror}") from error
        return ours

    def close(self) -> None:
        """The channels are closed: it ends, unless a command still runs. That one is left to it."""
        self._reap(END_SECONDS)
        for pidfd in self._children.values():
            os.close(pidfd)
        self._children.clear()

    def _reap(self, seconds: float) -> None:
        for pid, pidfd in list(self._children.items()):
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            if poll.poll(1000 * seconds):
                os.waitpid(pid, 0)
                os.close(self._children.pop(pid))
