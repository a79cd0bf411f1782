# SPDX-License-Identifier: MIT
"""The metrics' units under a real systemd: started by a scrape, with no network of their own."""

import importlib.util
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.box import Box

pytestmark = pytest.mark.systemd

SERVICE = "socketgate-metrics.service"
SOCKET = "socketgate-metrics.socket"
UNITS = Path(__file__).resolve().parents[2] / "units"
#: Tenths: as for the gates, docs/units.md.
EXPOSURE = 15
#: Asks as Prometheus does.
SCRAPE = """
import urllib.request
with urllib.request.urlopen("http://127.0.0.1:9823/metrics", timeout=30) as answer:
    print(answer.read().decode())
"""


def library() -> Path:
    """The folder of prometheus_client in the Python that runs the tests."""
    spec = importlib.util.find_spec("prometheus_client")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@pytest.fixture(scope="module")
def metered() -> Iterator[Box]:
    """A box with a gate that runs, and the metrics' socket."""
    target = "/usr/lib/python3/dist-packages/prometheus_client"
    with Box("metrics", bind_ro={library(): target}) as box:
        box.install_project()
        words = ("socketgate", "unit", "echod", "--listen", "7", "--install", "--", "/bin/cat")
        box.run(*words)
        box.run("systemctl", "daemon-reload")
        box.run("systemctl", "start", "socketgate@echod.socket", "socketgate@echod.service", SOCKET)
        yield box


def scrape(box: Box) -> list[str]:
    return box.run("/usr/bin/python3", "-c", SCRAPE).stdout.splitlines()


def test_a_scrape_starts_the_service_and_has_the_gate(metered: Box) -> None:
    assert 'socketgate_up{gate="echod"} 1.0' in scrape(metered)


def test_a_gate_that_waits_for_its_first_client_is_said_to(metered: Box) -> None:
    words = ("socketgate", "unit", "waits", "--listen=9", "--install", "--", "/bin/cat")
    metered.run(*words)
    metered.run("systemctl", "daemon-reload")
    metered.run("systemctl", "start", "socketgate@waits.socket")
    shown = scrape(metered)
    metered.run("systemctl", "stop", "socketgate@waits.socket")
    assert 'socketgate_up{gate="waits"} 0.0' in shown
    assert 'socketgate_waiting_for_first_client{gate="waits"} 1.0' in shown


def test_a_gate_whose_port_is_taken_is_down(metered: Box) -> None:
    words = ("socketgate", "unit", "taken", "--listen=9823", "--install", "--", "/bin/cat")
    metered.run(*words)
    metered.run("systemctl", "daemon-reload")
    metered.run("systemctl", "start", "socketgate@taken.socket", check=False)
    shown = scrape(metered)
    metered.run("systemctl", "reset-failed", "socketgate@taken.socket")
    assert 'socketgate_up{gate="taken"} 0.0' in shown
    assert 'socketgate_waiting_for_first_client{gate="taken"} 0.0' in shown


def test_a_client_is_counted(metered: Box) -> None:
    ask = "import socket; s = socket.create_connection(('127.0.0.1', 7)); s.send(b'x'); s.recv(1)"
    metered.run("/usr/bin/python3", "-c", ask)
    labels = 'daemon="echod",gate="echod",listener="[::]:7",outcome="handed-over"'
    assert f"socketgate_connections_total{{{labels}}} 1.0" in scrape(metered)


def test_the_next_scrape_is_answered_after_a_restart(metered: Box) -> None:
    metered.run("systemctl", "stop", SERVICE)
    assert 'socketgate_up{gate="echod"} 1.0' in scrape(metered)


def test_the_service_ends_without_a_failure(metered: Box) -> None:
    scrape(metered)
    metered.run("systemctl", "stop", SERVICE)
    assert metered.unit(SERVICE, "Result") == {"Result": "success"}


def test_the_gates_own_user_serves(metered: Box) -> None:
    scrape(metered)
    pid = metered.unit(SERVICE, "MainPID")["MainPID"]
    assert metered.run("stat", "--format=%U", f"/proc/{pid}").stdout == "socketgate\n"


def test_systemd_has_nothing_to_say_about_the_units(metered: Box) -> None:
    words = ("systemd-analyze", "verify", "--man=no", SERVICE, SOCKET)
    done = metered.run(*words, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_service_is_no_more_exposed_than_a_gate() -> None:
    words = ("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}")
    done = subprocess.run([*words, UNITS / SERVICE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
