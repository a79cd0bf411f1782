# SPDX-License-Identifier: MIT
"""What `systemctl show` says becomes gates; tests/systemd/test_seeing.py asks a real systemd."""

import pytest

from socketgate.gateunits import GateUnit, UnitState, gates_of, parse_show

SERVICE = {
    "Id": "socketgate@sshd.service",
    "LoadState": "loaded",
    "ActiveState": "inactive",
    "Result": "success",
    "UnitFileState": "disabled",
    "StatusText": "",
    "NRestarts": "0",
    "TriggeredBy": "socketgate@sshd.socket",
    "StateChangeTimestampMonotonic": "0",
}
SOCKET = {
    "Id": "socketgate@sshd.socket",
    "LoadState": "loaded",
    "ActiveState": "active",
    "Result": "success",
    "UnitFileState": "enabled",
    "FileDescriptorName": "sshd",
    "Listen": "[::]:22 (Stream)",
    "StateChangeTimestampMonotonic": "5000000",
}


def gate(service: dict[str, str] | None = None, socket: dict[str, str] | None = None) -> GateUnit:
    (found,) = gates_of([SERVICE | (service or {}), SOCKET | (socket or {})], 1000.0)
    return found


@pytest.mark.parametrize(
    ("service", "socket", "state"),
    [
        pytest.param({}, {}, UnitState.WAITING, id="no-client-yet"),
        pytest.param({"ActiveState": "active"}, {}, UnitState.RUNNING, id="runs"),
        pytest.param({"ActiveState": "failed"}, {}, UnitState.FAILED, id="failed"),
        pytest.param(
            {"ActiveState": "activating", "Result": "exit-code"},
            {},
            UnitState.FAILED,
            id="waits-for-its-next-try",
        ),
        pytest.param(
            {"ActiveState": "activating", "NRestarts": "3"}, {}, UnitState.FAILED, id="next-try"
        ),
        pytest.param({"ActiveState": "activating"}, {}, UnitState.STARTING, id="first-try"),
        pytest.param({}, {"ActiveState": "failed"}, UnitState.FAILED, id="port-in-use"),
        pytest.param({}, {"ActiveState": "inactive"}, UnitState.STOPPED, id="stopped"),
    ],
)
def test_the_state_is_what_both_units_make_of_it(
    service: dict[str, str], socket: dict[str, str], state: UnitState
) -> None:
    assert gate(service, socket).state is state


def test_the_unit_to_look_at_is_the_one_that_failed() -> None:
    assert gate({"ActiveState": "failed"}).culprit == "socketgate@sshd.service"
    assert gate({}, {"ActiveState": "failed"}).culprit == "socketgate@sshd.socket"


def test_a_gate_has_its_name_its_daemon_and_where_it_listens() -> None:
    found = gate()
    assert (found.name, found.daemons, found.listens) == ("sshd", ("sshd",), ("[::]:22 (Stream)",))


def test_since_when_is_told_by_the_wall_clock() -> None:
    assert gate().since == 1005.0


def test_what_never_changed_has_no_since() -> None:
    assert gate({"ActiveState": "failed"}).since is None


def test_a_gate_of_several_daemons_has_all_of_them() -> None:
    service = SERVICE | {"Id": "socketgate.service", "TriggeredBy": "a.socket b.socket"}
    sockets = [SOCKET | {"Id": f"{name}.socket", "FileDescriptorName": name} for name in ("a", "b")]
    (found,) = gates_of([service, *sockets], 0.0)
    assert (found.name, found.daemons) == ("+shared", ("a", "b"))


def test_a_name_that_only_the_template_knows_is_no_gate() -> None:
    socket = SOCKET | {"LoadState": "bad-setting", "UnitFileState": "disabled"}
    assert gates_of([SERVICE, socket], 0.0) == []


def test_a_socket_that_was_enabled_without_a_port_has_failed() -> None:
    found = gate(socket={"LoadState": "bad-setting", "ActiveState": "inactive"})
    assert (found.state, found.culprit, found.result) == (
        UnitState.FAILED,
        "socketgate@sshd.socket",
        "bad-setting",
    )


@pytest.mark.parametrize("state", ["active", "failed"])
def test_a_socket_that_starts_services_of_other_names_has_failed_and_is_told_why(
    state: str,
) -> None:
    found = gate({"TriggeredBy": ""}, {"ActiveState": state, "Triggers": "", "Accept": "yes"})
    assert (found.state, found.culprit, found.result) == (
        UnitState.FAILED,
        "socketgate@sshd.socket",
        "Accept=yes",
    )


def test_a_stopped_socket_has_not_failed_whatever_its_settings() -> None:
    socket = {"ActiveState": "inactive", "Triggers": "", "Accept": "yes"}
    assert gate({"TriggeredBy": ""}, socket).state is UnitState.STOPPED


def test_a_shared_service_that_nobody_uses_is_no_gate() -> None:
    assert gates_of([SERVICE | {"Id": "socketgate.service", "TriggeredBy": ""}], 0.0) == []


def test_units_are_read_block_by_block() -> None:
    text = "Id=a.socket\nListen=1 (Stream)\nListen=2 (Stream)\n\nId=b.socket\nResult=\n"
    assert list(parse_show(text)) == [
        {"Id": "a.socket", "Listen": "1 (Stream)\n2 (Stream)"},
        {"Id": "b.socket", "Result": ""},
    ]


def test_of_no_unit_nothing_is_read() -> None:
    assert list(parse_show("")) == []
