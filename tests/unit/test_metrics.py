# SPDX-License-Identifier: MIT
import asyncio
import os
import socket
import stat
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from socketgate.answers import CountersAnswer, GateCounters
from socketgate.errors import GateUnreachable
from socketgate.metrics import FAMILIES, MAX_SCRAPES, Answers, Scrapes, Silence, encode, write_file
from tests.support.waiting import PATIENCE_SECONDS

SOCKET = GateCounters(
    daemon="sshd",
    address="[::]:22",
    waiting=3,
    held=1,
    outcomes={"handed-over": 7, "refused": 2},
)
GATE = CountersAnswer(
    started_at=1000.5,
    rules_generation=4,
    rules_count=12,
    rules_loaded_at=2000.0,
    rules_in_error=True,
    commands_in_trouble=True,
    bans=9,
    gates=[SOCKET],
)


def samples(answers: Answers) -> dict[tuple[str, tuple[str, ...]], float]:
    """By name and the labels' values, in the order in which they are written."""
    families = text_string_to_metric_families(encode(answers)[0].decode())
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("socketgate_up", ("sshd",), 1),
        ("socketgate_waiting_for_first_client", ("sshd",), 0),
        ("socketgate_start_time_seconds", ("sshd",), 1000.5),
        ("socketgate_rules", ("sshd",), 12),
        ("socketgate_rules_generation", ("sshd",), 4),
        ("socketgate_rules_loaded_timestamp_seconds", ("sshd",), 2000),
        ("socketgate_rules_in_error", ("sshd",), 1),
        ("socketgate_commands_in_trouble", ("sshd",), 1),
        ("socketgate_bans", ("sshd",), 9),
        ("socketgate_connections_waiting", ("sshd", "sshd", "[::]:22"), 3),
        ("socketgate_connections_held", ("sshd", "sshd", "[::]:22"), 1),
        ("socketgate_connections_total", ("sshd", "sshd", "[::]:22", "handed-over"), 7),
        ("socketgate_connections_total", ("sshd", "sshd", "[::]:22", "refused"), 2),
    ],
)
def test_a_number_has_its_sample(name: str, labels: tuple[str, ...], value: float) -> None:
    assert samples({"sshd": GATE})[name, labels] == value


@pytest.mark.parametrize("silence", Silence)
def test_a_gate_that_does_not_answer_is_down_and_nothing_else(silence: Silence) -> None:
    assert samples({"sshd": silence}) == {
        ("socketgate_up", ("sshd",)): 0,
        ("socketgate_waiting_for_first_client", ("sshd",)): silence.value,
    }


def test_every_family_is_explained_even_without_gates() -> None:
    text = encode({})[0].decode()
    assert [line.split()[2] for line in text.splitlines() if line.startswith("# HELP")] == [
        *FAMILIES
    ]


def test_who_accepts_openmetrics_gets_it() -> None:
    text, content_type = encode({}, "application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")


def test_who_accepts_what_nobody_understands_gets_the_plain_text() -> None:
    assert encode({}, "application/openmetrics-text; version=zz")[1].startswith("text/plain;")


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "x.prom"
    file.write_text("old and longer")
    write_file(file, b"new")
    assert file.read_bytes() == b"new"


def test_everybody_may_read_the_file(tmp_path: Path) -> None:
    write_file(tmp_path / "x.prom", b"")
    assert stat.S_IMODE((tmp_path / "x.prom").stat().st_mode) == 0o644


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.prom")
    with pytest.raises(OSError, match="is no file"):
        write_file(tmp_path / "x.prom", b"")
    assert (tmp_path / "x.prom").is_fifo()


def test_nothing_else_is_left_in_the_folder(tmp_path: Path) -> None:
    write_file(tmp_path / "x.prom", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["x.prom"]


def answer_to(*requests: bytes, scrapes: Scrapes | None = None) -> bytes:
    """What comes back on the last of several connections to a server."""
    served = scrapes or Scrapes(lambda: {"sshd": GATE})

    async def talk() -> bytes:
        server = await asyncio.start_server(served.serve, "127.0.0.1", 0, limit=8192)
        async with server:
            address = server.sockets[0].getsockname()
            connections = [await asyncio.open_connection(*address) for _ in requests]
            for (_, writer), request in zip(connections, requests, strict=True):
                writer.write(request)
                await writer.drain()
            try:
                return await connections[-1][0].read()
            except ConnectionResetError:  # it was closed with something unread
                return b""
            finally:
                for _, writer in connections:
                    writer.transport.abort()

    return asyncio.run(talk())


def status_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n")[0]


def test_a_scrape_gets_the_text() -> None:
    answer = answer_to(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.partition(b"\r\n\r\n")[2] == encode({"sshd": GATE})[0]


def test_a_scrape_gets_the_content_type_it_accepts() -> None:
    accept = b"accept: application/openmetrics-text; version=1.0.0\r\n"
    answer = answer_to(b"GET /metrics HTTP/1.1\r\n" + accept + b"\r\n")
    assert b"\r\nContent-Type: application/openmetrics-text;" in answer


def test_head_has_no_body() -> None:
    answer = answer_to(b"HEAD /metrics HTTP/1.1\r\n\r\n")
    assert (status_of(answer), answer[-4:]) == (b"HTTP/1.1 200 OK", b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET / HTTP/1.1", b"HTTP/1.1 404 Not Found"),
        (b"POST /metrics HTTP/1.1", b"HTTP/1.1 405 Method Not Allowed"),
        (b"GET /metrics?x=1 HTTP/1.1", b"HTTP/1.1 200 OK"),
        (b"nonsense", b"HTTP/1.1 404 Not Found"),
    ],
)
def test_a_request_has_its_status(request_line: bytes, status: bytes) -> None:
    assert status_of(answer_to(request_line + b"\r\n\r\n")) == status


def test_when_the_gates_cannot_be_asked_the_answer_says_why() -> None:
    def read() -> Answers:
        raise GateUnreachable("no gate")

    answer = answer_to(b"GET /metrics HTTP/1.1\r\n\r\n", scrapes=Scrapes(read))
    assert status_of(answer) == b"HTTP/1.1 503 Service Unavailable"
    assert answer.endswith(b"\r\n\r\nno gate\n")


def test_two_scrapes_at_once_ask_the_gates_once() -> None:
    asked: list[None] = []

    def read() -> Answers:
        asked.append(None)
        return {"sshd": GATE}

    async def scrape_twice() -> list[Answers]:
        scrapes = Scrapes(read)
        found = await asyncio.gather(scrapes.answers(), scrapes.answers())
        return [*found, await scrapes.answers()]

    assert asyncio.run(scrape_twice()) == [{"sshd": GATE}] * 3
    assert len(asked) == 2


def test_a_request_that_never_ends_gets_nothing() -> None:
    assert answer_to(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 9000) == b""


def test_who_never_reads_is_hung_up_on() -> None:
    scrapes = Scrapes(lambda: {f"gate{number}": GATE for number in range(200)}, seconds=0.05)

    async def scrape_without_reading() -> None:
        ended = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await scrapes.serve(reader, writer)
            ended.set()

        with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as deaf:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(listening.getsockname())
            deaf.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            async with await asyncio.start_server(serve, sock=listening):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await ended.wait()

    asyncio.run(scrape_without_reading())


def test_one_scrape_too_many_gets_nothing() -> None:
    silent = [b""] * MAX_SCRAPES
    assert answer_to(*silent, b"GET /metrics HTTP/1.1\r\n\r\n") == b""
