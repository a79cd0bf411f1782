# SPDX-License-Identifier: MIT
"""A thread that is root and may not signal other users' processes (capabilities(7))."""

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator

CAP_KILL = 5

#: capset(2): _LINUX_CAPABILITY_VERSION_3, for the calling thread.
HEADER = struct.pack("<Ii", 0x20080522, 0)

_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def without_cap_kill() -> Iterator[None]:
    """Programs that are started meanwhile have it again, as root's do."""
    before = ctypes.create_string_buffer(24)
    _call("capget", before)
    effective, *rest = struct.unpack("<6I", before.raw)
    _call(
        "capset",
        ctypes.create_string_buffer(struct.pack("<6I", effective & ~(1 << CAP_KILL), *rest)),
    )
    try:
        yield
    finally:
        _call("capset", before)


def _call(name: str, data: "ctypes.Array[ctypes.c_char]") -> None:
    if getattr(_libc, name)(ctypes.create_string_buffer(HEADER, len(HEADER)), data) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
