# SPDX-License-Identifier: MIT
import asyncio
import contextlib
import os
import socket
import struct
from pathlib import Path

import pytest

from socketgate.accept import Connection
from socketgate.banner import (
    MAX_BANNER_BYTES,
    MAX_FAREWELLS,
    Banner,
    BannerFiles,
    Farewells,
    send_banner,
    write_banner,
)
from socketgate.rules.expand import MAX_BYTES, ExpansionTooLong
from socketgate.rules.request import Fact, Need, Request
from tests.support.build import request
from tests.support.clients import connected, listening
from tests.support.descriptors import no_free_descriptor
from tests.support.gatestub import read_all
from tests.support.waiting import PATIENCE_SECONDS, play


async def knows_nothing(need: Need, _request: Request) -> Request:
    raise AssertionError(f"asked for {need.fact}")


def written(text: bytes) -> bytes:
    """What a client reads of a file with this text."""
    return play(write_banner(text, request("192.0.2.7"), knows_nothing))


def load(folder: Path, text: bytes) -> Banner:
    (folder / "sshd").write_bytes(text)
    return BannerFiles().load(os.fsencode(folder), b"sshd")


def fill(connection: Connection) -> None:
    """Send until nothing more goes."""
    with socket.socket(fileno=os.dup(connection.fd)) as sock, contextlib.suppress(BlockingIOError):
        while True:
            sock.send(b"x" * 65_536, socket.MSG_DONTWAIT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", b""),
        (b"one\ntwo\n", b"one\r\ntwo\r\n"),
        (b"one\n\ntwo", b"one\r\n\r\ntwo"),
        (b"dos\r\n", b"dos\r\r\n"),
        (b"lone\rreturn\n", b"lone\rreturn\r\n"),
        (b"open [\nnext\n", b"open [\nnext\r\n"),
        (b"closed ]\n", b"closed ]\n"),
        (b"both [x]\n", b"both [x]\r\n"),
        (b"\0\0hi\n", b"\0\0hi\r\n"),
        (b"cut\0here\n", b"cut"),
        (b"%a %d %%\n", b"192.0.2.7 sshd %\r\n"),
    ],
)
def test_a_banner_is_written_as_libwrap_does(text: bytes, expected: bytes) -> None:
    assert written(text) == expected


def test_a_name_is_looked_up_for_a_banner_that_shows_it() -> None:
    async def learn(need: Need, asking: Request) -> Request:
        return asking.with_fact(need.fact, b"a.example;reboot")

    text = play(write_banner(b"%n\n%n\n", request(), learn))
    assert text == b"a.example_reboot\r\n" * 2


def test_each_name_is_looked_up_once() -> None:
    asked = []

    async def learn(need: Need, asking: Request) -> Request:
        asked.append(need.fact)
        return asking.with_fact(need.fact, b"a.example")

    play(write_banner(b"%n\n%n\n", request(), learn))
    assert asked == [Fact.CLIENT_NAME]


def test_a_line_that_gets_too_long_is_an_error() -> None:
    with pytest.raises(ExpansionTooLong):
        written(b"x" * (MAX_BYTES + 1))


def test_more_than_the_limit_is_cut_off(tmp_path: Path) -> None:
    assert len(load(tmp_path, b"line\n" * MAX_BANNER_BYTES).text) == MAX_BANNER_BYTES


def test_a_file_is_named_like_the_daemon(tmp_path: Path) -> None:
    assert load(tmp_path, b"text") == Banner(b"text")


def test_a_missing_file_says_nothing(tmp_path: Path) -> None:
    assert BannerFiles().load(os.fsencode(tmp_path), b"sshd") == Banner(b"")


def test_a_missing_folder_is_trouble(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    trouble = f"{folder}: No such file or directory"
    assert BannerFiles().load(os.fsencode(folder), b"sshd") == Banner(b"", trouble)


def test_a_file_that_cannot_be_read_is_trouble(tmp_path: Path) -> None:
    (tmp_path / "sshd").symlink_to("sshd")
    banner = BannerFiles().load(os.fsencode(tmp_path), b"sshd")
    reason = "Too many levels of symbolic links"
    assert (banner.text, banner.trouble) == (b"", f"{tmp_path}/sshd: {reason}")


def test_a_pipe_in_the_files_place_holds_up_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "sshd")
    assert BannerFiles().load(os.fsencode(tmp_path), b"sshd") == Banner(b"")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    files = BannerFiles()
    seen = []
    for text in (b"one", b"another"):
        (tmp_path / "sshd").write_bytes(text)
        seen.append(files.load(os.fsencode(tmp_path), b"sshd").text)
    assert seen == [b"one", b"another"]


def test_a_replaced_file_is_read_again(tmp_path: Path) -> None:
    files = BannerFiles()
    seen = []
    for text in (b"one", b"two"):
        (tmp_path / "new").write_bytes(text)
        (tmp_path / "new").rename(tmp_path / "sshd")
        seen.append(files.load(os.fsencode(tmp_path), b"sshd").text)
    assert seen == [b"one", b"two"]


def test_a_banner_that_finds_no_room_is_not_waited_for() -> None:
    with listening() as listener, connected(listener) as (connection, client):
        fill(connection)
        send_banner(connection, b"never sent")
        connection.close()
        assert set(read_all(client)) == {ord("x")}


def test_a_client_that_has_gone_misses_it() -> None:
    with listening() as listener, connected(listener) as (connection, client):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        send_banner(connection, b"one")
        send_banner(connection, b"two")


def test_a_farewell_ends_the_connection_for_the_client_at_once() -> None:
    async def scene() -> bytes:
        farewells = Farewells()
        with listening() as listener, connected(listener) as (connection, client):
            client.sendall(b"never read")
            send_banner(connection, b"bye")
            farewells.say(connection)
            connection.close()
            heard = await asyncio.to_thread(read_all, client)
        farewells.close()
        return heard

    assert play(scene()) == b"bye"


def test_a_banner_takes_no_descriptor() -> None:
    with listening() as listener, connected(listener) as (connection, client):
        with no_free_descriptor():
            send_banner(connection, b"hello")
        connection.close()
        assert read_all(client) == b"hello"


def test_without_a_descriptor_left_there_is_no_farewell() -> None:
    async def scene() -> int:
        farewells = Farewells()
        with listening() as listener, connected(listener) as (connection, _):
            with no_free_descriptor():
                farewells.say(connection)
            count = farewells.count
        farewells.close()
        return count

    assert play(scene()) == 0


def test_who_can_t_be_watched_gets_no_farewell() -> None:
    """The kernel says EEXIST: it watches this number for this connection already."""

    async def scene() -> int:
        farewells = Farewells()
        with listening() as listener, connected(listener) as (connection, _):
            next_fd = os.dup(connection.fd)
            farewells._epoll.register(next_fd, 0)
            os.close(next_fd)
            farewells.say(connection)
            count = farewells.count
        farewells.close()
        return count

    assert play(scene()) == 0


def test_a_client_that_closes_is_forgotten() -> None:
    async def scene() -> tuple[int, int]:
        farewells = Farewells()
        with listening() as listener, connected(listener) as (connection, client):
            farewells.say(connection)
            before = farewells.count
            client.close()
            async with asyncio.timeout(PATIENCE_SECONDS):
                while farewells.count:
                    await asyncio.sleep(0)
            after = farewells.count
        farewells.close()
        return before, after

    assert play(scene()) == (1, 0)


def test_a_client_that_goes_on_talking_is_forgotten_after_a_moment() -> None:
    async def scene() -> int:
        farewells = Farewells()
        with listening() as listener, connected(listener) as (connection, client):
            farewells.say(connection)
            connection.close()
            client.sendall(b"and then")
            async with asyncio.timeout(PATIENCE_SECONDS):
                while farewells.count:
                    await asyncio.sleep(0.01)
        farewells.close()
        return farewells.count

    assert play(scene()) == 0


def test_a_farewell_waits_for_no_close() -> None:
    async def scene() -> int:
        farewells = Farewells()
        with listening() as listener, connected(listener) as (connection, _client):
            with socket.socket(fileno=os.dup(connection.fd)) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 5))
                farewells.say(connection)
                lingers = sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER)
            farewells.close()
        return lingers

    assert play(scene()) == 0


def test_there_are_only_so_many_farewells() -> None:
    async def scene() -> int:
        farewells = Farewells()
        with listening() as listener, connected(listener) as (connection, _client):
            for _ in range(MAX_FAREWELLS + 10):
                farewells.say(connection)
            count = farewells.count
            farewells.close()
        return count

    assert play(scene()) == MAX_FAREWELLS
