# SPDX-License-Identifier: MIT
"""What a rule's options do to the connection itself (hosts_options(5)).

Docs/design.md 7 says who does the rest.
"""

import socket
import struct

from socketgate.accept import Connection
from socketgate.rules.option import KeepAlive, Linger


def set_socket_options(connection: Connection) -> list[str]:
    """`keepalive` and `linger`, as the rule says.

    The answer: what the kernel refused, for a warning.
    """
    troubles: list[str] = []
    for action in connection.verdict.actions if connection.verdict is not None else ():
        match action:
            case KeepAlive():
                _set(connection, socket.SO_KEEPALIVE, struct.pack("i", 1), "SO_KEEPALIVE", troubles)
            case Linger(seconds):
                _set(
                    connection,
                    socket.SO_LINGER,
                    struct.pack("ii", 1, seconds),
                    f"SO_LINGER {seconds}",
                    troubles,
                )
            case _:
                continue  # not the socket's
    return troubles


def _set(connection: Connection, option: int, value: bytes, name: str, troubles: list[str]) -> None:
    listening = connection.listener.sock
    sock = socket.socket(listening.family, listening.type, listening.proto, fileno=connection.fd)
    try:
        sock.setsockopt(socket.SOL_SOCKET, option, value)
    except OSError as error:
        troubles.append(f"setsockopt {name}: {error.strerror}")
    finally:
        sock.detach()
