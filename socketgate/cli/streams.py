# SPDX-License-Identifier: MIT
"""Standard input, output and error: there, and what is printed is written or its failure told."""

import os
import sys
from typing import TextIO

from socketgate.errors import SocketgateError


def open_missing_streams() -> None:
    """Put the null device where the caller has closed 0, 1 or 2, as by `>&-`.

    Else the next file that is opened would be one of them. Writing to a closed standard output goes
    on being an error; what is said on a closed standard error is lost.
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
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", buffering=1)


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


def _discard(stream: TextIO) -> None:
    """What is still buffered must not raise again at the exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
