# SPDX-License-Identifier: MIT
"""Tell the service manager how we are (sd_notify(3)): ready, status, alive, stopping.

Without the sdnotify package the few lines it takes are done here; without NOTIFY_SOCKET nothing is.
"""

import os
import socket
import struct
import time
from collections.abc import Callable

try:
    from sdnotify import SystemdNotifier
except ImportError:  # a distribution without it
    SystemdNotifier = None

Send = Callable[[str], object]

#: How long a message waits, in seconds, for room in the manager's queue. Should PID 1 never read
#: again, whoever comes to see why has to come through a gate that goes on.
SEND_SECONDS = 1.0
#: The same as struct timeval, socket(7).
SEND_TIMEVAL = struct.pack("ll", int(SEND_SECONDS), 0)


class Notifier:
    """The way to the service manager. Never raises: nobody listening is no failure of ours."""

    def __init__(self, send: Send | None = None) -> None:
        self._send = send or _way_to_the_manager()
        self._status = ""

    def ready(self, status: str) -> None:
        """Start or reload is complete."""
        self._status = status
        self._send(f"READY=1\nSTATUS={_one_line(status)}")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; said again only when it changed."""
        if text != self._status:
            self._send(f"STATUS={_one_line(text)}")
            self._status = text

    def reloading(self) -> None:
        """A reload was asked for; `ready` ends it (Type=notify-reload wants the time as well)."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def watchdog(self) -> None:
        """The loop turns."""
        self._send("WATCHDOG=1")

    def store(self, name: str, fd: int) -> bool:
        """Have the manager keep a copy of a descriptor, by a name of its own.

        Doesn't wait; says whether the message was sent.
        """
        return _send_with(fd, f"FDSTORE=1\nFDNAME={name}", flags=socket.MSG_DONTWAIT)

    def remove(self, name: str, *, waits: bool) -> bool:
        """Have the manager close what it keeps by that name; says whether the message was sent."""
        flags = 0 if waits else socket.MSG_DONTWAIT
        return _send_with(None, f"FDSTOREREMOVE=1\nFDNAME={name}", flags)

    def stopping(self, status: str) -> None:
        """No new connections from here on."""
        self._send(f"STOPPING=1\nSTATUS={_one_line(status)}")


def watchdog_seconds() -> float | None:
    """How often to say that we are alive: half of WatchdogSec= (sd_watchdog_enabled(3))."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    if not for_us or not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    return int(microseconds) / 2_000_000


def _one_line(text: str) -> str:
    """A newline would end the value and begin another variable."""
    return text.replace("\n", " ")


def _encode(state: str) -> bytes:
    """sd_notify(3) wants UTF-8; a file name that isn't is shown escaped."""
    return state.encode("utf-8", "backslashreplace")


def _way_to_the_manager() -> Send:
    has_package = SystemdNotifier is not None and "NOTIFY_SOCKET" in os.environ
    return _through_sdnotify() if has_package else _send_by_hand


def _through_sdnotify() -> Send:
    notifier = SystemdNotifier()
    if notifier.socket is not None:
        notifier.socket.settimeout(SEND_SECONDS)
    notify: Send = notifier.notify
    # It encodes as Latin-1 and drops in silence what that can't hold, READY=1 with it: so it gets
    # the bytes of UTF-8 as characters.
    return lambda state: notify(_encode(state).decode("latin-1"))


def _send_by_hand(state: str) -> None:
    _send_with(None, state)


def _send_with(fd: int | None, state: str, flags: int = 0) -> bool:
    """One message, a descriptor with it if there is one. Whether it was sent."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    rights = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", fd))]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, SEND_TIMEVAL)
            sock.sendmsg([_encode(state)], rights, flags, address)
    except OSError:
        return False  # as sdnotify: whoever started us may have gone
    return True
