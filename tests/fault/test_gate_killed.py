# SPDX-License-Identifier: MIT
"""The gate is killed and restarted under a real systemd, with clients at every point of the way.

And so are PID 1 and journald.
"""

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from socketgate.acceptor import MAX_BURST
from tests.support.box import Box
from tests.support.descriptors import full_inbox
from tests.support.load import Visit
from tests.support.netns import ClientHost

LOAD = Path(__file__).resolve().parents[1] / "support" / "load.py"
SERVED = "/run/served"
WAIT_SECONDS = 20.0
KILLS = 20

#: Says hello to the client by its name, and writes down whom it served before it answers.
ANSWER = f'read -r name; echo "$name" >>{SERVED}; echo "hello $name"'

#: Takes clients on a channel and answers them all the same way.
CHANNEL_BACKEND = f"""\
import os, socket, threading
from socketgate.backend import Listener

def serve(client):
    with client, client.makefile("rb") as file:
        name = file.readline()
        log = os.open({SERVED!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(log, name)
        os.close(log)
        client.sendall(b"hello " + name)

with Listener() as listener:
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],)).start()
"""

#: Takes questions and answers none.
SILENT_DNS = """\
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.bind(("0.0.0.0", 53))
    print("ready", flush=True)
    while True:
        sock.recv(4096)
"""


@pytest.fixture(autouse=True)
def _served(box: Box) -> Iterator[None]:
    box.write(SERVED, "")
    yield
    box.run("rm", "-f", SERVED, "/etc/hosts.deny")


def gate_on(box: Box, name: str, port: int, *options: str, backend_runs: bool) -> None:
    box.run("socketgate", "unit", name, "--listen", str(port), "--install", *options,
            "--", "/bin/sh", "-c", ANSWER)  # fmt: skip
    if not backend_runs:
        folder = f"/etc/systemd/system/{name}-gated.socket.d"
        box.write(f"{folder}/away.conf", f"[Unit]\nConditionPathExists=/run/{name}-may-run\n")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "start", f"socketgate@{name}.socket")


def start_backend(box: Box, name: str) -> None:
    box.write(f"/run/{name}-may-run", "")
    box.run("systemctl", "start", f"{name}-gated.socket")


def channel_gate_on(box: Box, name: str, port: int) -> None:
    """With one backend for all clients, CHANNEL_BACKEND."""
    box.write("/usr/local/bin/answer", CHANNEL_BACKEND)
    gate_on(box, name, port, "--resident", backend_runs=False)
    box.write(
        f"/etc/systemd/system/{name}-gated.service.d/answer.conf",
        "[Service]\nType=simple\nExecStart=\nExecStart=/usr/bin/python3 /usr/local/bin/answer\n",
    )
    box.run("systemctl", "daemon-reload")
    start_backend(box, name)


def start_load(client: ClientHost, port: int, count: int, at_once: int) -> subprocess.Popen[bytes]:
    words = (str(LOAD), client.box_address4, str(port), str(count), str(at_once))
    return client.start("/usr/bin/python3", *words)


def visits_of(load: subprocess.Popen[bytes]) -> list[Visit]:
    output, errors = load.communicate(timeout=60)
    assert load.returncode == 0, errors.decode()
    visits: list[Visit] = json.loads(output)
    return visits


def wait_until(what: str, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"never came: {what}"


def stored_count(box: Box, name: str) -> int:
    return int(box.unit(f"socketgate@{name}.service", "NFileDescriptorStore").popitem()[1])


def wait_stored(box: Box, name: str, count: int) -> None:
    wait_until(f"{count} stored clients", lambda: stored_count(box, name) == count)


def queue_length(box: Box, port: int) -> int:
    """How many clients the kernel has that nobody has accepted (ss(8): Recv-Q of a listener)."""
    return int(box.run("ss", "-Hltn", f"sport = :{port}").stdout.split()[1])


def served_names(box: Box) -> list[str]:
    return box.run("cat", SERVED).stdout.split()


def wait_served(box: Box, least: int) -> None:
    wait_until(f"{least} served", lambda: len(served_names(box)) >= least)


def main_pid(box: Box, name: str) -> int:
    return int(box.unit(f"socketgate@{name}.service", "MainPID").popitem()[1])


def kill_gate(box: Box, name: str) -> None:
    """End the gate in the hard way, and wait for the next one."""
    before = main_pid(box, name)
    box.run("systemctl", "kill", "-s", "KILL", f"socketgate@{name}.service")
    wait_until("the next gate", lambda: main_pid(box, name) not in (0, before))


def terminate_gate(box: Box, name: str) -> None:
    """As kill(1) does: systemd was not asked to start it again."""
    before = main_pid(box, name)
    box.run("kill", str(before))
    wait_until("the next gate", lambda: main_pid(box, name) not in (0, before))


def restart_gate(box: Box, name: str) -> None:
    box.run("systemctl", "restart", f"socketgate@{name}.service")


WAYS = pytest.mark.parametrize(
    "end_gate", [kill_gate, terminate_gate, restart_gate], ids=["SIGKILL", "SIGTERM", "restart"]
)


def assert_all_served_once(box: Box, visits: list[Visit]) -> None:
    assert [visit["answer"] for visit in visits] == [f"hello {one['name']}\n" for one in visits]
    assert sorted(served_names(box)) == sorted(visit["name"] for visit in visits)


@WAYS
def test_who_waits_for_a_backend_is_served_after_the_gates_end(
    box: Box, client_host: ClientHost, end_gate: Callable[[Box, str], None]
) -> None:
    """Each client reads to the end: a copy left in PID 1 would keep it waiting."""
    name = f"away-{end_gate.__name__}"
    port = 1100 + len(name)
    gate_on(box, name, port, backend_runs=False)
    with start_load(client_host, port, 40, 40) as load:
        wait_stored(box, name, 40)
        end_gate(box, name)
        wait_stored(box, name, 40)
        start_backend(box, name)
        visits = visits_of(load)
    assert_all_served_once(box, visits)
    wait_stored(box, name, 0)


@WAYS
def test_who_waits_for_a_lookup_is_decided_after_the_gates_end(
    box: Box, client_host: ClientHost, end_gate: Callable[[Box, str], None]
) -> None:
    name = f"names-{end_gate.__name__}"
    port = 1200 + len(name)
    resolver = f"nameserver {client_host.address4}\noptions timeout:4 attempts:1\n"
    box.write("/etc/resolv.conf", resolver)
    box.write("/etc/hosts.deny", "ALL: .bad.example.org\n")
    gate_on(box, name, port, backend_runs=True)
    with client_host.start("/usr/bin/python3", "-c", SILENT_DNS) as dns:
        assert dns.stdout is not None
        assert dns.stdout.readline() == b"ready\n"
        with start_load(client_host, port, 5, 5) as load:
            wait_stored(box, name, 5)
            end_gate(box, name)
            visits = visits_of(load)
        dns.kill()
        dns.communicate()
    assert_all_served_once(box, visits)
    wait_stored(box, name, 0)


def test_who_waits_when_the_gate_is_stopped_has_an_entry(box: Box, client_host: ClientHost) -> None:
    gate_on(box, "halt", 1304, backend_runs=False)
    with start_load(client_host, 1304, 10, 10) as load:
        wait_stored(box, "halt", 10)
        box.run("systemctl", "stop", "socketgate@halt.service")
        visits = visits_of(load)
    entries = box.journal("SYSLOG_IDENTIFIER=halt", "SOCKETGATE_OUTCOME=kept")
    assert {entry["SOCKETGATE_CLIENT_ADDR"] for entry in entries} == {client_host.address4}
    assert (len(entries), any(visit["answer"] for visit in visits)) == (10, False)


def test_whom_a_smaller_store_has_no_room_for_is_not_said_to_be_kept(
    box: Box, client_host: ClientHost
) -> None:
    """Before systemd 254, which says so itself, FDSTORE= has to tell how many there is room for."""
    gate_on(box, "small", 1305, backend_runs=False)
    store = "[Service]\nFileDescriptorStoreMax=4\nEnvironment=FDSTORE=4\n"
    box.write("/etc/systemd/system/socketgate@small.service.d/store.conf", store)
    box.write("/etc/socketgate/socketgate.toml", "[limits]\ndrain-seconds = 1\n")
    box.run("systemctl", "daemon-reload")
    with start_load(client_host, 1305, 6, 6) as load:
        wait_stored(box, "small", 4)
        restart_gate(box, "small")
        start_backend(box, "small")
        visits = visits_of(load)
    box.run("rm", "/etc/socketgate/socketgate.toml")
    kept = box.journal("SYSLOG_IDENTIFIER=small", "SOCKETGATE_OUTCOME=kept")
    assert (len(kept), sum(bool(visit["answer"]) for visit in visits)) == (4, 4)


def test_who_is_gone_takes_no_place_in_the_store(box: Box, client_host: ClientHost) -> None:
    gate_on(box, "gone", 1301, backend_runs=False)
    with start_load(client_host, 1301, 10, 10) as load:
        wait_stored(box, "gone", 10)
        load.kill()
        load.communicate()
    kill_gate(box, "gone")
    start_backend(box, "gone")
    wait_stored(box, "gone", 0)


def test_twenty_kills_under_load_cost_no_more_than_a_burst_each(
    box: Box, client_host: ClientHost
) -> None:
    channel_gate_on(box, "killed", 1302)
    with start_load(client_host, 1302, 4000, 64) as load:
        for number in range(KILLS):
            wait_served(box, 150 * (number + 1))
            kill_gate(box, "killed")
        visits = visits_of(load)
    unserved = [visit for visit in visits if visit["answer"] != f"hello {visit['name']}\n"]
    assert len(unserved) <= KILLS * MAX_BURST
    assert {name for name, times in Counter(served_names(box)).items() if times > 1} == set()


def test_the_port_never_closes_however_often_the_gate_is_killed(
    box: Box, client_host: ClientHost
) -> None:
    gate_on(box, "port", 1303, backend_runs=True)
    with start_load(client_host, 1303, 1, 1) as load:
        visits_of(load)
    for _ in range(10):
        kill_gate(box, "port")
    assert box.unit("socketgate@port.socket", "ActiveState") == {"ActiveState": "active"}
    with start_load(client_host, 1303, 1, 1) as load:
        (visit,) = visits_of(load)
        assert visit["answer"] == f"hello {visit['name']}\n"


def test_who_waits_is_kept_while_pid_1_executes_itself_anew(
    box: Box, client_host: ClientHost
) -> None:
    """As an upgrade of systemd has it do."""
    gate_on(box, "anew", 1306, backend_runs=False)
    with start_load(client_host, 1306, 40, 40) as load:
        wait_stored(box, "anew", 40)
        box.run("systemctl", "daemon-reexec")
        kill_gate(box, "anew")
        wait_stored(box, "anew", 40)
        start_backend(box, "anew")
        visits = visits_of(load)
    assert_all_served_once(box, visits)


def test_a_journald_restarted_under_load_costs_no_client_and_no_entry(
    box: Box, client_host: ClientHost
) -> None:
    channel_gate_on(box, "journal", 1307)
    with start_load(client_host, 1307, 2000, 64) as load:
        for number in range(1, 5):
            wait_served(box, 300 * number)
            box.run("systemctl", "restart", "systemd-journald.service")
        visits = visits_of(load)
    assert_all_served_once(box, visits)
    box.run("systemctl", "stop", "socketgate@journal.socket")  # the entries that wait are written
    entries = box.journal("SYSLOG_IDENTIFIER=journal", "SOCKETGATE_OUTCOME=handed-over")
    assert len(entries) == len(visits)


def test_a_gate_stopped_for_a_moment_goes_on_with_everybody(
    box: Box, client_host: ClientHost
) -> None:
    """SIGSTOP and SIGCONT: no longer than the watchdog has patience."""
    channel_gate_on(box, "paused", 1308)
    with start_load(client_host, 1308, 600, 64) as load:
        wait_served(box, 100)
        gate = str(main_pid(box, "paused"))
        box.run("kill", "-STOP", gate)
        with start_load(client_host, 1308, 20, 20) as meanwhile:
            wait_until("20 in the kernel's queue", lambda: queue_length(box, 1308) >= 20)
            box.run("kill", "-CONT", gate)
            visits = visits_of(load) + visits_of(meanwhile)
    assert_all_served_once(box, visits)
    assert str(main_pid(box, "paused")) == gate


def test_a_pid_1_that_hangs_keeps_nobody_out(box: Box, client_host: ClientHost) -> None:
    """Whoever comes to see why it hangs comes through a gate; its queue is full by then."""
    channel_gate_on(box, "hung", 1309)
    with start_load(client_host, 1309, 1, 1) as load:
        visits_of(load)
    os.kill(box.pid, signal.SIGSTOP)
    try:
        with full_inbox(f"/proc/{box.pid}/root/run/systemd/notify"):
            box.write("/etc/hosts.allow", "hung: ALL\n")  # a change, of which PID 1 is told
            box.write("/etc/hosts.deny", "ALL: ALL\n")
            with start_load(client_host, 1309, 20, 20) as load:
                visits = visits_of(load)
    finally:
        os.kill(box.pid, signal.SIGCONT)
        box.run("rm", "-f", "/etc/hosts.allow")
    assert all(visit["answer"] for visit in visits)


def systemctl(*words: str) -> Callable[[Box, str], None]:
    def do(box: Box, name: str) -> None:
        box.run("systemctl", *(word.format(name) for word in words))

    return do


def add_a_rule(box: Box, name: str) -> None:
    box.append("/etc/hosts.deny", f"{name}: 192.0.2.1\n")


def ban_somebody(box: Box, _name: str) -> None:
    box.run("socketgate", "ban", "192.0.2.2", "--for", "1h")


STORM = (
    kill_gate,
    systemctl("restart", "systemd-journald.service"),
    add_a_rule,
    restart_gate,
    systemctl("daemon-reexec"),
    systemctl("kill", "-s", "KILL", "{}-gated.service"),
    ban_somebody,
    terminate_gate,
    systemctl("reload", "socketgate@{}.service"),
    systemctl("daemon-reload"),
    kill_gate,
)


def test_in_a_storm_nobody_is_let_in_by_mistake_or_served_twice(
    box: Box, client_host: ClientHost
) -> None:
    """All at once; whoever comes by IPv6 is not to get in."""
    at_once = 64
    box.write("/etc/hosts.deny", f"storm: [{client_host.address6}]\n")
    channel_gate_on(box, "storm", 1310)
    denied_words = ("/usr/bin/python3", str(LOAD), client_host.box_address6, "1310", "500", "4")
    with (
        start_load(client_host, 1310, 3000, at_once) as load,
        client_host.start(*denied_words) as denied,
    ):
        for number, disturb in enumerate(STORM, 1):
            wait_served(box, 200 * number)
            disturb(box, "storm")
        visits, turned_away = visits_of(load), visits_of(denied)
    box.run("socketgate", "unban", "192.0.2.2")
    assert not any(visit["answer"] for visit in turned_away)
    assert {name for name, times in Counter(served_names(box)).items() if times > 1} == set()
    unserved = [visit for visit in visits if visit["answer"] != f"hello {visit['name']}\n"]
    assert len(unserved) <= STORM.count(kill_gate) * MAX_BURST + at_once
