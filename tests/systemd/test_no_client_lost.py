# SPDX-License-Identifier: MIT
"""Gates are restarted and backends killed under load, and every client is served, none twice."""

import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from socketgate.launcher import MOST_TOGETHER
from tests.support.box import Box
from tests.support.load import Visit
from tests.support.netns import ClientHost

pytestmark = pytest.mark.systemd

LOAD = Path(__file__).resolve().parents[1] / "support" / "load.py"
SERVED = "/run/served"
#: So long at most nothing goes on, however busy the machine is.
WAIT_SECONDS = 60.0
#: No client is given up because the machine is slow.
PATIENT = "[limits]\nhandoff-seconds = 3600\n"

#: Says hello to the client by its name, and writes down whom it served before it answers.
ANSWER = f'read -r name; echo "$name" >>{SERVED}; echo "hello $name"'

#: A backend that takes clients on a channel, one acknowledgement each.
CHANNEL_BACKEND = f"""\
import os, socket
from socketgate.backend import Listener

with Listener() as listener:
    while True:
        client, _ = listener.accept()
        with client, client.makefile("rb") as file:
            name = file.readline()
            log = os.open({SERVED!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            os.write(log, name)
            os.close(log)
            client.sendall(b"hello " + name)
"""


@pytest.fixture(scope="module")
def client_host(box: Box) -> Iterator[ClientHost]:
    box.write("/etc/socketgate/socketgate.toml", PATIENT)
    with ClientHost(box, "10.77.2") as host:
        yield host


@pytest.fixture
def served(box: Box) -> Iterator[None]:
    box.write(SERVED, "")
    yield
    box.run("rm", "-f", SERVED)


def start_socket(box: Box, name: str) -> None:
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "start", f"socketgate@{name}.socket")


def start_load(client: ClientHost, port: int, count: int, at_once: int) -> subprocess.Popen[bytes]:
    words = (str(LOAD), client.box_address4, str(port), str(count), str(at_once))
    return client.start("/usr/bin/python3", *words)


def wait_for_main_process(box: Box, unit: str) -> str:
    """Its ID: a unit that is just being started again has none yet."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (pid := box.run("systemctl", "show", "-P", "MainPID", unit).stdout.strip()) == "0":
        assert time.monotonic() < deadline, f"{unit} never started again"
    return pid


def visits_of(load: subprocess.Popen[bytes]) -> list[Visit]:
    output, errors = load.communicate()  # it cuts off who hangs
    assert load.returncode == 0, errors.decode()
    visits: list[Visit] = json.loads(output)
    return visits


def wait_until_served(box: Box, count: int) -> None:
    served, deadline = 0, time.monotonic() + WAIT_SECONDS
    while (now := len(served_names(box))) < count:
        if now > served:
            served, deadline = now, time.monotonic() + WAIT_SECONDS
        assert time.monotonic() < deadline, f"only {now} of {count} were served"


def served_names(box: Box) -> list[str]:
    return box.run("cat", SERVED).stdout.split()


def outcomes_of(box: Box, name: str, cursor: str, count: int) -> Counter[str]:
    """Of so many clients: journald may be busy, and entries wait in the gate meanwhile."""
    outcomes: list[str] = []
    deadline = time.monotonic() + WAIT_SECONDS
    while len(outcomes) < count and time.monotonic() < deadline:
        entries = box.journal(f"SOCKETGATE_DAEMON={name}", after_cursor=cursor)
        outcomes = [one["SOCKETGATE_OUTCOME"] for one in entries if "SOCKETGATE_OUTCOME" in one]
    return Counter(outcomes)


def assert_served_once(box: Box, visits: list[Visit], *, but_for: set[str] = frozenset()) -> None:  # type: ignore[assignment]  # an empty set
    unserved = {visit["name"] for visit in visits if visit["answer"] != f"hello {visit['name']}\n"}
    assert unserved <= but_for
    twice = {name: times for name, times in Counter(served_names(box)).items() if times > 1}
    assert twice == {}


@pytest.mark.usefixtures("served")
def test_200_clients_during_three_restarts_of_the_gate_are_all_served(
    box: Box, client_host: ClientHost
) -> None:
    box.run("socketgate", "unit", "restarted", "--listen", "1001", "--install",
            "--", "/bin/sh", "-c", ANSWER)  # fmt: skip
    start_socket(box, "restarted")
    with start_load(client_host, 1001, 200, 16) as load:
        for count in (30, 80, 130):
            wait_until_served(box, count)
            box.run("systemctl", "restart", "socketgate@restarted.service")
        visits = visits_of(load)
    assert len(visits) == 200
    assert_served_once(box, visits)


@pytest.mark.usefixtures("served")
def test_500_clients_while_a_channel_backend_is_killed_five_times(
    box: Box, client_host: ClientHost
) -> None:
    box.write("/usr/local/bin/answer", CHANNEL_BACKEND)
    box.run("socketgate", "unit", "killed", "--listen", "1002", "--install", "--resident",
            "--", "/usr/bin/true")  # fmt: skip
    box.write(
        "/etc/systemd/system/killed-gated.service.d/answer.conf",
        "[Service]\nType=simple\nExecStart=\nExecStart=/usr/bin/python3 /usr/local/bin/answer\n",
    )
    start_socket(box, "killed")
    cursor = box.cursor()
    with start_load(client_host, 1002, 500, 500) as load:
        for count in (20, 100, 180, 260, 340):
            wait_until_served(box, count)
            box.run("systemctl", "kill", "-s", "KILL", "killed-gated.service")
        visits = visits_of(load)
    assert outcomes_of(box, "killed", cursor, 500) == {"handed-over": 500}
    # A backend that is killed takes with it whom it had taken over: here, one at a time.
    unserved = {visit["name"] for visit in visits if not visit["answer"]}
    assert len(unserved) <= 5
    assert_served_once(box, visits, but_for=unserved)


@pytest.mark.usefixtures("served")
def test_clients_while_the_launcher_alone_is_killed_are_served_by_one_program(
    box: Box, client_host: ClientHost
) -> None:
    """The programs it started go on; whom it had not taken over is its successor's."""
    box.run("socketgate", "unit", "launched", "--listen", "1004", "--install", "--resident",
            "--", "/bin/sh", "-c", ANSWER)  # fmt: skip
    start_socket(box, "launched")
    cursor = box.cursor()
    with start_load(client_host, 1004, 1000, 200) as load:
        for count in (50, 200, 350, 500, 650):
            wait_until_served(box, count)
            launcher = wait_for_main_process(box, "launched-gated.service")
            box.run("kill", "-KILL", launcher)
        visits = visits_of(load)
    assert outcomes_of(box, "launched", cursor, 1000) == {"handed-over": 1000}
    # Those it had taken over and not yet started go with it: MOST_TOGETHER of them, each time.
    unserved = {visit["name"] for visit in visits if not visit["answer"]}
    assert len(unserved) <= 5 * MOST_TOGETHER
    assert_served_once(box, visits, but_for=unserved)


@pytest.mark.usefixtures("served")
def test_2000_clients_at_once_through_a_unit_each_while_units_are_killed(
    box: Box, client_host: ClientHost
) -> None:
    slow_answer = f"{ANSWER}; sleep 0.5"  # so that there are some to kill
    box.run("socketgate", "unit", "each", "--listen", "1003", "--install",
            "--", "/bin/sh", "-c", slow_answer)  # fmt: skip
    start_socket(box, "each")
    cursor = box.cursor()
    killed = 0
    with start_load(client_host, 1003, 2000, 2000) as load:
        for count in (100, 400, 700, 1000, 1300):
            wait_until_served(box, count)
            # Not by systemctl: a systemd this busy hears of it when they have long ended.
            killing = box.run("pkill", "-KILL", "--count", "--full", SERVED, check=False)
            killed += int(killing.stdout)
        visits = visits_of(load)
    assert outcomes_of(box, "each", cursor, 2000) == {"handed-over": 2000}
    unserved = {visit["name"] for visit in visits if not visit["answer"]}
    assert len(unserved) <= killed > 0
    assert_served_once(box, visits, but_for=unserved)
