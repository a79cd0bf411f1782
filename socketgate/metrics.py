# SPDX-License-Identifier: MIT
"""The gates' numbers as Prometheus reads them, and their answer to a scrape over HTTP.

    socketgate_connections_total{gate,daemon,listener,outcome}    and so on: FAMILIES

No label ever has a client's address: strangers would make a time series each.
"""

import asyncio
import errno
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from socketgate.answers import CountersAnswer, GateCounters
from socketgate.errors import ConfigError, SocketgateError
from socketgate.wholefile import replacing

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric


class Silence(Enum):
    """Why a gate gives no answer: no client has come yet that would start it, or else."""

    WAITING = 1
    DOWN = 0


#: What every gate answers, by its name.
Answers = Mapping[str, CountersAnswer | Silence]

#: A scrape's question is never longer, in bytes; within so many seconds the answer must be taken.
MAX_REQUEST_BYTES = 8192
SCRAPE_SECONDS = 10.0
#: Scrapes at once; further ones are turned away.
MAX_SCRAPES = 16

UP = ("socketgate_up", "Whether the gate answers: 1 or 0.")
WAITING = (
    "socketgate_waiting_for_first_client",
    "Whether the gate doesn't run because no client has come yet that would start it: 1 or 0.",
)

#: Of each gate process: name, what it is, its value.
PROCESS_GAUGES: tuple[tuple[str, str, Callable[[CountersAnswer], float]], ...] = (
    (
        "socketgate_start_time_seconds",
        "When the gate started, in seconds since 1970.",
        lambda answer: answer["started_at"],
    ),
    ("socketgate_rules", "Rules in force.", lambda answer: answer["rules_count"]),
    (
        "socketgate_rules_generation",
        "How often the rules in force have changed since the start.",
        lambda answer: answer["rules_generation"],
    ),
    (
        "socketgate_rules_loaded_timestamp_seconds",
        "When the rules in force were read, in seconds since 1970.",
        lambda answer: answer["rules_loaded_at"],
    ),
    (
        "socketgate_rules_in_error",
        "Whether the files have an error, so that earlier rules are in force: 1 or 0.",
        lambda answer: answer["rules_in_error"],
    ),
    (
        "socketgate_commands_in_trouble",
        "Whether rules have commands and nobody runs them: 1 or 0.",
        lambda answer: answer["commands_in_trouble"],
    ),
    ("socketgate_bans", "Bans in force.", lambda answer: answer["bans"]),
)

#: Of each listening socket: name, what it is, its value.
SOCKET_GAUGES: tuple[tuple[str, str, Callable[[GateCounters], int]], ...] = (
    (
        "socketgate_connections_waiting",
        "Connections accepted and not ended yet: waiting for a lookup, an option or a backend.",
        lambda gate: gate["waiting"],
    ),
    (
        "socketgate_connections_held",
        "Of these, the ones that wait for a backend.",
        lambda gate: gate["held"],
    ),
)
OUTCOMES = (
    "socketgate_connections",
    "Connections that have ended, by how they did.",
)

#: Every name that stands in the output.
FAMILIES = (
    UP[0],
    WAITING[0],
    *(name for name, _, _ in PROCESS_GAUGES),
    *(name for name, _, _ in SOCKET_GAUGES),
    f"{OUTCOMES[0]}_total",
)


class Snapshot:
    """What the gates answered, for prometheus_client's encoders."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._running = {name: one for name, one in answers.items() if not isinstance(one, Silence)}

    def collect(self) -> "Iterator[Metric]":
        """All families; one without samples has its help text all the same."""
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

        up, waiting = (GaugeMetricFamily(*one, labels=["gate"]) for one in (UP, WAITING))
        for name, answer in self._answers.items():
            up.add_metric([name], float(not isinstance(answer, Silence)))
            waiting.add_metric([name], float(answer is Silence.WAITING))
        yield from (up, waiting)
        for metric, text, value in PROCESS_GAUGES:
            family = GaugeMetricFamily(metric, text, labels=["gate"])
            for name, one in self._running.items():
                family.add_metric([name], float(value(one)))
            yield family
        for metric, text, number in SOCKET_GAUGES:
            family = GaugeMetricFamily(metric, text, labels=["gate", "daemon", "listener"])
            for labels, gate in self._sockets():
                family.add_metric(labels, number(gate))
            yield family
        ended = CounterMetricFamily(*OUTCOMES, labels=["gate", "daemon", "listener", "outcome"])
        for labels, gate in self._sockets():
            for outcome, total in gate["outcomes"].items():
                ended.add_metric((*labels, outcome), total)
        yield ended

    def _sockets(self) -> Iterator[tuple[tuple[str, ...], GateCounters]]:
        """Every listening socket with the labels it has: gate, daemon, listener."""
        for name, one in self._running.items():
            for gate in one["gates"]:
                yield (name, gate["daemon"], gate["address"]), gate


def encode(answers: Answers, accept: str = "") -> tuple[bytes, str]:
    """The text and its content type: OpenMetrics for who accepts it, else the plain text format.

    https://prometheus.io/docs/instrumenting/exposition_formats/. Raises ConfigError.
    """
    try:
        from prometheus_client.exposition import choose_encoder
    except ImportError as error:
        raise ConfigError(
            "metrics need the Python library prometheus_client: install python3-prometheus-client "
            "(Debian), python3-prometheus_client (Fedora) or socketgate[metrics] (pip)"
        ) from error
    try:
        encoder, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # a header it can't make sense of
        encoder, content_type = choose_encoder("")
    return encoder(Snapshot(answers)), content_type


def write_file(path: Path, text: bytes) -> None:
    """Write for node_exporter's textfile collector: there is the old file or the whole new one.

    Raises OSError; nothing but a file is replaced, and so no device.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is there and is no file")
    with replacing(path, 0o644) as file:  # node_exporter has a user of its own
        file.write(text)


class Scrapes:
    """Answers HTTP: `GET /metrics`, and nothing else."""

    def __init__(self, read: Callable[[], Answers], *, seconds: float = SCRAPE_SECONDS) -> None:
        self._read = read
        self._seconds = seconds
        self._count = 0
        self._reading: asyncio.Task[Answers] | None = None

    async def answers(self) -> Answers:
        """What the gates answer now. Who asks meanwhile gets the same, and makes no work."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(asyncio.to_thread(self._read))
        return await asyncio.shield(self._reading)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one answer, and its end, also for who doesn't take it."""
        self._count += 1
        try:
            if self._count <= MAX_SCRAPES:
                async with asyncio.timeout(self._seconds):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(await self._answer(head))
                    writer.close()
                    await writer.wait_closed()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, OSError):
            pass  # nobody who scrapes does that
        finally:
            self._count -= 1
            writer.transport.abort()

    async def _answer(self, head: bytes) -> bytes:
        request, *lines = head.decode("latin-1").split("\r\n")
        method, _, rest = request.partition(" ")
        target = rest.partition(" ")[0].partition("?")[0]
        if target != "/metrics":
            return _response("404 Not Found", b"try /metrics\n")
        if method not in ("GET", "HEAD"):
            return _response("405 Method Not Allowed", b"use GET\n", extra="Allow: GET, HEAD\r\n")
        try:
            answers = await self.answers()
        except SocketgateError as error:
            return _response("503 Service Unavailable", f"{error}\n".encode())
        body, content_type = encode(answers, _accepts(lines))
        return _response("200 OK", body, content_type, has_body=method == "GET")


def _accepts(lines: Iterable[str]) -> str:
    """The value of the request's Accept header."""
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip().lower() == "accept":
            return value.strip()
    return ""


def _response(
    status: str,
    body: bytes,
    content_type: str = "text/plain; charset=utf-8",
    *,
    extra: str = "",
    has_body: bool = True,
) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        f"{extra}Connection: close\r\n\r\n"
    )
    return head.encode("latin-1") + (body if has_body else b"")
