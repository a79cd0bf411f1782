# SPDX-License-Identifier: MIT
"""The part of inotify_simple that we use, for distributions that lack that package."""

import ctypes
import fcntl
import os
import select
import struct
import termios
from enum import IntFlag
from typing import NamedTuple


class Event(NamedTuple):
    """One event, as inotify_simple's."""

    wd: int
    mask: int
    cookie: int
    name: str


class flags(IntFlag):  # noqa: N801  # the name inotify_simple gives it
    """<sys/inotify.h>, those in use."""

    MODIFY = 0x2
    ATTRIB = 0x4
    CLOSE_WRITE = 0x8
    MOVED_FROM = 0x40
    MOVED_TO = 0x80
    CREATE = 0x100
    DELETE = 0x200
    DELETE_SELF = 0x400
    MOVE_SELF = 0x800
    UNMOUNT = 0x2000
    Q_OVERFLOW = 0x4000
    IGNORED = 0x8000
    ONLYDIR = 0x0100_0000


#: inotify(7): struct inotify_event without its name.
HEADER = struct.Struct("iIII")


class INotify:
    """An inotify instance through the C library."""

    def __init__(self, *, nonblocking: bool) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        mode = os.O_CLOEXEC | (os.O_NONBLOCK if nonblocking else 0)
        self._fd = self._checked(self._libc.inotify_init1(mode))

    def fileno(self) -> int:
        """The descriptor, to wait on."""
        return self._fd

    def add_watch(self, path: str, mask: int) -> int:
        """inotify_add_watch(2); raises OSError."""
        return self._checked(
            self._libc.inotify_add_watch(self._fd, os.fsencode(path), ctypes.c_uint32(mask))
        )

    def rm_watch(self, watch: int) -> None:
        """inotify_rm_watch(2); raises OSError."""
        self._checked(self._libc.inotify_rm_watch(self._fd, watch))

    def read(self, timeout: int) -> list[Event]:
        """All events there are; if there are none, those that arrive in so many milliseconds."""
        poller = select.poll()
        poller.register(self._fd, select.POLLIN)
        if not poller.poll(timeout):
            return []
        data = os.read(self._fd, self._queued_bytes())
        events = []
        offset = 0
        while offset < len(data):
            watch, mask, cookie, size = HEADER.unpack_from(data, offset)
            offset += HEADER.size
            name = os.fsdecode(data[offset : offset + size].rstrip(b"\0"))
            events.append(Event(watch, mask, cookie, name))
            offset += size
        return events

    def close(self) -> None:
        """Give the instance and its watches back."""
        os.close(self._fd)

    def _queued_bytes(self) -> int:
        """inotify(7), FIONREAD: an event that is left behind would be one nobody knows of yet."""
        (size,) = struct.unpack("i", fcntl.ioctl(self._fd, termios.FIONREAD, bytes(4)))
        return int(size)

    @staticmethod
    def _checked(result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result
