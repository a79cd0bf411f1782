# SPDX-License-Identifier: MIT
"""The parts that every chain is put together of: listener, gate, backend, journal, clients.

clients ──▶ gate or a peer ──▶ backend
                  └──▶ journal's stand-in
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import Bench
from tests.support.child import Child
from tests.support.running import PROJECT, RunningGate, listening

BENCH = Path(__file__).parent
SOURCES = ("client", "backend", "loop", "sink", "hello", "libwrap_time")

#: Of the helpers, those that link more than libc, and how.
LINKED = {"hello": ("-static",), "libwrap_time": ("-l:libwrap.so.0",)}

DAEMON = "bench"
#: As many clients as one message of the gate's carries at most, and the backend asks for.
BATCH = 32
#: How long a backend keeps its clients, in milliseconds.
KEEP_MS = 10
AT_ONCE = 1024
#: No load takes longer, in seconds.
MOST_SECONDS = 120


def build_helpers(folder: Path) -> None:
    """Compile the helpers in C, by gcc."""
    for name in SOURCES:
        words = ["gcc", "-O2", "-o", folder / name, BENCH / f"{name}.c", *LINKED.get(name, ())]
        subprocess.run(words, check=True)


@contextmanager
def running(words: Sequence[str], sock: socket.socket | None = None) -> Iterator[Child]:
    """A program, with a socket as its descriptor 3; it ends with the `with`."""
    env = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(PROJECT)}
    sockets = [(DAEMON, sock)] if sock is not None else []
    with tempfile.TemporaryFile() as output:
        child = Child(words, sockets, env, output)
        try:
            yield child
        finally:
            child.close()


def socketgate(*words: str) -> tuple[str, ...]:
    """A command line of the program's, by the Python that runs the benchmark."""
    return (sys.executable, "-m", "socketgate", *words)


@contextmanager
def unix_listener(path: Path, kind: int) -> Iterator[socket.socket]:
    """A Unix socket bound to a path, listening where its kind does."""
    with socket.socket(socket.AF_UNIX, kind) as sock:
        sock.bind(str(path))
        if kind != socket.SOCK_DGRAM:
            sock.listen(1024)
        yield sock


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A backend and a journal, for gates and for what is compared with them."""

    backend: Path
    journal: Path


@contextmanager
def surroundings(bench: Bench, folder: Path, keep_ms: int = KEEP_MS) -> Iterator[Surroundings]:
    """Start both; they end with the `with`."""
    paths = Surroundings(folder / "backend.sock", folder / "journal.sock")
    backend = (bench.program("backend"), "channel", str(BATCH), str(keep_ms))
    with (
        unix_listener(paths.backend, socket.SOCK_SEQPACKET) as channels,
        unix_listener(paths.journal, socket.SOCK_DGRAM) as journal,
        running(backend, channels),
        running((bench.program("sink"),), journal),
    ):
        yield paths


def dual_listening() -> socket.socket:
    """A listener for both families, on all addresses, as the units have it."""
    return socket.create_server(
        ("::", 0), family=socket.AF_INET6, backlog=4096, dualstack_ipv6=True
    )


def sharing_listening(port: int = 0) -> socket.socket:
    """A listener of several on one port, among which the kernel shares the clients out."""
    return socket.create_server(("127.0.0.1", port), backlog=4096, reuse_port=True)


@dataclass(frozen=True, slots=True)
class Served:
    """A gate, or a peer of it: which process, and where clients connect to."""

    pid: int
    port: int


@contextmanager
def gate(
    folder: Path,
    around: Surroundings,
    *,
    deny: str,
    env: Mapping[str, str] | None = None,
    listener: Callable[[], socket.socket] = listening,
) -> Iterator[Served]:
    """`socketgate run` with these rules."""
    with serving_gate(folder, around, deny=deny, env=env, listener=listener) as (served, _):
        yield served


@contextmanager
def serving_gate(
    folder: Path,
    around: Surroundings,
    *,
    deny: str,
    env: Mapping[str, str] | None = None,
    listener: Callable[[], socket.socket] = listening,
) -> Iterator[tuple[Served, RunningGate]]:
    """The same, for those who need more of the gate than its place."""
    settings = f'[daemon.{DAEMON}]\nbackend = "{around.backend}"\n'
    env = {"SOCKETGATE_JOURNAL_SOCKET": str(around.journal), **(env or {})}
    folder.mkdir(exist_ok=True)
    with (
        listener() as sock,
        RunningGate(folder, [(DAEMON, sock)], deny=deny, settings=settings, env=env) as process,
    ):
        yield Served(process.pid, sock.getsockname()[1]), process


@contextmanager
def bare_loop(bench: Bench, around: Surroundings) -> Iterator[Served]:
    """The loop in C that the gate is measured against."""
    words = (bench.program("loop"), str(around.backend), str(around.journal), DAEMON)
    with listening() as sock, running(words, sock) as child:
        yield Served(child.pid, sock.getsockname()[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the clients say."""

    count: int
    failed: int
    bytes: int
    seconds: float
    cpu: float
    p50_us: int
    p99_us: int
    max_us: int


class LoadFailed(Exception):
    """Clients were lost."""


ANSWER = b"hello\n"


def load(
    bench: Bench,
    port: int,
    count: int,
    *,
    at_once: int = AT_ONCE,
    rate: float = 0,
    sources: Path | None = None,
    are_refused: bool = False,
) -> Load:
    """Connect so often, and read each connection to its end; see `finished`."""
    with starting_load(bench, port, count, at_once=at_once, rate=rate, sources=sources) as process:
        return finished(process, are_refused=are_refused)


@contextmanager
def starting_load(
    bench: Bench,
    port: int,
    count: int,
    *,
    at_once: int = AT_ONCE,
    rate: float = 0,
    sources: Path | None = None,
) -> Iterator["subprocess.Popen[str]"]:
    """The same, for those who do something meanwhile; then `finished`."""
    words = [bench.program("client"), "127.0.0.1", str(port), str(count), str(at_once)]
    words += [str(rate), str(MOST_SECONDS), *([str(sources)] if sources else [])]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        yield process


def finished(process: "subprocess.Popen[str]", *, are_refused: bool = False) -> Load:
    """What the clients say at their end.

    Raises LoadFailed unless each was answered, or none where they are refused.
    """
    output, _ = process.communicate(timeout=MOST_SECONDS + 10)
    if process.returncode != 0:
        raise LoadFailed(f"the clients ended with exit code {process.returncode}")
    return checked(output, are_refused=are_refused)


def checked(output: str, *, are_refused: bool = False) -> Load:
    """What clients said; raises LoadFailed as `finished` does."""
    said = Load(**json.loads(output))
    expected = 0 if are_refused else said.count * len(ANSWER)
    if said.failed or said.bytes != expected:
        answered = said.bytes // len(ANSWER)
        raise LoadFailed(f"{said.count} clients: {said.failed} failed, {answered} were answered")
    return said
