# SPDX-License-Identifier: MIT
"""Errors that the kernel answers a running program's calls with, for a while: strace(1), inject=.

with answered(gate.pid, "accept4", errno.ENFILE):
    ...                                     # every accept4(2) of the gate's fails
"""

import contextlib
import errno
import os
import signal
import subprocess
from collections.abc import Iterator

WAIT_SECONDS = 30.0


class NotAttached(AssertionError):
    """strace could not get hold of the process; the text is what it said."""


@contextlib.contextmanager
def answered(pid: int, call: str, error: int, *, when: str = "1+") -> Iterator[None]:
    """This error for this system call of the process's first thread, from here on.

    `when` is strace's: "1" the next call only, "1..3" the next three.
    """
    rule = f"inject={call}:error={errno.errorcode[error]}:when={when}"
    words = ["strace", "-o", os.devnull, "-e", rule, "-p", str(pid)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as strace:
        try:
            _wait_attached(strace)
            yield
        finally:
            strace.send_signal(signal.SIGINT)  # it lets go of the process, which goes on
            strace.communicate(timeout=WAIT_SECONDS)


def _wait_attached(strace: "subprocess.Popen[str]") -> None:
    if strace.stderr is None:
        raise AssertionError("strace has no pipe")
    line = strace.stderr.readline()
    if "attached" not in line:
        raise NotAttached(line)
