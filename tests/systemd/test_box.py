# SPDX-License-Identifier: MIT
"""The box itself: a real systemd that limits, logs and listens, and of which nothing is left."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import cgroup
from tests.support.box import Box
from tests.support.commands import CommandFailed
from tests.support.netns import ClientHost

PROJECT = Path(__file__).resolve().parents[2]

#: A test run in small: boots a box, says who keeps it, and waits to be killed.
BOX_AND_WAIT = """
import signal
from tests.support.box import Box
with Box("victim") as box:
    print(box.keeper_pid, box.pid, flush=True)
    signal.pause()
"""

ECHO_SERVICE = """
[Service]
ExecStart=/bin/cat
StandardInput=socket
"""

ECHO_SOCKET = """
[Socket]
ListenStream=7
Accept=yes
"""

#: Sends a line to the echo service and prints what comes back, and from where it saw itself come.
ECHO_CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], 7), 10) as sock:
    sock.sendall(b"hello\\n")
    print(sock.getsockname()[0], sock.makefile().readline(), end="")
"""


def groups_of(name: str) -> list[Path]:
    return [
        group for parent in cgroup.parents() for group in parent.glob(f"{cgroup.PREFIX}{name}-*")
    ]


def wait_gone(pidfd: int) -> bool:
    """Whether a process ends within the time a box needs to go away."""
    return bool(select.select([pidfd], [], [], 30)[0])


@pytest.fixture
def victim() -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """A process with a box of its own, and pidfds of the box's keeper and its systemd."""
    with (
        subprocess.Popen(
            [sys.executable, "-c", BOX_AND_WAIT], stdout=subprocess.PIPE, text=True, cwd=PROJECT
        ) as process,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(process.kill)
        assert process.stdout is not None
        fds = [os.pidfd_open(int(word)) for word in process.stdout.readline().split()]
        for fd in fds:
            stack.callback(os.close, fd)
        yield process, fds[0], fds[1]


def test_systemd_is_pid_1_and_nothing_failed(empty_box: Box) -> None:
    assert empty_box.run("systemctl", "is-system-running").stdout == "running\n"


def test_a_failed_command_says_what_it_said(empty_box: Box) -> None:
    with pytest.raises(CommandFailed, match=r"exit status 3 of: .*\nout\nerr"):
        empty_box.run("sh", "-c", "echo out; echo err >&2; exit 3")


def test_a_file_written_here_is_read_there(empty_box: Box) -> None:
    empty_box.write("/etc/new/file", "one\n")
    empty_box.append("/etc/new/file", "two\n")
    assert empty_box.run("cat", "/etc/new/file").stdout == "one\ntwo\n"


def test_what_is_written_in_the_box_stays_there(empty_box: Box) -> None:
    empty_box.write("/etc/socketgate-box-test", "")
    assert not Path("/etc/socketgate-box-test").exists()


def test_a_folder_shown_to_the_box_is_read_only(empty_box: Box) -> None:
    assert empty_box.run("head", "-1", "/src/pyproject.toml").stdout == "[build-system]\n"
    written = empty_box.run("touch", "/src/pyproject.toml", check=False)
    assert "Read-only file system" in written.stderr


def test_the_rules_of_the_machine_below_are_not_seen(empty_box: Box) -> None:
    assert empty_box.run("ls", "/etc/hosts.allow", "/etc/hosts.deny", check=False).stdout == ""


def test_a_unit_has_its_lines_in_the_journal_with_the_fields_journald_adds(empty_box: Box) -> None:
    cursor = empty_box.cursor()
    say = ("systemd-run", "--quiet", "--wait", "--unit=say", "echo", "hello")
    empty_box.run(*say)
    entries = empty_box.journal("_TRANSPORT=stdout", unit="say.service", after_cursor=cursor)
    assert [(entry["MESSAGE"], entry["_UID"]) for entry in entries] == [("hello", "0")]


def test_bytes_that_are_no_text_come_out_of_the_journal(empty_box: Box) -> None:
    cursor = empty_box.cursor()
    empty_box.run("sh", "-c", r"printf 'a\377b\n' | systemd-cat -t bytes")
    (entry,) = empty_box.journal("SYSLOG_IDENTIFIER=bytes", after_cursor=cursor)
    assert entry["MESSAGE"] == "a\udcffb"


@pytest.mark.parametrize(
    ("limit", "script"),
    [
        pytest.param("TasksMax=5", "for i in 1 2 3 4 5 6 7; do sleep 5 & done", id="tasks"),
        pytest.param("MemoryMax=20M", "head -c 200M /dev/zero | tail >/dev/null", id="memory"),
        pytest.param("LimitNOFILE=4", "exec 3</dev/null 4</dev/null", id="descriptors"),
        pytest.param("ProtectSystem=strict", "echo >/etc/x", id="file-system"),
        pytest.param("PrivateNetwork=yes", "ip address | grep 10.9.9.9", id="network"),
        pytest.param("SystemCallFilter=~mkdir mkdirat", "mkdir /run/x", id="system-calls"),
    ],
)
def test_limits_of_units_are_enforced(empty_box: Box, limit: str, script: str) -> None:
    key, _, value = limit.partition("=")
    empty_box.run("ip", "address", "replace", "10.9.9.9/32", "dev", "lo")
    limited = empty_box.systemd_run("sh", "-ec", script, properties={key: value}, check=False)
    free = empty_box.systemd_run("sh", "-ec", script, check=False)
    assert (limited.returncode != 0, free.returncode) == (True, 0)


def test_a_client_on_a_network_of_its_own_is_served_by_a_socket_unit(empty_box: Box) -> None:
    empty_box.write("/etc/systemd/system/echo@.service", ECHO_SERVICE)
    empty_box.write("/etc/systemd/system/echo.socket", ECHO_SOCKET)
    empty_box.shell("systemctl daemon-reload; systemctl start echo.socket")
    with ClientHost(empty_box, "10.77.1") as client:
        replies = [
            client.run(sys.executable, "-c", ECHO_CLIENT, address).stdout
            for address in (client.box_address4, client.box_address6)
        ]
    assert replies == ["10.77.1.2 hello\n", "fd77:1::2 hello\n"]


def test_the_project_is_installed_with_its_user_folders_and_libraries(box: Box) -> None:
    box.systemd_run(
        "/usr/bin/python3",
        "-c",
        "import socketgate.errors, systemd.journal, inotify_simple, sdnotify",
        properties={"User": "socketgate", "ProtectHome": "yes", "ProtectSystem": "strict"},
    )
    assert box.run("stat", "-c%U %a", "/run/socketgate/backend").stdout == "root 755\n"


def test_boxes_of_the_same_name_run_side_by_side(empty_box: Box) -> None:
    with Box("empty") as second:
        second.write("/etc/only-here", "")
        assert empty_box.run("ls", "/etc/only-here", check=False).returncode != 0


def test_powering_off_leaves_no_control_group() -> None:
    with Box("short") as box:
        box.systemd_run("true")
        assert groups_of("short")
    assert groups_of("short") == []


def test_a_box_that_powers_itself_off_leaves_no_control_group() -> None:
    with Box("off") as box:
        box.run("systemctl", "poweroff", check=False)
    assert groups_of("off") == []


def test_a_test_that_fails_in_a_box_leaves_nothing() -> None:
    with contextlib.suppress(ZeroDivisionError), Box("broken"):
        raise ZeroDivisionError
    assert groups_of("broken") == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_test_run_leaves_no_process_and_no_control_group(
    victim: tuple[subprocess.Popen[str], int, int], number: signal.Signals
) -> None:
    process, keeper, leader = victim
    process.send_signal(number)
    ended = wait_gone(keeper) and wait_gone(leader)
    assert (ended, groups_of("victim")) == (True, [])


def test_a_box_dies_with_its_keeper_and_the_next_box_sweeps_up(
    victim: tuple[subprocess.Popen[str], int, int],
) -> None:
    _, keeper, leader = victim
    signal.pidfd_send_signal(keeper, signal.SIGKILL)
    assert wait_gone(leader)
    with Box("next"):
        pass
    assert groups_of("victim") == []
