# SPDX-License-Identifier: MIT
"""The shipped units and those of `socketgate unit`, run by a real systemd."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.box import Box

UNITS = Path(__file__).resolve().parents[2] / "units"

#: Tenths: what `systemd-analyze security` may print at most, docs/units.md.
EXPOSURE = 15

ECHO_EACH = ("--listen=7", "--user=daemon", "--", "/bin/cat")
ECHO_RESIDENT = ("--listen=8", "--resident", "--user=daemon", "--", "/bin/cat")

#: What systemd before 255 says to a setting that is there for later ones.
NEWER = "Unknown key 'PollLimitIntervalSec'"

#: Everything the verb can write.
WAYS = {
    "sshd": ("--listen=22", "--", "/usr/sbin/sshd", "-i"),
    "rsync": ("--listen=873", "--resident", "--", "/usr/bin/rsync", "--daemon"),
    "vsftpd": ("--listen=[::]:21", "--listen=0.0.0.0:21", "--", "/usr/sbin/vsftpd"),
    "webd": ("--listen=80", "--listen=/run/webd.sock", "--backend=/run/webd/gate.sock"),
    "fingerd": (
        "--listen=192.0.2.1:79",
        "--listen=/run/100%",
        "--user=daemon",
        "--",
        "/bin/x",
        "$HOME %i;",
        ";",
    ),
}

#: What is verified: `1` stands for a client.
UNITS_OF = (
    "socketgate@{}.socket",
    "socketgate@{}.service",
    "{}-gated.socket",
    "{}-gated@1.service",
    "{}-gated.service",
)

#: Connects so many clients to a port of the box at once, says something on each and prints how many
#: heard it again. The last line is the error that stopped the first client, if one did.
ECHO_CLIENTS = """
import selectors, socket, sys
port, count = map(int, sys.argv[1:])
clients = []
served = 0
try:
    for number in range(count):
        client = socket.create_connection(("127.0.0.1", port), timeout=40)
        client.sendall(b"hello\\n")
        clients.append(client)
    for client in clients:
        served += client.recv(100) == b"hello\\n"
except OSError as error:
    print(error, file=sys.stderr)
print(served)
"""

#: Connects to a port, and prints what the server does with that: refuses, or takes it.
KNOCK = """
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20).close()
except ConnectionRefusedError:
    print("closed")
else:
    print("open")
"""


#: Prints all that the server says.
LISTEN_TO = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=40) as server:
    server.shutdown(socket.SHUT_WR)
    print(server.makefile(newline="").read(), end="")
"""

#: Prints the first line the server says.
GREETING = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=40) as server:
    print(server.makefile().readline(), end="")
"""

#: Says something, prints the answer, and does so once more when told to.
TALK_TWICE = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=40) as server:
    answers = server.makefile()
    for text in (b"hello\\n", b"again\\n"):
        server.sendall(text)
        print(answers.readline(), end="", flush=True)
        if text == b"hello\\n":
            sys.stdin.readline()
"""

#: A socket of the shared gate, as docs/units.md shows it.
SHARED_SOCKET = """
[Unit]
PropagatesStopTo=socketgate.service
[Socket]
ListenStream={port}
FileDescriptorName={name}
Service=socketgate.service
TriggerLimitIntervalSec=0
"""


def echoed(box: Box, port: int, count: int = 1) -> int:
    """How many of so many clients at once are served."""
    done = box.run("python3", "-c", ECHO_CLIENTS, str(port), str(count))
    return int(done.stdout)


def knock(box: Box, port: int) -> str:
    """Whether the port is "open" or "closed"."""
    return box.run("python3", "-c", KNOCK, str(port)).stdout.strip()


def main_pid(box: Box, unit: str) -> int:
    return int(box.unit(unit, "MainPID")["MainPID"])


def install(box: Box, name: str, *words: str) -> None:
    """Install by the verb and do what it says is next."""
    done = box.run("socketgate", "unit", name, "--json", "--install", *words)
    box.shell(json.loads(done.stdout)["next"])


def remove(box: Box, name: str) -> None:
    """Remove by the verb and do what it says is next. A test may have stopped the sockets."""
    done = box.run("socketgate", "unit", name, "--json", "--remove")
    box.shell(json.loads(done.stdout)["next"].replace(";", "|| true;", 1))


@pytest.fixture(scope="module")
def echo_box(box: Box) -> Box:
    """The module's box, with a program that answers on port 7 by a unit for each client, and on
    port 8 by a resident launcher."""
    install(box, "each", *ECHO_EACH)
    install(box, "resident", *ECHO_RESIDENT)
    return box


@pytest.fixture
def second_gate(echo_box: Box) -> Iterator[str]:
    """One more daemon, served on port 9; gone again after the test."""
    install(echo_box, "second", "--listen=9", "--user=daemon", "--", "/bin/cat")
    echoed(echo_box, 9)
    yield "second"
    remove(echo_box, "second")


@pytest.mark.parametrize("name", ["socketgate@.service", "socketgate.service"])
def test_a_gate_is_no_more_exposed_than_promised(name: str) -> None:
    words = ("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}")
    done = subprocess.run([*words, UNITS / name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_catalog_is_one_that_journalctl_takes(tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib/systemd/catalog"
    folder.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    texts = (UNITS / "socketgate.catalog").read_text()
    (folder / "socketgate.catalog").write_text(texts)
    root = f"--root={tmp_path}"
    subprocess.run(["journalctl", root, "--update-catalog"], check=True)
    listed = subprocess.run(
        ["journalctl", root, "--list-catalog"], capture_output=True, text=True, check=True
    )
    assert listed.stdout.count(" socketgate: ") == f"\n{texts}".count("\n-- ")


@pytest.mark.parametrize("name", WAYS)
def test_systemd_has_nothing_to_say_about_the_units(box: Box, name: str) -> None:
    box.run("socketgate", "unit", name, "--install", *WAYS[name])
    box.run("systemctl", "daemon-reload")
    units = [unit.format(name) for unit in UNITS_OF]
    there = [unit for unit in units if box.unit(unit, "LoadState")["LoadState"] == "loaded"]
    done = box.run("systemd-analyze", "verify", "--man=no", *there, check=False)
    box.run("socketgate", "unit", name, "--remove")
    said = [line for line in done.stderr.splitlines() if NEWER not in line]
    assert (done.returncode, done.stdout, said) == (0, "", [])


def test_the_shared_gate_verifies(box: Box) -> None:
    done = box.run("systemd-analyze", "verify", "--man=no", "socketgate.service", check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("port", [7, 8])
def test_a_client_is_served(echo_box: Box, port: int) -> None:
    assert echoed(echo_box, port) == 1


@pytest.mark.parametrize("port", [7, 8])
def test_clients_beyond_systemds_default_limits_are_served(echo_box: Box, port: int) -> None:
    """64 connections and 200 activations in two seconds are the defaults, systemd.socket(5)."""
    assert echoed(echo_box, port, 250) == 250


def test_systemd_warns_of_nothing(echo_box: Box) -> None:
    echoed(echo_box, 7)
    echoed(echo_box, 8)
    entries = echo_box.journal("_PID=1", "PRIORITY=4", "PRIORITY=3", "PRIORITY=2")
    said = [entry["MESSAGE"] for entry in entries if "gate" in entry["MESSAGE"]]
    assert [message for message in said if NEWER not in message] == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
    ],
)
def test_the_gate_has_no_privilege(echo_box: Box, field: str, value: str) -> None:
    echoed(echo_box, 7)
    pid = main_pid(echo_box, "socketgate@each.service")
    status = echo_box.run("cat", f"/proc/{pid}/status").stdout.splitlines()
    found = dict(line.split(":", 1) for line in status)
    assert found[field].strip() == value


def test_the_gate_runs_as_its_own_user(echo_box: Box) -> None:
    echoed(echo_box, 7)
    pid = main_pid(echo_box, "socketgate@each.service")
    assert echo_box.run("stat", "-c%U:%G", f"/proc/{pid}").stdout.strip() == "socketgate:socketgate"


FOLDERS = ["/etc", "/home", "/tmp", "/var/tmp"]  # noqa: S108  # the box's, read by the gate


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_gate_sees_host_files_wherever_they_are(echo_box: Box, folder: str) -> None:
    """Hidden by the sandbox, one would count as missing, and the client would get in."""
    echo_box.write(f"{folder}/denied", "127.0.0.1\n")
    echo_box.write("/etc/hosts.deny", f"each: {folder}/denied\n")
    echo_box.run("systemctl", "restart", "socketgate@each.service")
    served = echoed(echo_box, 7)
    echo_box.run("rm", f"{folder}/denied", "/etc/hosts.deny")
    echo_box.run("systemctl", "restart", "socketgate@each.service")
    assert (served, echoed(echo_box, 7)) == (0, 1)


def test_the_gate_writes_nowhere_but_in_its_folders(echo_box: Box) -> None:
    echoed(echo_box, 7)
    pid = main_pid(echo_box, "socketgate@each.service")
    mounts = echo_box.run("cat", f"/proc/{pid}/mounts").stdout.splitlines()
    options = {line.split()[1]: line.split()[3].split(",")[0] for line in mounts}
    # Where memory pressure is read is a mount of the service's own from systemd 254 on.
    elsewhere = ("/usr/", "/sys/fs/cgroup/")
    own = {path for path in options if "socketgate" in path and not path.startswith(elsewhere)}
    writable = {path for path in own if options[path] == "rw"}
    assert (options["/"], writable) == (
        "ro",
        {
            "/run/socketgate/gate/each",
            "/var/lib/socketgate/each",
            "/var/cache/socketgate/tables",
        },
    )


def test_a_reload_keeps_the_gate(echo_box: Box) -> None:
    echoed(echo_box, 7)
    before = main_pid(echo_box, "socketgate@each.service")
    echo_box.run("systemctl", "reload", "socketgate@each.service")
    assert (main_pid(echo_box, "socketgate@each.service"), echoed(echo_box, 7)) == (before, 1)


def test_a_stopped_socket_is_a_closed_port(echo_box: Box, second_gate: str) -> None:
    echo_box.run("systemctl", "stop", f"socketgate@{second_gate}.socket")
    assert knock(echo_box, 9) == "closed"


def test_a_restarted_socket_is_served_again(echo_box: Box, second_gate: str) -> None:
    echo_box.run("systemctl", "restart", f"socketgate@{second_gate}.socket")
    assert echoed(echo_box, 9) == 1


def test_a_stopped_gate_is_started_by_the_next_client(echo_box: Box, second_gate: str) -> None:
    echo_box.run("systemctl", "stop", f"socketgate@{second_gate}.service")
    assert echoed(echo_box, 9) == 1


def test_a_gate_that_stops_leaves_the_others_folder(echo_box: Box, second_gate: str) -> None:
    echoed(echo_box, 7)
    before = set(echo_box.run("ls", "/run/socketgate/gate").stdout.split())
    echo_box.run("systemctl", "stop", f"socketgate@{second_gate}.service")
    after = set(echo_box.run("ls", "/run/socketgate/gate").stdout.split())
    assert before - after == {second_gate}


def test_the_folders_above_belong_to_root(echo_box: Box) -> None:
    echoed(echo_box, 7)
    folders = ["/run/socketgate", "/run/socketgate/backend", "/run/socketgate/gate"]
    said = echo_box.run("stat", "-c%U:%G %a", *folders).stdout.splitlines()
    assert said == ["root:root 755"] * 3


def test_a_gate_killed_again_and_again_serves_the_next_client(echo_box: Box) -> None:
    """More often than the default start limit allows, five times in ten seconds."""
    for _ in range(8):
        echoed(echo_box, 7)
        echo_box.run("kill", "-KILL", str(main_pid(echo_box, "socketgate@each.service")))
    assert echoed(echo_box, 7) == 1


def test_a_mistake_in_the_configuration_leaves_the_port_open(
    echo_box: Box, second_gate: str
) -> None:
    """The client waits in the queue and is served once the mistake is gone."""
    echo_box.run("systemctl", "stop", f"socketgate@{second_gate}.service")
    echo_box.write("/etc/socketgate/socketgate.d/mistake.toml", "[nonsense]\n")
    start = echo_box.run("systemctl", "start", f"socketgate@{second_gate}.service", check=False)
    open_or_closed = knock(echo_box, 9)
    echo_box.run("rm", "/etc/socketgate/socketgate.d/mistake.toml")
    assert (start.returncode, open_or_closed, echoed(echo_box, 9)) == (1, "open", 1)


def test_removed_units_leave_nothing_loaded(echo_box: Box) -> None:
    install(echo_box, "third", "--listen=10", "--user=daemon", "--", "/bin/cat")
    echoed(echo_box, 10)
    remove(echo_box, "third")
    words = ("--all", "--plain", "--no-legend", "--type=socket,service")
    left = echo_box.run("systemctl", "list-units", *words, "*third*").stdout
    assert (left, knock(echo_box, 10)) == ("", "closed")


def test_a_clients_program_runs_as_the_user_named(echo_box: Box) -> None:
    words = ("--listen=11", "--user=daemon", "--", "/usr/bin/id", "-un")
    install(echo_box, "whoami", *words)
    said = echo_box.run("python3", "-c", LISTEN_TO, "11").stdout
    remove(echo_box, "whoami")
    assert said == "daemon\n"


def test_arguments_reach_the_program_as_they_are(echo_box: Box) -> None:
    words = ["%s|", "$HOME", "${HOME} %i %%", "a b", ";", "", 'say "hi"', "it's", "\\n\t", "ü"]
    install(echo_box, "argsd", "--listen=12", "--user=daemon", "--", "/usr/bin/printf", *words)
    said = echo_box.run("python3", "-c", LISTEN_TO, "12").stdout
    remove(echo_box, "argsd")
    assert said.split("|")[:-1] == words[1:]


def test_a_launchers_restart_ends_no_clients_program(echo_box: Box) -> None:
    with echo_box.start("python3", "-c", TALK_TWICE, "8") as client:
        assert client.stdout
        first = client.stdout.readline()
        echo_box.run("systemctl", "restart", "resident-gated.service")
        second = client.communicate(b"go on\n", timeout=60)[0]
    assert (first, second) == (b"hello\n", b"again\n")


def test_one_gate_serves_several_sockets(echo_box: Box) -> None:
    for name, port in (("each", 13), ("resident", 14)):
        socket = SHARED_SOCKET.format(name=name, port=port)
        echo_box.write(f"/run/systemd/system/shared-{port}.socket", socket)
    echo_box.run("systemctl", "daemon-reload")
    echo_box.run("systemctl", "start", "shared-13.socket", "shared-14.socket")
    served = (echoed(echo_box, 13), echoed(echo_box, 14))
    echo_box.run("systemctl", "stop", "shared-13.socket", "shared-14.socket")
    assert (served, knock(echo_box, 13)) == ((1, 1), "closed")


def test_sshd_answers_with_its_folder_in_place(echo_box: Box) -> None:
    echo_box.run("ssh-keygen", "-A")
    install(echo_box, "sshd", *WAYS["sshd"])
    banner = echo_box.run("python3", "-c", GREETING, "22").stdout
    echo_box.run("python3", "-c", GREETING, "22")
    assert banner.startswith("SSH-2.0-OpenSSH")
    assert echo_box.run("stat", "-c%U %a", "/run/sshd").stdout == "root 755\n"
