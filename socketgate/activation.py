# SPDX-License-Identifier: MIT
"""The listening sockets that systemd passed us, checked (sd_listen_fds(3), systemd.socket(5)).

Whatever isn't a named, listening stream socket is the units' fault, so every error names the unit,
as far as the socket tells it, and the setting to change.
"""

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from socketgate.daemonname import name_problem
from socketgate.errors import ActivationError

try:
    from systemd.daemon import listen_fds_with_names
except ImportError:  # a distribution without it
    listen_fds_with_names = None

#: sd_listen_fds(3): SD_LISTEN_FDS_START.
FIRST_FD = 3
VARIABLES = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")

FAMILIES = frozenset({socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_VSOCK})


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket that systemd passed us, with its name."""

    sock: socket.socket
    name: str

    @property
    def address(self) -> str:
        """Where it listens, as `ss -l` writes it."""
        return describe_address(self.sock)


def passed_listeners(names_by_fd: Callable[[], dict[int, str]] | None = None) -> list[Listener]:
    """All sockets that systemd passed, in order. They are ours from here on.

    Raises ActivationError when there is none or one of them can't be served.
    """
    passed = (names_by_fd or passed_fds)()
    if not passed:
        raise ActivationError(
            "systemd passed no sockets: start the .socket unit instead of the service, as in "
            "'systemctl enable --now socketgate@sshd.socket' (or by hand: "
            "systemd-socket-activate -l 2222 --fdname=sshd socketgate run)"
        )
    listeners: list[Listener] = []
    try:
        for fd, name in sorted(passed.items()):
            listeners.append(_listener(fd, name))
    except ActivationError:
        close_all(listeners)
        raise
    return listeners


def passed_fds() -> dict[int, str]:
    """Descriptor -> FileDescriptorName=.

    The variables are removed, so that no child takes them for its own. Raises ActivationError when
    not all that LISTEN_FDS= counts are open.
    """
    if listen_fds_with_names is None:
        return _passed_by_hand()
    try:
        passed: dict[int, str] = listen_fds_with_names()
    except OSError as error:
        raise _wrong_count() from error
    for name in VARIABLES:
        os.environ.pop(name, None)  # the library sees to the C library's environment only
    return passed


def _passed_by_hand() -> dict[int, str]:
    count, pid, joined = (os.environ.pop(name, "") for name in VARIABLES)
    names = joined.split(":")
    if pid != str(os.getpid()) or not count.isdecimal():
        return {}
    fds = range(FIRST_FD, FIRST_FD + int(count))
    try:
        for fd in fds:
            os.set_inheritable(fd, False)  # noqa: FBT003  # positional only
    except OSError as error:
        raise _wrong_count() from error
    return {fd: names[i] if i < len(names) else "" for i, fd in enumerate(fds)}


def _wrong_count() -> ActivationError:
    return ActivationError(
        "LISTEN_FDS= counts descriptors that are not open: let systemd set it, by a .socket unit,"
        " or systemd-socket-activate"
    )


def _listener(fd: int, name: str) -> Listener:
    unit = f"the .socket unit of descriptor {fd} (name {name!r})"
    try:
        sock = socket.socket(fileno=fd)
    except OSError as error:
        raise ActivationError(
            f"{unit}: not a socket: pass nothing but ListenStream= sockets to socketgate"
        ) from error
    problem = _problem(sock, name)
    if problem:
        with sock:
            address = describe_address(sock)
        raise ActivationError(
            f"the .socket unit that listens on {address} (name {name!r}): {problem}"
        )
    sock.settimeout(0)
    return Listener(sock, name)


def _problem(sock: socket.socket, name: str) -> str:
    """Why this socket can't be served, and what to change; empty when it can."""
    if sock.type != socket.SOCK_STREAM:
        return (
            "not a stream socket: use ListenStream= "
            "instead of ListenDatagram= or ListenSequentialPacket="
        )
    if sock.family not in FAMILIES:
        return "a family that can't be served: use a TCP, AF_UNIX or vsock address in ListenStream="
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        if not _is_connected(sock):
            return (
                "it neither listens nor is connected: "
                "pass sockets by a .socket unit's ListenStream= or by systemd-socket-activate"
            )
        return (
            "an accepted connection, not a listening socket: "
            "remove Accept=yes from the .socket unit"
        )
    if name.endswith(".socket"):
        own = name.removesuffix(".socket")
        return f"it has no name of its own: add FileDescriptorName={own} to {name}"
    if name in ("", "unknown", "connection", "stored"):
        return (
            "it has no name: add FileDescriptorName=NAME, "
            "with the daemon's name in hosts.allow and hosts.deny"
        )
    if problem := name_problem(name):
        return f"its name can't be a daemon's: in FileDescriptorName=, {problem}"
    return ""


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def describe_address(sock: socket.socket) -> str:
    """The local address for people: 192.0.2.1:22, [::]:22, /run/x.sock, vsock:2:22."""
    address = sock.getsockname()
    if sock.family == socket.AF_INET:
        return f"{address[0]}:{address[1]}"
    if sock.family == socket.AF_INET6:
        return f"[{address[0]}]:{address[1]}"
    if sock.family == socket.AF_VSOCK:
        return f"vsock:{address[0]}:{address[1]}"
    if sock.family == socket.AF_UNIX:
        return os.fsdecode(address).replace("\0", "@") or "(unnamed)"
    return f"an address of family {int(sock.family)}"


def close_all(listeners: Sequence[Listener]) -> None:
    """Let go of our copies; systemd keeps its own, and the queue with it."""
    for listener in listeners:
        listener.sock.close()
