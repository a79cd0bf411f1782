# SPDX-License-Identifier: MIT
"""How a client is introduced to its backend: the lines of a handoff but SOCKETGATE= and ID=.

The whole protocol is docs/protocol.md. What is the same for all connections of one verdict is made
once, as a template.
"""

from collections.abc import Iterator

from socketgate.accept import Connection
from socketgate.entry import is_plain, known_fact
from socketgate.identify import is_ip, unmapped
from socketgate.perverdict import PerVerdict
from socketgate.rules.option import (
    Action,
    Banners,
    KeepAlive,
    Linger,
    Nice,
    RunAsGroup,
    RunAsUser,
    SetEnv,
    Severity,
    Spawn,
    Twist,
    Umask,
)
from socketgate.rules.request import Fact

ADDRESSES = "REMOTE_ADDR=%s\nREMOTE_PORT=%d\nLOCAL_ADDR=%s\nLOCAL_PORT=%d\n"


class Introducer:
    """Writes the introductions of one daemon's clients."""

    def __init__(self) -> None:
        self._templates = PerVerdict[bytes]()

    def introduce(self, connection: Connection) -> bytes:
        """The lines for a connection that has a verdict."""
        verdict = connection.verdict
        if verdict is None or not is_plain(connection):
            addresses = _addresses(connection) if is_ip(connection.listener) else b""
            return addresses + constant_lines(connection)
        constant = self._templates.get(verdict)
        if constant is None:
            constant = self._templates.keep(verdict, constant_lines(connection))
        return _addresses(connection) + constant


def _addresses(connection: Connection) -> bytes:
    server = connection.server
    text = ADDRESSES % (
        unmapped(str(connection.peer[0])),
        connection.peer[1],
        unmapped(server.address),
        server.port,
    )
    return text.encode()


def constant_lines(connection: Connection) -> bytes:
    """All lines that don't name addresses and ports."""
    lines = [f"DAEMON={connection.listener.name}"]
    for key, fact in (("REMOTE_HOST", Fact.CLIENT_NAME), ("REMOTE_USER", Fact.CLIENT_USER)):
        if value := known_fact(connection.request, fact):
            lines.append(f"{key}={value}")
    verdict = connection.verdict
    if verdict is not None and verdict.place is not None:
        lines.append(f"RULE={verdict.place.origin.rpartition('/')[2]}:{verdict.place.line}")
    text = "".join(f"{line}\n" for line in lines).encode()
    return text + b"".join(_option_lines(verdict.actions if verdict is not None else ()))


def _option_lines(actions: tuple[Action, ...]) -> Iterator[bytes]:
    for action in actions:
        match action:
            case SetEnv(name, value):
                yield b"SETENV=%b=%b\n" % (name, value)
            case Umask(mode):
                yield b"UMASK=%04o\n" % mode
            case Nice(increment):
                yield b"NICE=%d\n" % increment
            case RunAsUser(user, group):
                yield b"USER=%b\n" % user
                if group is not None:
                    yield b"GROUP=%b\n" % group
            case RunAsGroup(group):
                yield b"GROUP=%b\n" % group
            case Spawn() | Twist() | Severity() | KeepAlive() | Linger() | Banners():
                continue  # the gate's own, or the command runner's
