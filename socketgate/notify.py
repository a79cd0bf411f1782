# SPDX-License-Identifier: MIT
"""Tell the service manager how we are (sd_notify(3)): ready, status, alive, stopping.

Without the sdnotify package the few lines it takes are done here; without NOTIFY_SOCKET nothing is.
"""

import os
import socket
import time
from collections.abc import Callable

try:
    from sdnotify import SystemdNotifier
except ImportError:  # a distribution without it
    SystemdNotifier = None

Send = Callable[[str], object]


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
            self._status = text
            self._send(f"STATUS={_one_line(text)}")

    def reloading(self) -> None:
        """A reload was asked for; `ready` ends it (Type=notify-reload wants the time as well)."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def watchdog(self) -> None:
        """The loop turns."""
        self._send("WATCHDOG=1")

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
    notify: Send = SystemdNotifier().notify
    # It encodes as Latin-1 and drops in silence what that can't hold, READY=1 with it: so it gets
    # the bytes of UTF-8 as characters.
    return lambda state: notify(_encode(state).decode("latin-1"))


def _send_by_hand(state: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.sendto(_encode(state), address)
        except OSError:
            return  # as sdnotify: whoever started us may have gone
