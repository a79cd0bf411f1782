# SPDX-License-Identifier: MIT
"""How a client is introduced to its backend: the lines of a handoff but SOCKETGATE= and ID=.

The whole protocol is docs/protocol.md. What is the same for many is kept in the connections' lane.
"""

from collections.abc import Iterable, Iterator

from socketgate.accept import Connection
from socketgate.clients import unmapped
from socketgate.entry import known_fact
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


def introduce(connection: Connection) -> bytes:
    """The lines for a connection that has a verdict."""
    lane = connection.lane
    rest = None if lane is None else lane.introduction
    if rest is None:
        rest = constant_lines(connection)
        if lane is not None:
            lane.introduction = rest
    address = connection.client.bare_address
    if not address:
        return rest.encode("utf-8", "surrogateescape")
    port = connection.peer[1]
    text = f"REMOTE_ADDR={address}\nREMOTE_PORT={port}\n{rest}"
    return text.encode("utf-8", "surrogateescape")


def constant_lines(connection: Connection) -> str:
    """All lines but the client's address and port."""
    lines = [f"DAEMON={connection.listener.name}"]
    if connection.address:
        server = connection.server
        lines += [f"LOCAL_ADDR={unmapped(server.address)}", f"LOCAL_PORT={server.port}"]
    for key, fact in (("REMOTE_HOST", Fact.CLIENT_NAME), ("REMOTE_USER", Fact.CLIENT_USER)):
        if value := known_fact(connection.request, fact):
            lines.append(f"{key}={value}")
    verdict = connection.verdict
    if verdict is not None and verdict.place is not None:
        lines.append(f"RULE={verdict.place.origin.rpartition('/')[2]}:{verdict.place.line}")
    text = "".join(f"{line}\n" for line in lines)
    options = b"".join(option_lines(verdict.actions if verdict is not None else ()))
    return text + options.decode("utf-8", "surrogateescape")


def option_lines(actions: Iterable[Action]) -> Iterator[bytes]:
    """The lines for what serves the client, in the options' order."""
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
