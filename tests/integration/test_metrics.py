# SPDX-License-Identifier: MIT
"""`socketgate metrics` beside a real gate: printed, and scraped over HTTP."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.child import Child
from tests.support.running import PROJECT, RunningGate, listening

PATIENCE_SECONDS = 20.0
ENV = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONPATH": str(PROJECT)}


@pytest.fixture
def gates(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A gate that has refused one client: the folder of its folder, and where it listens."""
    with listening() as sock, RunningGate(tmp_path, [("sshd", sock)], deny="ALL: ALL\n") as gate:
        with socket.create_connection(sock.getsockname(), PATIENCE_SECONDS) as client:
            assert client.recv(1) == b""
        gate.wait_entries(1, SOCKETGATE_OUTCOME="refused")
        yield tmp_path, f"127.0.0.1:{sock.getsockname()[1]}"


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The metrics over HTTP, on a socket that is passed; the address to ask at."""
    words = [sys.executable, "-m", "socketgate", "metrics", "--serve", f"--gates={folder}"]
    with listening() as sock, tempfile.TemporaryFile() as output:
        child = Child(words, [("metrics", sock)], ENV, output)
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}/metrics"
            child.signal(signal.SIGTERM)
            assert child.wait(PATIENCE_SECONDS) == 0
        finally:
            child.close()


def refused(listener: str) -> str:
    labels = f'daemon="sshd",gate="runtime",listener="{listener}",outcome="refused"'
    return f"socketgate_connections_total{{{labels}}} 1.0"


def test_a_refused_client_is_counted(gates: tuple[Path, str]) -> None:
    folder, listener = gates
    done = subprocess.run(
        [sys.executable, "-m", "socketgate", "metrics", f"--gates={folder}"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert refused(listener) in done.stdout.splitlines()


def test_a_scrape_gets_the_same(gates: tuple[Path, str]) -> None:
    folder, listener = gates
    with (
        served(folder) as address,
        urllib.request.urlopen(address, timeout=PATIENCE_SECONDS) as answer,  # noqa: S310  # http
    ):
        assert refused(listener) in answer.read().decode().splitlines()


def test_no_label_has_the_address_of_a_client(gates: tuple[Path, str]) -> None:
    folder, listener = gates
    with (
        served(folder) as address,
        urllib.request.urlopen(address, timeout=PATIENCE_SECONDS) as answer,  # noqa: S310  # http
    ):
        assert "127.0.0.1" not in answer.read().decode().replace(listener, "")
