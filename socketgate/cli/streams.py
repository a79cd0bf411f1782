# SPDX-License-Identifier: MIT
"""Standard input, output and error: there, and what is printed is written or its failure told."""

import contextlib
import io
import os
import sys
from typing import TextIO

from socketgate.errors import SocketgateError


def prepare_streams() -> None:
    """For the beginning of a process: 0, 1 and 2 are open, and standard error keeps nothing back.

    Where the caller has closed one, as by `>&-`, it is the null device: else the next file that is
    opened would be it. Writing to a closed standard output goes on being an error; what is said on
    a closed standard error is lost. What can't be said now isn't said later, either, nor is it an
    error at the exit.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:  # the number that open(2) gives is the lowest that is free: this one
            os.open(os.devnull, os.O_WRONLY if fd == 2 else os.O_RDONLY)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w")
    encoding = "utf-8" if sys.stderr is None else sys.stderr.encoding
    unbuffered = io.FileIO(2, "w", closefd=False)
    sys.stderr = io.TextIOWrapper(unbuffered, encoding, "backslashreplace", write_through=True)


def put(text: str, stream: TextIO | None = None) -> bool:
    """Write it at once, to standard output if nothing else is named. Raises SocketgateError.

    Says whether anybody still reads; a reader that has seen enough, as head(1), is no error.
    """
    stream = stream or sys.stdout
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _discard(stream)
        return False
    except OSError as error:
        _discard(stream)
        raise SocketgateError(f"standard output: {error.strerror}") from error
    return True


def complain(text: str) -> None:
    """Say it on standard error. Nothing depends on whether it is heard."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{text}\n")  # at once: what another thread says doesn't come in between


def _discard(stream: TextIO) -> None:
    """What is still buffered must not raise again at the exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
