# SPDX-License-Identifier: MIT
"""What stands for systemd and journald at a daemon's two datagram sockets, and forgets nothing.

A thread takes each datagram as it comes: such a socket holds ten only, and a sender would wait or
drop. Tests wait here for what they expect; a daemon that ends meanwhile ends the waiting.
"""

import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

#: No datagram is larger; a larger journal entry comes as a descriptor of a file.
MAX_DATAGRAM_BYTES = 256 * 1024

#: How much of what came is shown when something did not.
MAX_SHOWN = 20

Fields = dict[str, str]


class NeverCame(AssertionError):
    """What a test waited for did not come; the text has all that did."""


def parse_entry(data: bytes) -> Fields:
    """Fields of the journal's native protocol: `KEY=VALUE`, or `KEY`, length (64 bit) and value."""
    fields = {}
    while data:
        line, _, data = data.partition(b"\n")
        key, is_text, value = line.partition(b"=")
        if not is_text:
            (length,) = struct.unpack_from("<Q", data)
            value, data = data[8 : 8 + length], data[8 + length + 1 :]
        fields[key.decode()] = value.decode(errors="surrogateescape")
    return fields


def read_file(fd: int) -> bytes:
    """All of a passed file, from its beginning, and the end of the descriptor."""
    try:
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)


class Inbox:
    """Both sockets, in a folder of the test's. `states` and `entries` grow as datagrams come."""

    def __init__(self, folder: Path) -> None:
        self.notify_path = folder / "notify.sock"
        self.journal_path = folder / "journal.sock"
        self.states: list[Fields] = []
        self.entries: list[Fields] = []
        self._places = {
            _bind(self.notify_path): self.states,
            _bind(self.journal_path): self.entries,
        }
        self._seen_states = 0
        self._changed = threading.Condition()
        self._is_over = False
        self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread: threading.Thread | None = None

    def open(self, pidfd: int) -> None:
        """Take datagrams until the process has ended, and then what is still there."""
        self._thread = threading.Thread(target=self._take_all, args=(pidfd,), name="inbox")
        self._thread.start()

    def close(self) -> None:
        """Take no more."""
        os.eventfd_write(self._stop, 1)
        if self._thread is not None:
            self._thread.join()
        os.close(self._stop)
        for sock in self._places:
            sock.close()

    def wait_state(self, key: str, containing: str, seconds: float) -> str:
        """The value of the next notification of this key that contains the text; it is used up."""

        def next_value() -> str | None:
            while self._seen_states < len(self.states):
                state = self.states[self._seen_states]
                self._seen_states += 1
                if containing in state.get(key, "") and key in state:
                    return state[key]
            return None

        return self._wait(next_value, f"{key}=...{containing}", self.states, seconds)

    def wait_entries(self, count: int, fields: Fields, seconds: float) -> list[Fields]:
        """All journal entries so far that have these fields, once there are as many."""

        def enough() -> list[Fields] | None:
            found = [entry for entry in self.entries if fields.items() <= entry.items()]
            return found if len(found) >= count else None

        return self._wait(enough, f"{count} entries with {fields}", self.entries, seconds)

    def _wait(
        self, look: Callable[[], T | None], what: str, came: list[Fields], seconds: float
    ) -> T:
        """Look each time something came, until there is an answer."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while (answer := look()) is None:
                left = deadline - time.monotonic()
                if self._is_over or left <= 0:
                    reason = "the process ended" if self._is_over else f"not within {seconds:g} s"
                    shown = "".join(f"\n    {fields}" for fields in came[-MAX_SHOWN:])
                    raise NeverCame(f"no {what}: {reason}; what came last:{shown}")
                self._changed.wait(left)
        return answer

    def _take_all(self, pidfd: int) -> None:
        """The thread: every datagram, in order, until the process has ended or we are closed."""
        with selectors.DefaultSelector() as selector:
            for sock in self._places:
                selector.register(sock, selectors.EVENT_READ)
            ends = {self._stop, pidfd}
            for fd in ends:
                selector.register(fd, selectors.EVENT_READ)
            while True:
                ready = {key.fd: key.fileobj for key, _ in selector.select()}
                socks = [sock for sock in self._places if sock.fileno() in ready]
                for sock in socks:
                    self._take(sock)
                if ends & ready.keys() and not socks:
                    break
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _take(self, sock: socket.socket) -> None:
        """One datagram, or the file that stands for it."""
        data, fds, _, _ = socket.recv_fds(sock, MAX_DATAGRAM_BYTES, 1)
        for fd in fds:
            if data:
                os.close(fd)  # FDSTORE=1, which we don't keep
            else:
                data = read_file(fd)
        fields = parse_entry(data)
        with self._changed:
            self._places[sock].append(fields)
            self._changed.notify_all()


def _bind(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        sock.bind(str(path))
    except BaseException:  # nothing stays behind, whatever it was; it is raised on
        sock.close()
        raise
    return sock
