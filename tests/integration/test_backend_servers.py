# SPDX-License-Identifier: MIT
"""Servers of the standard library and an ASGI server take a Listener as it is."""

import asyncio
import socket
import socketserver
import wsgiref.simple_server
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

from socketgate.backend import Listener
from tests.support.gatestub import GateStub, client_pair, read_all

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
PATIENCE_SECONDS = 20


@contextmanager
def handed_over(path: Path, first_bytes: bytes) -> Iterator[tuple[Listener, socket.socket]]:
    """A Listener with a client of ours on its way, who has already said something."""
    with Listener(path) as listener, GateStub.connect(path) as gate, client_pair() as (near, far):
        near.sendall(first_bytes)
        gate.hand_over(1, far)
        yield listener, near


def shown(address: tuple[str, int]) -> bytes:
    return f"{address[0]}:{address[1]}".encode()


async def read_all_async(near: socket.socket) -> bytes:
    """Everything until the server closes, while its loop turns."""
    near.settimeout(0)
    chunks = []
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while chunk := await loop.sock_recv(near, 65_536):
            chunks.append(chunk)
    return b"".join(chunks)


async def tell_peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    said = await reader.readline()
    writer.write(said + shown(writer.get_extra_info("peername")))
    await writer.drain()
    writer.close()
    await writer.wait_closed()


def test_asyncio_serves_the_real_client(tmp_path: Path) -> None:
    async def serve(listener: Listener, near: socket.socket) -> bytes:
        async with await asyncio.start_server(tell_peer, sock=listener):
            return await read_all_async(near)

    with handed_over(tmp_path / "s", b"hello\n") as (listener, near):
        expected = b"hello\n" + shown(near.getsockname())
        assert asyncio.run(serve(listener, near)) == expected


def test_asyncio_closes_the_listener_with_the_server(tmp_path: Path) -> None:
    async def serve(listener: Listener) -> None:
        async with await asyncio.start_server(tell_peer, sock=listener):
            pass

    listener = Listener(tmp_path / "s")
    asyncio.run(serve(listener))
    assert listener.fileno() == -1


def test_asyncio_servers_can_ask_for_what_the_gate_knows(tmp_path: Path) -> None:
    async def serve(listener: Listener, near: socket.socket) -> bytes:
        async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            handoff = listener.handoff_of(writer.get_extra_info("socket"))
            writer.write(handoff.daemon.encode() if handoff else b"unknown")
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(tell, sock=listener):
            return await read_all_async(near)

    with handed_over(tmp_path / "s", b"") as (listener, near):
        assert asyncio.run(serve(listener, near)) == b"testd"


class TellPeer(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(self.rfile.readline() + shown(self.client_address))


@pytest.mark.parametrize(
    "kind",
    [
        socketserver.TCPServer,
        socketserver.ThreadingTCPServer,
        socketserver.ForkingTCPServer,
    ],
)
def test_socketserver_serves_the_real_client(
    tmp_path: Path, kind: Callable[..., socketserver.TCPServer]
) -> None:
    with (
        handed_over(tmp_path / "s", b"hello\n") as (listener, near),
        serving(kind, TellPeer, listener) as server,
    ):
        server.timeout = PATIENCE_SECONDS
        server.handle_request()
        assert read_all(near) == b"hello\n" + shown(near.getsockname())


@contextmanager
def serving(
    kind: Callable[..., socketserver.TCPServer],
    handler: type[socketserver.BaseRequestHandler],
    listener: Listener,
) -> Iterator[socketserver.TCPServer]:
    """A server of socketserver's on a Listener; see docs/protocol.md."""
    listener.setblocking(False)
    with kind(("", 0), handler, bind_and_activate=False) as server:
        server.socket.close()
        server.socket = listener
        server.server_activate()
        yield server


class TellOwnListener(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, socketserver.TCPServer)
        self.wfile.write(str(self.server.fileno()).encode())


def test_a_forked_child_keeps_no_copy_of_the_listener(tmp_path: Path) -> None:
    with (
        handed_over(tmp_path / "s", b"") as (listener, near),
        serving(socketserver.ForkingTCPServer, TellOwnListener, listener) as server,
    ):
        server.timeout = PATIENCE_SECONDS
        server.handle_request()
        assert read_all(near) == b"-1"


class QuietHandler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
        """Tests are silent."""


def wsgi_app(
    environ: dict[str, object], start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"client {environ['REMOTE_ADDR']}".encode()]


def test_wsgiref_serves_the_real_client(tmp_path: Path) -> None:
    with (
        handed_over(tmp_path / "s", REQUEST) as (listener, near),
        serving(wsgiref.simple_server.WSGIServer, QuietHandler, listener) as server,
    ):
        assert isinstance(server, wsgiref.simple_server.WSGIServer)
        server.server_name, server.server_port = "gate.example", 80
        server.setup_environ()
        server.set_app(wsgi_app)
        server.timeout = PATIENCE_SECONDS
        server.handle_request()
        assert read_all(near).endswith(b"\r\n\r\nclient 127.0.0.1")


async def asgi_app(scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    assert scope["type"] == "http"
    client = scope["client"]
    assert client is not None
    await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": False})
    await send({"type": "http.response.body", "body": shown(client), "more_body": False})


def test_uvicorn_serves_the_real_client(tmp_path: Path) -> None:
    async def serve(listener: Listener, near: socket.socket) -> bytes:
        config = uvicorn.Config(
            asgi_app, loop="asyncio", http="h11", ws="none", lifespan="off", log_config=None
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        answer = await read_all_async(near)
        server.should_exit = True
        await running
        return answer

    with handed_over(tmp_path / "s", REQUEST) as (listener, near):
        address = shown(near.getsockname())
        assert asyncio.run(serve(listener, near)).count(address) == 1
