# SPDX-License-Identifier: MIT
"""What is in units/, read as text; tests/systemd/test_units.py runs it."""

import re
from pathlib import Path

import pytest

from socketgate.compiler import COMPILE_SECONDS
from socketgate.config import Limits
from socketgate.daemon import FIRST_ANSWERS_SECONDS

UNITS = Path(__file__).resolve().parents[2] / "units"
SERVICES = ["socketgate@.service", "socketgate.service"]
COMMANDS = ["socketgate-command.socket", "socketgate-command.service"]

#: What explains itself.
PLAIN = re.compile(r"(Description|Documentation|WantedBy|Also)=")

#: Settings that are the one unit's own: whose gate it is.
OWN = re.compile(
    r"(Description|Requires|After|RuntimeDirectory|StateDirectory|CacheDirectory|Also)="
)

#: docs/design.md 8: one for each kind of entry.
MESSAGE_IDS = [f"5d0e7a1c6b5e4d0b9a52c0f6f3b8a{kind:x}" for kind in range(0x101, 0x10F)]


def settings(name: str) -> list[str]:
    lines = (UNITS / name).read_text().splitlines()
    return [line for line in lines if line and line[0] not in "#["]


def unexplained(text: str) -> list[str]:
    """The settings with no comment between them and the section or blank line above."""
    found = []
    has_reason = False
    for line in text.splitlines():
        if line.startswith("#"):
            has_reason = True
        elif not line or line.startswith("["):
            has_reason = False
        elif not has_reason and not PLAIN.match(line):
            found.append(line)
    return found


@pytest.mark.parametrize("name", [*SERVICES, *COMMANDS, "socketgate@.socket"])
def test_every_setting_has_its_reason_above(name: str) -> None:
    assert unexplained((UNITS / name).read_text()) == []


def test_both_gates_have_the_same_settings() -> None:
    one, several = ([line for line in settings(name) if not OWN.match(line)] for name in SERVICES)
    assert one == several


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(
    "setting", ["PrivateUsers", "PrivateTmp=yes", "RestartPreventExitStatus", "DynamicUser"]
)
def test_a_gate_never_has(name: str, setting: str) -> None:
    assert not [line for line in settings(name) if line.startswith(setting)]


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(
    "setting",
    [
        "ExecStart=/usr/bin/socketgate run",
        "Type=notify",
        "Restart=always",
        "RestartSec=250ms",
        "OOMPolicy=continue",
        "StartLimitIntervalSec=0",
        "User=socketgate",
        "AppArmorProfile=-socketgate",
    ],
)
def test_a_gate_always_has(name: str, setting: str) -> None:
    assert setting in settings(name)


def seconds_of(setting: str, name: str) -> float:
    (value,) = (one.partition("=")[2] for one in settings(name) if one.startswith(f"{setting}="))
    return float(value.removesuffix("s"))


@pytest.mark.parametrize("name", SERVICES)
def test_a_gate_is_given_the_time_that_it_may_take_to_start(name: str) -> None:
    assert seconds_of("TimeoutStartSec", name) > COMPILE_SECONDS + FIRST_ANSWERS_SECONDS


@pytest.mark.parametrize("name", SERVICES)
def test_a_gate_is_given_the_time_that_it_may_take_to_stop(name: str) -> None:
    assert seconds_of("TimeoutStopSec", name) > Limits().drain_seconds


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(
    "setting",
    ["NoExecPaths=/", "Wants=socketgate-command.socket", "After=socketgate-command.socket"],
)
def test_a_gate_executes_nothing_and_has_commands_run_elsewhere(name: str, setting: str) -> None:
    assert setting in settings(name)


@pytest.mark.parametrize(
    "setting",
    ["User=socketgate-command", "KillMode=process", "NoNewPrivileges=yes", "OOMPolicy=continue"],
)
def test_the_command_runner_always_has(setting: str) -> None:
    assert setting in settings("socketgate-command.service")


def test_nobody_but_gates_can_connect_to_the_command_runner() -> None:
    assert {"SocketMode=0660", "SocketGroup=socketgate"} <= {*settings("socketgate-command.socket")}


@pytest.mark.parametrize(
    "setting",
    ["FileDescriptorName=%i", "TriggerLimitIntervalSec=0", "Wants=%i-gated.socket", "Backlog=4096"],
)
def test_a_listening_socket_always_has(setting: str) -> None:
    assert setting in settings("socketgate@.socket")


def test_a_listening_socket_leaves_accepting_to_the_gate() -> None:
    assert not [line for line in settings("socketgate@.socket") if line.startswith("Accept=")]


def test_the_catalog_explains_each_kind_of_entry_once() -> None:
    text = (UNITS / "socketgate.catalog").read_text()
    assert re.findall(r"^-- (\w+)$", text, re.MULTILINE) == MESSAGE_IDS


@pytest.mark.parametrize("name", sorted(path.name for path in UNITS.iterdir()))
def test_every_file_names_its_licence_first(name: str) -> None:
    first = (UNITS / name).read_text().splitlines()[0]
    assert first == "# SPDX-License-Identifier: MIT"
