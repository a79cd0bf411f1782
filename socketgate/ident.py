# SPDX-License-Identifier: MIT
"""The user at the client's end, as the client's host tells it: RFC 1413 (docs/lookups.md, Ident).

    gate    40123, 22\r\n                              from the connection's own local address
    host    40123, 22 : USERID : UNIX : bob\r\n        else: unknown

What it says is hearsay, from a stranger: it is checked for length and characters here.
"""

import asyncio
import os
import re
import socket

from socketgate.lookup_source import plain
from socketgate.lookup_values import Found, is_clean
from socketgate.rules.request import UNKNOWN, Endpoint, Request

IDENT_PORT = 113

#: RFC 1413 section 4: a reply is 1000 characters at most, so what is longer is no reply.
MAX_REPLY_BYTES = 1000
#: RFC 1413 section 6: a user id is 512 octets at most. (A fact is cut to 127 where it is kept.)
MAX_USER_BYTES = 512

#: port , port : USERID : system[,charset] : user
_REPLY = re.compile(rb"\s*(\d{1,5})\s*,\s*(\d{1,5})\s*:\s*USERID\s*:[^:]*:[ \t]*([^\s]+)", re.ASCII)


async def look_up_user(
    request: Request, *, timeout_seconds: float, port: int = IDENT_PORT
) -> Found:
    """Ask the client's host who made this connection. Unknown at the deadline; never raises."""
    client, server = request.client, request.server
    if client.port is None or server.port is None:
        return Found(UNKNOWN)
    try:
        async with asyncio.timeout(timeout_seconds):
            reply = await _ask(client, server, port)
    except TimeoutError:
        return Found(UNKNOWN, "user: timed out")
    except OSError as error:
        return Found(UNKNOWN, f"user: no answer ({_reason(error)})")
    return _parse_reply(reply, client.port, server.port)


async def _ask(client: Endpoint, server: Endpoint, port: int) -> bytes:
    """Everything the ident server says, to the end of its line and not beyond."""
    loop = asyncio.get_running_loop()
    here = _socket_address(server.address, 0)
    there = _socket_address(client.address, port)
    with socket.socket(here[0], socket.SOCK_STREAM) as sock:
        sock.settimeout(0)
        sock.bind(here[1])
        await loop.sock_connect(sock, there[1])
        await loop.sock_sendall(sock, b"%d, %d\r\n" % (client.port or 0, server.port or 0))
        reply = b""
        while b"\n" not in reply and len(reply) <= MAX_REPLY_BYTES:
            received = await loop.sock_recv(sock, MAX_REPLY_BYTES + 1)
            if not received:
                break
            reply += received
        return reply


def _socket_address(
    address: bytes, port: int
) -> tuple[socket.AddressFamily, tuple[str | int | bytes, ...]]:
    """A numeric address, its zone as a number: to a zone's name asyncio would ask the resolver."""
    found = socket.getaddrinfo(
        plain(address), port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )
    family, _, _, _, (host, *rest) = found[0]
    return family, (str(host).partition("%")[0], *rest)


def _reason(error: OSError) -> str:
    """In short: to what strerror(3) says, asyncio adds the address."""
    if error.errno is None or isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    return os.strerror(error.errno)


def _parse_reply(reply: bytes, client_port: int, server_port: int) -> Found:
    """The user of a reply to our question; unknown for anything else."""
    if not reply:
        return Found(UNKNOWN, "user: no answer")
    if len(reply) > MAX_REPLY_BYTES:
        return Found(UNKNOWN, f"user: a reply of more than {MAX_REPLY_BYTES} bytes")
    match = _REPLY.match(reply.partition(b"\n")[0])
    if match is None:
        return Found(UNKNOWN, "user: the reply names none")
    if (int(match[1]), int(match[2])) != (client_port, server_port):
        return Found(UNKNOWN, "user: a reply about other ports")
    if not is_clean(match[3], MAX_USER_BYTES):
        return Found(UNKNOWN, "user: a reply with characters no user has")
    return Found(match[3])
