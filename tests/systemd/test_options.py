# SPDX-License-Identifier: MIT
"""Every option under a real systemd, with the shipped units and their sandboxes."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.box import Box

pytestmark = pytest.mark.systemd

UNITS = Path(__file__).resolve().parents[2] / "units"
ALLOW, DENY = "/etc/hosts.allow", "/etc/hosts.deny"
SERVICE = "socketgate-command.service"
DROP_IN = f"/etc/systemd/system/{SERVICE}.d/test.conf"

#: Where commands may write.
STATE = "/var/lib/socketgate-command"

#: Tenths: what `systemd-analyze security` may print at most.
EXPOSURE = 15

#: Says something, then prints all that the server says until it closes.
VISIT = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60) as server:
    server.sendall(sys.argv[2].encode())
    print(server.makefile(newline="").read(), end="")
"""

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


@pytest.fixture(scope="module")
def options_box(box: Box) -> Box:
    """The module's box, with a program for each client on port 7, and by a launcher on port 8."""
    for name, port, *words in (("each", "7"), ("resident", "8", "--resident")):
        options = ("--json", "--install", f"--listen={port}", *words)
        program = ("/bin/sh", "-c", PROGRAM)
        said = json.loads(box.run("socketgate", "unit", name, *options, "--", *program).stdout)
        box.shell(said["next"])
    return box


@pytest.fixture(autouse=True)
def no_rules(box: Box) -> Iterator[None]:
    yield
    box.run("rm", "-f", ALLOW, DENY)


def visit(box: Box, port: int = 7, says: str = "") -> str:
    return box.run("python3", "-c", VISIT, str(port), says).stdout


def rules(box: Box, allow: str = "", deny: str = "") -> str:
    """Put rules in place; the answer is the journal's end before anybody came."""
    box.write(ALLOW, allow)
    box.write(DENY, deny)
    return box.cursor()


def entry(box: Box, cursor: str) -> dict[str, str]:
    """The audit line of the only client since then."""
    entries = box.journal("SOCKETGATE_DAEMON=each", after_cursor=cursor)
    (found,) = (one for one in entries if "SOCKETGATE_OUTCOME" in one)
    return found


@pytest.mark.parametrize("name", ["socketgate-command.service"])
def test_the_runner_is_no_more_exposed_than_promised(name: str) -> None:
    words = ("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}")
    done = subprocess.run([*words, UNITS / name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_systemd_has_nothing_to_say_about_the_units(box: Box) -> None:
    words = ("systemd-analyze", "verify", "--man=no", "socketgate-command.socket", SERVICE)
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


#: Each of these implies NoNewPrivileges=yes for a unit with a User= (systemd.exec(5)).
WITH_PRIVILEGES = (
    "NoNewPrivileges=no",
    "RestrictSUIDSGID=no",
    "SystemCallFilter=",
    "SystemCallArchitectures=",
    "RestrictAddressFamilies=",
    "RestrictNamespaces=no",
    "RestrictRealtime=no",
    "MemoryDenyWriteExecute=no",
    "LockPersonality=no",
    "PrivateDevices=no",
    "ProtectHostname=no",
    "ProtectClock=no",
    "ProtectKernelTunables=no",
    "ProtectKernelModules=no",
    "ProtectKernelLogs=no",
    "CapabilityBoundingSet=~",
)

#: What docs/commands.md says the sandbox forbids, and the setting that allows it.
FORBIDDEN = {
    "writing to a file that is not its own": ("echo x >/srv/log", "ReadWritePaths=/srv"),
    "reading a home": ("ls /home/someone", "ProtectHome=no"),
    "having more rights by sudo or a set-user-ID program": (
        "grep -q 'NoNewPrivs\\:.0' /proc/self/status",
        "\n".join(WITH_PRIVILEGES),
    ),
    "seeing other processes": ("test -e /proc/1/comm", "ProtectProc=default"),
}


@pytest.fixture
def relaxed(options_box: Box, request: pytest.FixtureRequest) -> Iterator[None]:
    options_box.write(DROP_IN, f"[Service]\n{request.param}\n")
    options_box.shell(f"systemctl daemon-reload; systemctl restart {SERVICE}")
    yield
    options_box.run("rm", DROP_IN)
    options_box.shell(f"systemctl daemon-reload; systemctl restart {SERVICE}")


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


def test_the_runner_restarts_while_a_client_waits_for_a_command(options_box: Box) -> None:
    """The one under way is answered; the next client's goes to the runner's successor."""
    options_box.shell(f"rm -f {STATE}/go; mkfifo -m 666 {STATE}/go")
    cursor = rules(options_box, f"ALL: ALL: aclexec read -r line <{STATE}/go\n", "ALL: ALL\n")
    with options_box.start("python3", "-c", VISIT, "7", "") as first:
        wait_for_command(options_box)
        restart = options_box.start("systemctl", "restart", SERVICE)
        with restart, options_box.start("timeout", "60", "sh", "-c", f"echo go >{STATE}/go"):
            first.communicate(timeout=60)
            restart.communicate(timeout=60)
    with (
        options_box.start("python3", "-c", VISIT, "7", "") as second,
        options_box.start("timeout", "60", "sh", "-c", f"echo go >{STATE}/go"),
    ):
        second.communicate(timeout=60)
    found = options_box.journal("SOCKETGATE_DAEMON=each", after_cursor=cursor)
    assert [one["SOCKETGATE_OUTCOME"] for one in found] == ["handed-over"] * 2


def wait_for_command(box: Box) -> None:
    """Until a shell runs as the commands' user."""
    deadline = time.monotonic() + 60
    while box.run("pgrep", "-u", "socketgate-command", "-x", "sh", check=False).returncode:
        assert time.monotonic() < deadline, "no command has started"


def test_nothing_that_a_gate_may_execute_can_it_write(options_box: Box) -> None:
    """systemd mounts it without the read-only flag: that it is root's has to be enough."""
    visit(options_box)
    pid = options_box.unit("socketgate@each.service", "MainPID")["MainPID"]
    inside = ("nsenter", "--target", pid, "--mount", "/usr/bin/python3", "-c", FIND_WRITABLE)
    assert options_box.run(*inside).stdout == "searched\n"
