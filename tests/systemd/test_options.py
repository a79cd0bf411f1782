# SPDX-License-Identifier: MIT
"""Every option under a real systemd, with the shipped units and their sandboxes."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.box import Box
from tests.support.boxrules import (
    ALLOW,
    DENY,
    RUNNER,
    STATE,
    WITH_PRIVILEGES,
    drop_in,
    entry,
    install,
    rules,
    visit,
)

pytestmark = pytest.mark.systemd

UNITS = Path(__file__).resolve().parents[2] / "units"

#: Tenths: what `systemd-analyze security` may print at most.
EXPOSURE = 15

#: What the program behind the gate says of itself.
PROGRAM = (
    'echo "$GREETING"; umask; grep -E "^(Uid|Gid|Groups|NoNewPrivs):" /proc/self/status;'
    " cut -d ' ' -f 19 /proc/self/stat"
)

#: What is tried within a unit's own namespaces, as one of its processes would.
TRY_EXEC = """
import os
for program in ("/bin/sh", "/usr/bin/env", "/usr/bin/kill", "/lib64/ld-linux-x86-64.so.2"):
    try:
        os.posix_spawn(program, [program, "/bin/true"], {})
        print(program, "started")
    except OSError as error:
        print(program, error.strerror)
"""


#: Prints what the gate's user could write of what a gate may execute.
FIND_WRITABLE = """
import os, pwd
gate = pwd.getpwnam("socketgate")
os.setgroups([])
os.setresgid(gate.pw_gid, gate.pw_gid, gate.pw_gid)
os.setresuid(gate.pw_uid, gate.pw_uid, gate.pw_uid)
found = ["/usr/bin/socketgate", "/usr/bin/python3"]
for top in ("/usr/lib", "/usr/local/lib"):
    for folder, _, files in os.walk(top):
        found += [folder, *(os.path.join(folder, file) for file in files)]
for path in found:
    if not os.path.islink(path) and os.access(path, os.W_OK):
        print(path)
print("searched")
"""


#: Says how the client's socket is set.
SOCKET_OPTIONS = """#!/usr/bin/python3
import socket
client = socket.socket(fileno=0)
alive = client.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
linger = client.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
print("keepalive", alive, "linger", *linger[::4], flush=True)
"""
SOCKET_PROGRAM = "/usr/local/bin/socket-options"


@pytest.fixture(scope="module")
def options_box(box: Box) -> Box:
    """The module's box: a program for each client, by a launcher, and one that shows its socket."""
    install(box, "each", 7, "/bin/sh", "-c", PROGRAM)
    install(box, "resident", 8, "--resident", "/bin/sh", "-c", PROGRAM)
    box.write(SOCKET_PROGRAM, SOCKET_OPTIONS, mode=0o755)
    install(box, "sockets", 9, SOCKET_PROGRAM)
    return box


@pytest.fixture(autouse=True)
def no_rules(box: Box) -> Iterator[None]:
    yield
    box.run("rm", "-f", ALLOW, DENY)


@pytest.mark.parametrize("name", ["socketgate-command.service"])
def test_the_runner_is_no_more_exposed_than_promised(name: str) -> None:
    words = ("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}")
    done = subprocess.run([*words, UNITS / name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_systemd_has_nothing_to_say_about_the_units(box: Box) -> None:
    words = ("systemd-analyze", "verify", "--man=no", "socketgate-command.socket", RUNNER)
    done = box.run(*words, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_spawn_has_run_before_the_client_is_served(options_box: Box) -> None:
    cursor = rules(options_box, f"ALL: ALL: spawn (id -un; echo %d %a) >{STATE}/spawn\n")
    visit(options_box)
    said = options_box.run("cat", f"{STATE}/spawn").stdout
    assert said == "socketgate-command\neach ::ffff:127.0.0.1\n"
    assert entry(options_box, cursor)["SOCKETGATE_OUTCOME"] == "handed-over"


@pytest.mark.parametrize(("command", "outcome"), [("true", "handed-over"), ("false", "refused")])
def test_aclexec_decides(options_box: Box, command: str, outcome: str) -> None:
    cursor = rules(options_box, f"ALL: ALL: aclexec {command}\n", "ALL: ALL\n")
    visit(options_box)
    assert entry(options_box, cursor)["SOCKETGATE_OUTCOME"] == outcome


def test_twist_talks_to_the_client(options_box: Box) -> None:
    cursor = rules(options_box, deny="ALL: ALL: twist read -r line; echo got $line; id -un\n")
    heard = visit(options_box, says="hello\n")
    found = entry(options_box, cursor)
    assert heard == "got hello\nsocketgate-command\n"
    assert (found["SOCKETGATE_OUTCOME"], found["SOCKETGATE_VERDICT"]) == ("twisted", "deny")
    assert found["MESSAGE"] == "twist ::ffff:127.0.0.1 to read -r line; echo got $line; id -un"


def test_banners_are_read_by_the_refused(options_box: Box) -> None:
    options_box.write("/etc/banners/each", "go away, %a\n")
    rules(options_box, deny="ALL: ALL: banners /etc/banners\n")
    assert visit(options_box) == "go away, ::ffff:127.0.0.1\n"


def test_an_admitted_client_reads_the_banner_before_the_program(options_box: Box) -> None:
    options_box.write("/etc/banners/sockets", "welcome, %a\n")
    rules(options_box, "ALL: ALL: banners /etc/banners\n")
    assert visit(options_box, 9).splitlines()[0] == "welcome, ::ffff:127.0.0.1"


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ("keepalive", "keepalive 1 linger 0 0\n"),
        ("linger 5", "keepalive 0 linger 1 5\n"),
        ("keepalive: linger 5", "keepalive 1 linger 1 5\n"),
    ],
)
def test_keepalive_and_linger_are_set_where_the_client_is_served(
    options_box: Box, options: str, shown: str
) -> None:
    rules(options_box, f"ALL: ALL: {options}\n")
    assert visit(options_box, 9) == shown


def test_keepalive_and_linger_are_set_for_a_twist(options_box: Box) -> None:
    rules(options_box, deny=f"ALL: ALL: keepalive: linger 5: twist exec {SOCKET_PROGRAM}\n")
    assert visit(options_box) == "keepalive 1 linger 1 5\n"


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        pytest.param("aclexec false: spawn {}", "refused", id="aclexec, looked at in the end"),
        pytest.param("spawn {}: aclexec false: keepalive", "refused", id="before an aclexec"),
        pytest.param("aclexec false: aclexec true: spawn {}", "handed-over", id="the last aclexec"),
        pytest.param("spawn false: spawn {}", "handed-over", id="spawn"),
        pytest.param("banners /no/such: spawn {}", "handed-over", id="banners"),
        pytest.param("nice -20: spawn {}", "handed-over", id="nice, which needs root"),
    ],
)
def test_a_command_beside_an_option_that_fails_is_run(
    options_box: Box, options: str, outcome: str
) -> None:
    options_box.run("rm", "-f", f"{STATE}/ran")
    command = f"echo ran >{STATE}/ran"
    cursor = rules(options_box, f"ALL: ALL: {options.format(command)}\n", "ALL: ALL\n")
    visit(options_box)
    found = entry(options_box, cursor)["SOCKETGATE_OUTCOME"]
    assert (found, options_box.run("cat", f"{STATE}/ran").stdout) == (outcome, "ran\n")


def test_setenv_umask_and_nice_hold_for_the_commands_that_follow(options_box: Box) -> None:
    settings = "setenv GREETING hi %a: umask 027: nice 3"
    rules(options_box, deny=f"ALL: ALL: {settings}: twist echo $GREETING $(umask) $(nice)\n")
    assert visit(options_box) == "hi ::ffff:127.0.0.1 0027 3\n"


def test_severity_is_the_entrys(options_box: Box) -> None:
    cursor = rules(options_box, deny="ALL: ALL: severity auth.crit\n")
    visit(options_box)
    found = entry(options_box, cursor)
    assert (found["PRIORITY"], found["SYSLOG_FACILITY"]) == ("2", "4")


@pytest.mark.parametrize("port", [7, 8])
def test_setenv_umask_nice_user_and_group_hold_for_the_program(options_box: Box, port: int) -> None:
    rules(options_box, "ALL: ALL: setenv GREETING hi %a: umask 027: nice 3: user nobody.daemon\n")
    greeting, umask, *status, nice = visit(options_box, port).splitlines()
    found = {key: value.split() for key, value in (line.split(":") for line in status)}
    assert (greeting, umask, nice) == ("hi ::ffff:127.0.0.1", "0027", "3")
    assert (set(found["Uid"]), set(found["Gid"])) == ({"65534"}, {"1"})


def test_the_gate_cannot_execute_a_program(options_box: Box) -> None:
    visit(options_box)
    pid = options_box.unit("socketgate@each.service", "MainPID")["MainPID"]
    inside = ("nsenter", "--target", pid, "--mount")
    said = options_box.run(*inside, "/usr/bin/python3", "-c", TRY_EXEC).stdout.splitlines()
    assert said[:3] == [
        f"{program} Permission denied" for program in ("/bin/sh", "/usr/bin/env", "/usr/bin/kill")
    ]


def test_the_loader_is_no_way_round_that(options_box: Box) -> None:
    """ld.so(8) maps a program rather than execute it."""
    visit(options_box)
    pid = options_box.unit("socketgate@each.service", "MainPID")["MainPID"]
    loader = options_box.shell("ls /lib64/ld-linux-*.so.* /lib/ld-linux-*.so.* | head -n 1")
    words = ("nsenter", "--target", pid, "--mount", loader, "/bin/sh", "-c", "echo started")
    done = options_box.run(*words, check=False)
    assert (done.returncode != 0, done.stdout) == (True, "")


def test_a_reload_by_systemctl_works_without_exec_in_the_gate(options_box: Box) -> None:
    visit(options_box)
    done = options_box.run("systemctl", "reload", "socketgate@each.service", check=False)
    assert (done.returncode, done.stderr) == (0, "")


#: What docs/commands.md says the sandbox forbids, and the setting that allows it.
FORBIDDEN = {
    "writing to a file that is not its own": ("echo x >/srv/log", "ReadWritePaths=/srv"),
    "reading a home": ("ls /home/someone", "ProtectHome=no"),
    "having more rights by sudo or a set-user-ID program": (
        "grep -q 'NoNewPrivs\\:.0' /proc/self/status",
        WITH_PRIVILEGES,
    ),
    "seeing other processes": ("test -e /proc/1/comm", "ProtectProc=default"),
}


@pytest.fixture
def relaxed(options_box: Box, request: pytest.FixtureRequest) -> Iterator[None]:
    with drop_in(options_box, request.param):
        yield


@pytest.fixture
def places(options_box: Box) -> None:
    options_box.shell("mkdir -p -m 777 /srv /home/someone; chmod 777 /srv")


@pytest.mark.usefixtures("places")
@pytest.mark.parametrize("command", [words for words, _ in FORBIDDEN.values()], ids=FORBIDDEN)
def test_the_sandbox_forbids(options_box: Box, command: str) -> None:
    cursor = rules(options_box, f"ALL: ALL: aclexec {command}\n", "ALL: ALL\n")
    visit(options_box)
    assert entry(options_box, cursor)["SOCKETGATE_OUTCOME"] == "refused"


@pytest.mark.usefixtures("places", "relaxed")
@pytest.mark.parametrize(
    ("command", "relaxed"),
    [pytest.param(*both, id=name) for name, both in FORBIDDEN.items()],
    indirect=["relaxed"],
)
def test_a_drop_in_allows(options_box: Box, command: str) -> None:
    cursor = rules(options_box, f"ALL: ALL: aclexec {command}\n", "ALL: ALL\n")
    visit(options_box)
    assert entry(options_box, cursor)["SOCKETGATE_OUTCOME"] == "handed-over"


def test_nothing_that_a_gate_may_execute_can_it_write(options_box: Box) -> None:
    """systemd mounts it without the read-only flag: that it is root's has to be enough."""
    visit(options_box)
    pid = options_box.unit("socketgate@each.service", "MainPID")["MainPID"]
    inside = ("nsenter", "--target", pid, "--mount", "/usr/bin/python3", "-c", FIND_WRITABLE)
    assert options_box.run(*inside).stdout == "searched\n"
