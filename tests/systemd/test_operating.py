# SPDX-License-Identifier: MIT
"""The admin's tools against gates that a real systemd runs: reload, status, who may do what."""

import json
from collections.abc import Iterator

import pytest

from tests.support.box import Box
from tests.support.roots import make_root

pytestmark = pytest.mark.systemd

DENY = "/etc/hosts.deny"
SOCKET = "/run/socketgate/gate/echod/control"
GATE = "socketgate@echod.service"

#: In whose name a command is run in the box.
AS_ADMIN = ("setpriv", "--reuid=games", "--regid=nogroup", "--groups=socketgate-admin")
AS_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")


def install_echod(box: Box) -> None:
    """A gate that runs, in front of cat."""
    box.run("rm", "-f", "/etc/hosts.allow", DENY)
    words = ("socketgate", "unit", "echod", "--listen", "7", "--install", "--", "/bin/cat")
    box.run(*words)
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "start", "socketgate@echod.socket", GATE)


@pytest.fixture(scope="module")
def gate(box: Box) -> Iterator[Box]:
    install_echod(box)
    yield box
    box.run("systemctl", "stop", "socketgate@echod.socket", "echod-gated.socket")


@pytest.fixture
def no_rules(gate: Box) -> Iterator[None]:
    yield
    gate.run("rm", "-f", "/etc/hosts.allow", DENY)


@pytest.mark.usefixtures("no_rules")
def test_systemctl_reload_succeeds_when_the_new_rules_are_in_force(gate: Box) -> None:
    gate.write(DENY, "ALL: 192.0.2.0/255.255.255.0\nALL: .example.org\n")
    gate.run("systemctl", "reload", GATE)
    assert "2 rules" in gate.run("socketgate", "status", "echod").stdout


@pytest.mark.usefixtures("no_rules")
def test_systemctl_reload_fails_when_the_rules_have_errors(gate: Box) -> None:
    gate.write(DENY, "ALL ALL\n")
    assert gate.run("systemctl", "reload", GATE, check=False).returncode != 0
    assert gate.unit(GATE, "ActiveState") == {"ActiveState": "active"}


@pytest.mark.usefixtures("no_rules")
def test_check_finds_what_gates_cannot_read_though_root_can(gate: Box) -> None:
    gate.write(DENY, "echod: 192.0.2.7\n", mode=0o600)
    done = gate.run("socketgate", "check", "--no-lookups", check=False)
    assert done.returncode == 2
    assert done.stdout.startswith(f"{DENY}:1:1: gates, which run as socketgate, can't read")


def test_a_reload_with_errors_says_them_in_the_journal(gate: Box) -> None:
    cursor = gate.cursor()
    gate.write(DENY, "ALL ALL\n")
    gate.run("systemctl", "reload", GATE, check=False)
    gate.run("rm", DENY)
    said = [one["MESSAGE"] for one in gate.journal(unit=GATE, after_cursor=cursor)]
    assert any("hosts.deny:1:1" in text for text in said), said


def test_the_admins_group_may_reload(gate: Box) -> None:
    gate.run(*AS_ADMIN, "socketgate", "reload", "echod")


def test_others_may_not_even_look(gate: Box) -> None:
    result = gate.run(*AS_NOBODY, "socketgate", "status", "echod", check=False)
    assert (result.returncode, result.stdout) == (4, "")


def test_the_admins_group_may_ban(gate: Box) -> None:
    gate.run(*AS_ADMIN, "socketgate", "ban", "192.0.2.99")
    assert gate.run("socketgate", "unban", "192.0.2.99").returncode == 0


def test_others_may_not_ban(gate: Box) -> None:
    result = gate.run(*AS_NOBODY, "socketgate", "ban", "192.0.2.98", check=False)
    assert result.returncode == 4, result.stderr


def test_a_ban_outlives_a_restart_of_the_gate(gate: Box) -> None:
    gate.run("socketgate", "ban", "127.0.0.77")
    gate.run("systemctl", "restart", GATE)
    answer = gate.run("socketgate", "explain", "echod", "127.0.0.77", "--json", check=False)
    gate.run("socketgate", "unban", "127.0.0.77")
    assert json.loads(answer.stdout)["by"] == "ban"


def test_the_journal_explains_a_ban(gate: Box) -> None:
    cursor = gate.cursor()
    gate.run("socketgate", "ban", "127.0.0.78")
    gate.run(
        "python3",
        "-c",
        "import socket; socket.create_connection(('127.0.0.1', 7), 20, ('127.0.0.78', 0)).recv(1)",
    )
    gate.run("socketgate", "unban", "127.0.0.78")
    (entry,) = gate.journal("SOCKETGATE_BAN=127.0.0.78", after_cursor=cursor)
    assert entry["MESSAGE"].startswith("refused connect from ")
    shown = gate.run("journalctl", "-x", "--no-pager", f"MESSAGE_ID={entry['MESSAGE_ID']}").stdout
    assert "which is banned" in shown


@pytest.fixture(scope="module")
def newer() -> Iterator[Box]:
    """A box whose systemd has varlinkctl (257)."""
    with Box("varlink", root=make_root("trixie")) as box:
        box.install_project()
        install_echod(box)
        yield box


def test_varlinkctl_reads_the_interface(newer: Box) -> None:
    shown = newer.run("varlinkctl", "introspect", SOCKET, "io.socketgate.Gate").stdout
    for method in ("Status", "Counters", "Rules", "Bans", "Explain", "Reload"):
        assert f"method {method}" in shown


def test_varlinkctl_validates_the_interface(newer: Box) -> None:
    shown = newer.run("varlinkctl", "introspect", SOCKET, "io.socketgate.Gate").stdout
    newer.run("varlinkctl", "validate-idl", input=shown)


def test_varlinkctl_knows_the_service(newer: Box) -> None:
    shown = newer.run("varlinkctl", "info", SOCKET).stdout
    assert "io.socketgate.Gate" in shown


@pytest.mark.parametrize(
    ("method", "parameters", "key"),
    [
        pytest.param("Status", {}, "gates", id="status"),
        pytest.param("Counters", {}, "gates", id="counters"),
        pytest.param("Rules", {}, "files", id="rules"),
        pytest.param("Bans", {}, "bans", id="bans"),
        pytest.param("Explain", {"daemon": "echod", "address": "192.0.2.7"}, "verdict", id="ask"),
        pytest.param("Reload", {}, "generation", id="reload"),
    ],
)
def test_varlinkctl_calls_every_method(
    newer: Box, method: str, parameters: dict[str, str], key: str
) -> None:
    words = ("varlinkctl", "call", "--json=short", SOCKET, f"io.socketgate.Gate.{method}")
    assert key in json.loads(newer.run(*words, json.dumps(parameters)).stdout)


def test_one_screen_shows_every_gate(gate: Box) -> None:
    shown = gate.run("socketgate", "status").stdout
    assert "● echod" in shown
    assert "/run/socketgate/backend/echod.sock" in shown


def test_a_gate_that_nobody_has_set_up_is_one_line_and_exit_code_3(gate: Box) -> None:
    result = gate.run("socketgate", "status", "nothing", check=False)
    assert (result.returncode, result.stderr.count("\n")) == (3, 1)


@pytest.fixture
def one_for_all(gate: Box) -> Iterator[Box]:
    """One gate process for two sockets."""
    for port, name in (("9", "one"), ("13", "two")):
        text = (
            "[Unit]\nPropagatesStopTo=socketgate.service\n"
            f"[Socket]\nListenStream={port}\nFileDescriptorName={name}\n"
            "Service=socketgate.service\n"
        )
        gate.write(f"/run/systemd/system/{name}-front.socket", text)
    gate.run("systemctl", "daemon-reload")
    gate.run("systemctl", "start", "one-front.socket", "two-front.socket", "socketgate.service")
    yield gate
    gate.run("systemctl", "stop", "one-front.socket", "two-front.socket", "socketgate.service")


def test_a_gate_of_several_daemons_answers_for_each(one_for_all: Box) -> None:
    answer = one_for_all.run("socketgate", "explain", "two", "192.0.2.7", "--json")
    assert json.loads(answer.stdout)["verdict"] == "allow"


def test_systemctl_reload_works_for_a_gate_of_several_daemons(one_for_all: Box) -> None:
    one_for_all.run("systemctl", "reload", "socketgate.service")


@pytest.fixture
def viewers(gate: Box) -> Iterator[Box]:
    """Everybody may look."""
    gate.write("/etc/socketgate/socketgate.d/view.toml", '[control]\nviewer-groups = ["ALL"]\n')
    gate.run("systemctl", "restart", GATE)
    yield gate
    gate.run("rm", "/etc/socketgate/socketgate.d/view.toml")
    gate.run("systemctl", "restart", GATE)


def test_whom_the_configuration_lets_look_may_look_and_no_more(viewers: Box) -> None:
    codes = [
        viewers.run(*AS_NOBODY, "socketgate", verb, "echod", check=False).returncode
        for verb in ("status", "reload")
    ]
    assert codes == [0, 4]
