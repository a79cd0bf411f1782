# SPDX-License-Identifier: MIT
"""The way to journald: its native protocol, never blocking (systemd.io/JOURNAL_NATIVE_PROTOCOL).

    entry     one datagram of KEY=VALUE lines
    queue     what the socket doesn't take at once waits here, bounded; what doesn't fit is counted
    stderr    where there is no journald, one readable line instead

A journal that is stopped or slow costs entries, never a connection.
"""

import asyncio
import collections
import contextlib
import errno
import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping

SOCKET_PATH = "/run/systemd/journal/socket"
#: Another journald's socket, for tests and for gates run by hand.
SOCKET_VARIABLE = "SOCKETGATE_JOURNAL_SOCKET"

#: The kinds of entries (docs/design.md 8, units/socketgate.catalog): these digits and three more.
MESSAGE_ID = "5d0e7a1c6b5e4d0b9a52c0f6f3b8a"

#: Entries that may wait for a busy journald: some seconds of a flood, a few megabytes.
MAX_WAITING = 8192

#: Seconds between two tries to reach journald where nothing tells when it can be reached.
RETRY_SECONDS = 0.25

#: unix(7): journald's socket is there no longer, or not yet; or the kernel is short of memory.
OUT_OF_REACH = frozenset(
    {
        errno.ECONNREFUSED, errno.ENOENT, errno.ENOTCONN, errno.ECONNRESET, errno.EPIPE,
        errno.ENOBUFS, errno.ENOMEM,
    }
)  # fmt: skip


def encode_entry(fields: Mapping[str, str | int]) -> bytes:
    """One entry in the native protocol; values with newlines have their length in front."""
    parts = []
    for key, value in fields.items():
        data = str(value).encode("utf-8", "surrogateescape")
        if b"\n" in data:
            parts.append(key.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n")
        else:
            parts.append(b"%s=%s\n" % (key.encode(), data))
    return b"".join(parts)


class Journal:
    """Sends encoded entries. `close` tries once more to send what still waits."""

    def __init__(self, path: str | None = None) -> None:
        self._path = path or os.environ.get(SOCKET_VARIABLE) or SOCKET_PATH
        self._waiting: collections.deque[bytes] = collections.deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._is_watched = False
        #: Entries that were not written, since the start.
        self.lost_count = 0
        self._reported_lost = 0
        self._sock: socket.socket | None = None
        self.has_journald = self._connect()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """From here on, what waits is sent when journald takes it again."""
        self._loop = loop

    def send(self, entry: bytes) -> None:
        """Write one entry, or keep it until journald takes it. Never blocks, never raises."""
        if not self._waiting and self._sock is not None:
            try:
                self._sock.send(entry)
            except OSError:
                pass  # what is the matter is seen below
            else:
                return
        if not self.has_journald:
            self._write_out(entry)
            return
        if self._waiting or not self._try_send(entry):
            self._keep(entry)

    def close(self) -> None:
        """Send what can be sent at once and let go of the socket. The loop may have ended."""
        if self._loop is not None and self._loop.is_closed():
            self._loop = None
        self._flush()
        self.lost_count += len(self._waiting)
        self._waiting.clear()
        self._unwatch()
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _write_out(self, entry: bytes) -> None:
        try:
            sys.stderr.write(readable(entry) + "\n")
        except OSError:
            self.lost_count += 1  # EPIPE and the like: whoever read it has gone

    def _connect(self) -> bool:
        try:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        except OSError:  # EMFILE, ENFILE: it passes
            return False
        try:
            sock.connect(self._path)
        except OSError:
            sock.close()
            return False
        self._sock = sock
        return True

    def _try_send(self, entry: bytes) -> bool:
        """Whether the entry needs no further care: it was sent, or can never be."""
        if self._sock is None and not self._connect():
            return False
        try:
            if self._sock is not None:
                self._sock.send(entry)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in OUT_OF_REACH:
                self._disconnect()
                return False
            self.lost_count += 1  # EMSGSIZE and the like: this one will never go through
        return True

    def _disconnect(self) -> None:
        self._unwatch()
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _keep(self, entry: bytes) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self.lost_count += 1
        else:
            self._waiting.append(entry)
        self._watch()

    def _watch(self) -> None:
        """Come back when journald can take more, or after a while when it is gone."""
        if self._loop is None or self._is_watched or self._retry is not None:
            return
        if self._sock is not None:
            with contextlib.suppress(OSError):  # epoll_ctl(2): ENOMEM, ENOSPC
                self._loop.add_writer(self._sock, self._flush)
                self._is_watched = True
                return
        self._retry = self._loop.call_later(RETRY_SECONDS, self._flush)

    def _unwatch(self) -> None:
        if self._is_watched and self._loop is not None and self._sock is not None:
            self._loop.remove_writer(self._sock)
        self._is_watched = False
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _flush(self) -> None:
        self._retry = None
        while self._waiting and self._try_send(self._waiting[0]):
            self._waiting.popleft()
        if self._waiting:
            self._watch()
            return
        self._unwatch()
        if self.lost_count > self._reported_lost:
            lost, self._reported_lost = self.lost_count - self._reported_lost, self.lost_count
            self.send(encode_entry(lost_entry(lost)))


def lost_entry(count: int) -> dict[str, str | int]:
    """The entry that says how many others could not be written."""
    return {
        "MESSAGE": f"{count} journal entries could not be written: journald took them too slowly",
        "PRIORITY": 4,
        "SYSLOG_IDENTIFIER": "socketgate",
    }


def readable(entry: bytes) -> str:
    """An entry as one line for a terminal: `sshd: refused connect from ...`."""
    fields = dict(_fields_of(entry))
    text = fields.get(b"MESSAGE", b"").decode("utf-8", "replace")
    name = fields.get(b"SYSLOG_IDENTIFIER", b"socketgate").decode("utf-8", "replace")
    return f"{name}: {text}"


def _fields_of(entry: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The fields of an entry that `encode_entry` made."""
    while entry:
        line, _, entry = entry.partition(b"\n")
        key, is_plain, value = line.partition(b"=")
        if not is_plain:
            length = int.from_bytes(entry[:8], "little")
            value, entry = entry[8 : 8 + length], entry[8 + length + 1 :]
        yield key, value


class JournalHandler(logging.Handler):
    """Python's logging, to the same journal; a traceback goes into the message."""

    LEVELS = (
        (logging.CRITICAL, 2),
        (logging.ERROR, 3),
        (logging.WARNING, 4),
        (logging.INFO, 6),
    )

    def __init__(self, journal: Journal, daemons: str = "") -> None:
        """`daemons` are those served, for the catalog's texts."""
        super().__init__()
        self._journal = journal
        self._daemons = daemons

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record as an entry of its own."""
        priority = next((number for level, number in self.LEVELS if record.levelno >= level), 7)
        fields: dict[str, str | int] = {
            "MESSAGE": self.format(record),
            "PRIORITY": priority,
            "SYSLOG_IDENTIFIER": "socketgate",
            "SYSLOG_FACILITY": 3,
            "CODE_FILE": record.pathname,
            "CODE_LINE": record.lineno,
        }
        if self._daemons:
            fields["SOCKETGATE_DAEMON"] = self._daemons
        message_id = getattr(record, "message_id", None)
        if message_id:
            fields["MESSAGE_ID"] = message_id
        self._journal.send(encode_entry(fields))
