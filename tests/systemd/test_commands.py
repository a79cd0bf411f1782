# SPDX-License-Identifier: MIT
"""The command runner under a real systemd: restarted, killed, and with commands that last."""

import contextlib
import time
from collections.abc import Iterator

import pytest

from tests.support.box import Box
from tests.support.boxrules import (
    ALLOW,
    DENY,
    PATIENCE_SECONDS,
    RUNNER,
    STATE,
    WITH_PRIVILEGES,
    drop_in,
    entries,
    entry,
    install,
    rules,
    visit,
    visit_words,
)

pytestmark = pytest.mark.systemd

#: A pipe that commands wait at, and one that who is to let them go writes to.
GO = f"{STATE}/go"

SETTINGS = "/etc/socketgate/socketgate.toml"


@pytest.fixture(scope="module")
def commands_box(box: Box) -> Box:
    """The module's box, with two daemons; the runner has its folders."""
    install(box, "each", 7, "/bin/true")
    install(box, "other", 8, "/bin/true")
    box.run("systemctl", "start", RUNNER)
    return box


@pytest.fixture(autouse=True)
def pipe(commands_box: Box) -> Iterator[None]:
    commands_box.shell(f"rm -f {GO}; mkfifo -m 666 {GO}")
    yield
    commands_box.run("rm", "-f", ALLOW, DENY, GO)


@contextlib.contextmanager
def go(box: Box) -> Iterator[None]:
    """Let go whoever waits at the pipe, or is about to."""
    with box.start("timeout", f"{PATIENCE_SECONDS:.0f}", "sh", "-c", f"echo go >{GO}"):
        yield


def wait_commands(box: Box, count: int) -> None:
    """Until so many shells wait at the pipe."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while box.run("pgrep", "-c", "-u", "socketgate-command", "-x", "sh", check=False).stdout != (
        f"{count}\n"
    ):
        assert time.monotonic() < deadline, "the commands have not started"


def wait_stored(box: Box, gate: str) -> None:
    """Until systemd has a copy of the client for the next gate."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while box.unit(gate, "NFileDescriptorStore")["NFileDescriptorStore"] != "1":
        assert time.monotonic() < deadline, "the client is not kept"


def runner_pid(box: Box) -> str:
    return box.unit(RUNNER, "MainPID")["MainPID"]


def test_the_runner_restarts_while_a_client_waits_for_a_command(commands_box: Box) -> None:
    """The one under way is answered; the next client's goes to the runner's successor."""
    cursor = rules(commands_box, f"ALL: ALL: aclexec read -r line <{GO}\n", "ALL: ALL\n")
    before = runner_pid(commands_box)
    with commands_box.start(*visit_words()) as first:
        wait_commands(commands_box, 1)
        with commands_box.start("systemctl", "restart", RUNNER) as restart, go(commands_box):
            first.communicate(timeout=PATIENCE_SECONDS)
            restart.communicate(timeout=PATIENCE_SECONDS)
    with commands_box.start(*visit_words()) as second, go(commands_box):
        second.communicate(timeout=PATIENCE_SECONDS)
    found = [one["SOCKETGATE_OUTCOME"] for one in entries(commands_box, cursor, 2)]
    assert (found, runner_pid(commands_box) != before) == (["handed-over"] * 2, True)


@pytest.mark.parametrize(
    ("ending", "outcomes"),
    [("restart", ["kept", "handed-over"]), ("kill --signal=KILL", ["handed-over"])],
)
def test_a_client_who_waits_for_an_aclexec_goes_on_with_the_next_gate(
    commands_box: Box, ending: str, outcomes: list[str]
) -> None:
    """Which decides on him anew: the command waits at the pipe only when it is run first."""
    once = f"{STATE}/once"
    command = f"mkdir {once} || exit 0; read -r line <{GO}"
    cursor = rules(commands_box, f"ALL: ALL: aclexec {command}\n", "ALL: ALL\n")
    gate = "socketgate@each.service"
    with commands_box.start(*visit_words()) as client:
        wait_stored(commands_box, gate)
        commands_box.run("systemctl", *ending.split(), gate)
        client.communicate(timeout=PATIENCE_SECONDS)
    told = entries(commands_box, cursor, len(outcomes))
    commands_box.run("rmdir", once)
    with go(commands_box):
        wait_commands(commands_box, 0)
    assert [one["SOCKETGATE_OUTCOME"] for one in told] == outcomes


@pytest.fixture
def killed(commands_box: Box) -> Iterator[str]:
    """The runner is killed while clients wait for two commands. The journal's end before that."""
    rule = f"each: ALL: aclexec read -r line <{GO}\nother: ALL: spawn read -r line <{GO}\n"
    cursor = rules(commands_box, rule)
    with (
        commands_box.start(*visit_words(7)) as one,
        commands_box.start(*visit_words(8)) as other,
    ):
        wait_commands(commands_box, 2)
        commands_box.run("kill", "-KILL", runner_pid(commands_box))
        for client in (one, other):
            client.communicate(timeout=PATIENCE_SECONDS)
    yield cursor
    with go(commands_box):  # the shells go on: nobody ends what an admin has had started
        wait_commands(commands_box, 0)


@pytest.mark.parametrize(("daemon", "option"), [("each", "aclexec"), ("other", "spawn")])
def test_a_client_that_waits_for_a_runner_that_is_killed_is_refused(
    commands_box: Box, killed: str, daemon: str, option: str
) -> None:
    found = entry(commands_box, killed, daemon)
    assert (found["SOCKETGATE_OUTCOME"], found["SOCKETGATE_LOOKUP"]) == (
        "refused",
        f"{option}: the command runner went away",
    )


@pytest.mark.usefixtures("killed")
def test_the_next_client_s_command_is_run_by_the_runner_that_takes_its_place(
    commands_box: Box,
) -> None:
    cursor = rules(commands_box, "ALL: ALL: aclexec true\n", "ALL: ALL\n")
    visit(commands_box)
    assert entry(commands_box, cursor)["SOCKETGATE_OUTCOME"] == "handed-over"


def test_a_twist_goes_on_when_the_runner_is_killed(commands_box: Box) -> None:
    rules(commands_box, deny=f"ALL: ALL: twist read -r line <{GO}; echo still here\n")
    with commands_box.start(*visit_words()) as client:
        wait_commands(commands_box, 1)
        commands_box.run("kill", "-KILL", runner_pid(commands_box))
        with go(commands_box):
            heard, _ = client.communicate(timeout=PATIENCE_SECONDS)
    assert heard == b"still here\n"


@pytest.fixture
def impatient(commands_box: Box) -> Iterator[None]:
    """Commands have two seconds."""
    gates = "systemctl stop socketgate@each.service socketgate@other.service"
    commands_box.write(SETTINGS, "[commands]\nseconds = 2\n")
    commands_box.shell(gates)
    yield
    commands_box.run("rm", SETTINGS)
    commands_box.shell(gates)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("option", ["spawn", "aclexec"])
def test_what_comes_after_a_command_past_its_deadline_is_not_done(
    commands_box: Box, option: str
) -> None:
    rule = f"ALL: ALL: {option} sleep 600: spawn touch {STATE}/ran: twist echo hi\n"
    cursor = rules(commands_box, rule)
    heard = visit(commands_box)
    found = entry(commands_box, cursor)
    ran = commands_box.run("test", "-e", f"{STATE}/ran", check=False).returncode == 0
    assert (heard, ran, found["SOCKETGATE_LOOKUP"]) == (
        "",
        False,
        f"{option}: passed its deadline and was killed",
    )


def test_a_command_for_which_no_process_is_left_refuses(commands_box: Box) -> None:
    """As when a stranger has had many of `spawn ... &` started."""
    with drop_in(commands_box, "TasksMax=1"):
        cursor = rules(commands_box, "ALL: ALL: spawn true\n")
        visit(commands_box)
        found = entry(commands_box, cursor)
    assert (found["SOCKETGATE_OUTCOME"], found["SOCKETGATE_LOOKUP"]) == (
        "refused",
        "spawn: /bin/sh: no process is left (TasksMax= of the unit that starts it)",
    )


#: What sudo is in the end: a program that becomes another user for whoever runs it.
BECOME_ROOT = "/usr/local/bin/become-root"


@pytest.fixture
def became_root(commands_box: Box) -> Iterator[None]:
    """A command that the runner could start, and can't end."""
    setpriv = f"install -m 4755 $(command -v setpriv) {BECOME_ROOT}"
    commands_box.shell(setpriv)
    with drop_in(commands_box, WITH_PRIVILEGES):
        yield
        commands_box.shell(f"kill $(pgrep -u root -x sleep); rm {BECOME_ROOT}")


@pytest.mark.usefixtures("impatient", "became_root")
def test_a_command_that_became_root_and_cannot_be_killed_refuses(commands_box: Box) -> None:
    command = f"exec {BECOME_ROOT} --reuid=0 --regid=0 --clear-groups sleep 600"
    cursor = rules(commands_box, f"ALL: ALL: aclexec {command}\n")
    visit(commands_box)
    found = entry(commands_box, cursor)
    assert (found["SOCKETGATE_OUTCOME"], found["SOCKETGATE_LOOKUP"]) == (
        "refused",
        "aclexec: passed its deadline and can't be killed",
    )
