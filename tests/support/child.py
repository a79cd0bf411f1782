# SPDX-License-Identifier: MIT
"""A child process with sockets passed to it exactly as systemd does (sd_listen_fds(3)).

Descriptors from 3 on, LISTEN_FDS, LISTEN_FDNAMES, and LISTEN_PID, which only the child itself can
know: a shell sets it and becomes the program.
"""

import fcntl
import os
import select
import signal
import socket
from collections.abc import Mapping, Sequence
from typing import IO

FIRST_PASSED = 3
BECOME = 'LISTEN_PID=$$; export LISTEN_PID; exec "$@"'
Sockets = Sequence[tuple[str, socket.socket]]


class StillRuns(AssertionError):
    """A process did not end within the time it had."""


def inheritable() -> list[int]:
    """What whoever started the tests left open for all below; no daemon of ours is to get it."""
    with os.scandir("/proc/self/fd") as entries:
        fds = [int(entry.name) for entry in entries if int(entry.name) > 2]
    found = []
    for fd in fds:
        try:
            if os.get_inheritable(fd):
                found.append(fd)
        except OSError:
            continue  # the one the listing was read by
    return found


class Child:
    """A process we started. `close` kills it, if it still runs, and always reaps it."""

    def __init__(
        self, words: Sequence[str], sockets: Sockets, env: Mapping[str, str], output: IO[bytes]
    ) -> None:
        names = ":".join(name for name, _ in sockets)
        passed = {"LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names} if sockets else {}
        # Copies above the places they go to, so that none is overwritten before it is placed.
        above = FIRST_PASSED + len(sockets)
        copies = [fcntl.fcntl(sock, fcntl.F_DUPFD_CLOEXEC, above) for _, sock in sockets]
        try:
            self.pid = os.posix_spawn(
                "/bin/sh",
                ["sh", "-c", BECOME, "sh", *words],
                {**env, **passed},
                file_actions=[
                    *((os.POSIX_SPAWN_CLOSE, fd) for fd in inheritable()),
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
                    (os.POSIX_SPAWN_DUP2, output.fileno(), 2),
                    *(
                        (os.POSIX_SPAWN_DUP2, copy, FIRST_PASSED + index)
                        for index, copy in enumerate(copies)
                    ),
                ],
                setsigdef=[signal.SIGPIPE],
            )
        finally:
            for copy in copies:
                os.close(copy)
        self.pidfd = os.pidfd_open(self.pid)
        self._exit_code: int | None = None

    @property
    def has_ended(self) -> bool:
        """Whether somebody waited for its end and saw it."""
        return self._exit_code is not None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; none if it has ended. After SIGSTOP it does nothing any more."""
        if self._exit_code is not None:
            return
        signal.pidfd_send_signal(self.pidfd, number)
        if number == signal.SIGSTOP:  # another processor may not have heard of it yet
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def wait(self, seconds: float) -> int:
        """The exit code, minus the signal's number if one ended it."""
        if self._exit_code is None:
            poll = select.poll()  # unlike select(2) it takes any descriptor's number
            poll.register(self.pidfd, select.POLLIN)
            if not poll.poll(seconds * 1000):
                raise StillRuns(f"process {self.pid} still runs after {seconds:g} s")
            self._exit_code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._exit_code

    def close(self) -> None:
        """Kill it, if it still runs, and forget it."""
        self.signal(signal.SIGKILL)
        self.wait(seconds=60)
        os.close(self.pidfd)
