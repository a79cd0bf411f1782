# SPDX-License-Identifier: MIT
"""`socketgate status` and its like know what systemd knows: gates that wait, fail, are stopped."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.support import commands
from tests.support.box import Box

pytestmark = pytest.mark.systemd

BROKEN = "/etc/socketgate/socketgate.d/broken.toml"
#: Each gate's port.
GATES = {"runs": 7, "waits": 9, "fails": 13, "taken": 17, "stopped": 19, "enabled": 37}
#: What a gate that fails tells systemd.
REASON = f"{BROKEN}:1: not valid TOML"


@pytest.fixture(scope="module")
def gates(box: Box) -> Iterator[Box]:
    """A gate of each kind, by its name; the port of `taken` is somebody else's."""
    for name, port in GATES.items():
        words = ("socketgate", "unit", name, f"--listen={port}", "--install", "--", "/bin/cat")
        box.run(*words)
    box.write("/run/systemd/system/other.socket", "[Socket]\nListenStream=17\nAccept=yes\n")
    box.write("/run/systemd/system/other@.service", "[Service]\nExecStart=/bin/cat\n")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "enable", "socketgate@enabled.socket")
    box.run("systemctl", "start", "other.socket", "socketgate@runs.service")
    box.run("systemctl", "start", "socketgate@waits.socket", "socketgate@fails.socket")
    box.run("systemctl", "start", "socketgate@taken.socket", check=False)
    box.write(BROKEN, "nonsense\n")  # it tries again every few seconds, as long as this is there
    box.run("systemctl", "start", "socketgate@fails.service", check=False)
    yield box
    box.run("rm", BROKEN)
    names = [f"socketgate@{name}.socket" for name in GATES]
    box.run("systemctl", "stop", "other.socket", *names)
    box.run("systemctl", "disable", "socketgate@enabled.socket")
    box.run("systemctl", "reset-failed")


def status(box: Box, *words: str) -> commands.Result:
    return box.run("socketgate", "status", *words, check=False)


def states(box: Box) -> dict[str, str]:
    """Of all gates that are shown."""
    answer = json.loads(status(box, "--json").stdout)
    return {name: one["state"] for name, one in answer.items()}


def test_every_gate_that_there_is_to_be_is_shown_with_its_state(gates: Box) -> None:
    assert states(gates) == {
        "runs": "running",
        "waits": "waiting",
        "fails": "failed",
        "taken": "failed",
        "enabled": "stopped",
    }


def test_who_is_not_root_is_told_as_much_of_those_that_do_not_run(gates: Box) -> None:
    words = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
    done = gates.run(*words, "socketgate", "status", "--json", check=False)
    assert set(json.loads(done.stdout)) == {"waits", "fails", "taken", "enabled"}


def test_the_exit_code_is_3_when_a_gate_has_failed(gates: Box) -> None:
    assert status(gates).returncode == 3


@pytest.mark.parametrize(
    ("name", "code"), [("runs", 0), ("waits", 0), ("fails", 3), ("taken", 3), ("stopped", 3)]
)
def test_a_gate_by_its_name_has_its_own_exit_code(gates: Box, name: str, code: int) -> None:
    assert status(gates, name).returncode == code


def test_why_a_gate_does_not_start_is_shown(gates: Box) -> None:
    """Between two tries: while it starts, nothing is known yet."""
    deadline = time.monotonic() + commands.DEADLINE_SECONDS
    while f"Error: {REASON}" not in (shown := status(gates, "fails").stdout):
        assert time.monotonic() < deadline, shown


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("waits", "waits for its first client: 'systemctl start socketgate@waits.service'"),
        ("fails", "has failed: 'journalctl -u socketgate@fails.service' says why"),
        ("taken", "has failed: 'journalctl -u socketgate@taken.socket' says why"),
        ("stopped", "is stopped: 'systemctl start socketgate@stopped.socket' opens its port"),
        ("nobody", "there is no gate 'nobody': 'socketgate status' shows those there are"),
        ("fials", "there is no gate 'fials': did you mean 'fails'?"),
    ],
)
@pytest.mark.parametrize("verb", [("reload",), ("top", "--count=1"), ("explain",)])
def test_what_cannot_be_asked_is_one_line_that_says_what_to_do(
    gates: Box, verb: tuple[str, ...], name: str, said: str
) -> None:
    more = ("192.0.2.7",) if verb == ("explain",) else ()
    done = gates.run("socketgate", *verb, name, *more, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert said in done.stderr


def test_a_reload_of_all_leaves_out_those_that_will_read_the_rules_anyway(gates: Box) -> None:
    done = gates.run("socketgate", "reload", check=False)
    assert (done.returncode, done.stdout) == (3, "runs: 0 rules in force already, generation 1\n")
    assert "waits" not in done.stderr


def test_top_has_a_line_for_each(gates: Box) -> None:
    shown = gates.run("socketgate", "top", "--count=1", "--seconds=0.1").stdout
    assert [line.split()[0] for line in shown.splitlines()] == [
        *("DAEMON", "runs", "enabled", "fails", "taken", "waits")
    ]


def test_a_gate_that_hangs_is_shown_with_its_unit(gates: Box) -> None:
    gates.run("systemctl", "kill", "--signal=STOP", "socketgate@runs.service")
    try:
        shown = status(gates, "runs").stdout
    finally:
        gates.run("systemctl", "kill", "--signal=CONT", "socketgate@runs.service")
    assert shown.startswith(
        "● runs - socketgate@runs.service\n  State: running, but it doesn't answer since "
    )


def test_a_gate_of_several_daemons_that_waits_is_found_by_each(gates: Box) -> None:
    text = "[Socket]\nListenStream=41\nFileDescriptorName=one\nService=socketgate.service\n"
    gates.write("/run/systemd/system/front.socket", text)
    gates.run("systemctl", "daemon-reload")
    gates.run("systemctl", "start", "front.socket")
    try:
        shown = status(gates, "one").stdout
    finally:
        gates.run("systemctl", "stop", "front.socket")
    assert shown.startswith("● +shared - socketgate.service\n  State: waiting for its first client")


def test_a_backend_that_was_never_started_is_shown(gates: Box) -> None:
    gates.run("systemctl", "stop", "runs-gated.socket")
    try:
        shown = status(gates, "runs").stdout
    finally:
        gates.run("systemctl", "start", "runs-gated.socket")
    assert "clients of runs find no backend\n" in shown
    assert "Backend: /run/socketgate/backend/runs.sock isn't there" in shown


def test_a_gate_that_was_enabled_without_a_port_has_failed(gates: Box) -> None:
    gates.run("systemctl", "enable", "socketgate@portless.socket")
    try:
        done = status(gates, "portless")
    finally:
        gates.run("systemctl", "disable", "socketgate@portless.socket")
    assert (done.returncode, "socketgate@portless.socket: bad-setting" in done.stdout) == (3, True)


def test_a_gate_whose_socket_accepts_by_itself_has_failed(gates: Box) -> None:
    drop_in = "/run/systemd/system/socketgate@stopped.socket.d/accept.conf"
    gates.write(drop_in, "[Socket]\nAccept=yes\n")
    gates.run("systemctl", "daemon-reload")
    gates.run("systemctl", "start", "socketgate@stopped.socket")
    try:
        done = status(gates, "stopped")
    finally:
        gates.run("systemctl", "stop", "socketgate@stopped.socket")
        gates.run("rm", drop_in)
        gates.run("systemctl", "daemon-reload")
    assert (done.returncode, "socketgate@stopped.socket: Accept=yes" in done.stdout) == (3, True)
