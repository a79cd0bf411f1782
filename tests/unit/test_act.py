# SPDX-License-Identifier: MIT
import os
import socket
import struct
from pathlib import Path

from socketgate.accept import Connection
from socketgate.act import set_socket_options
from socketgate.rules.option import Action, KeepAlive, Linger, Umask
from socketgate.rules.request import Access
from socketgate.rules.verdict import Verdict
from tests.support.clients import connected, listening, listening_locally


def option_of(connection: Connection, option: int, size: int) -> bytes:
    with socket.socket(fileno=os.dup(connection.fd)) as sock:
        return sock.getsockopt(socket.SOL_SOCKET, option, size)


def after(*actions: Action, option: int, size: int) -> tuple[list[str], bytes]:
    """What the kernel refused, and what the socket has afterwards."""
    with listening() as listener, connected(listener) as (connection, _):
        connection.verdict = Verdict(Access.ALLOW, actions=actions)
        troubles = set_socket_options(connection)
        return troubles, option_of(connection, option, size)


def test_keepalive_is_set() -> None:
    assert after(KeepAlive(), option=socket.SO_KEEPALIVE, size=4) == ([], struct.pack("i", 1))


def test_without_it_keepalive_is_off() -> None:
    assert after(Umask(0o22), option=socket.SO_KEEPALIVE, size=4) == ([], struct.pack("i", 0))


def test_linger_is_set_with_its_seconds() -> None:
    assert after(Linger(5), option=socket.SO_LINGER, size=8) == ([], struct.pack("ii", 1, 5))


def test_the_last_of_several_options_holds() -> None:
    _, value = after(Linger(5), KeepAlive(), Linger(7), option=socket.SO_LINGER, size=8)
    assert value == struct.pack("ii", 1, 7)


def test_a_connection_without_a_verdict_is_left_alone() -> None:
    with listening() as listener, connected(listener) as (connection, _):
        assert set_socket_options(connection) == []


def test_a_local_connection_takes_them_too(tmp_path: Path) -> None:
    with listening_locally(tmp_path) as listener, connected(listener) as (connection, _):
        connection.verdict = Verdict(Access.ALLOW, actions=(KeepAlive(),))
        assert set_socket_options(connection) == []
