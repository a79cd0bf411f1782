# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest

from socketgate.xinetd import load_configuration
from socketgate.xinetdplan import Imported, Left, import_services

#: What every service here has, unless a test says otherwise.
USUAL = {
    "port": "23",
    "socket_type": "stream",
    "wait": "no",
    "server": "/usr/sbin/in.x",
    "user": "x",
}


def block(name: str = "x", **attributes: str) -> str:
    lines = [f"{key} = {value}" for key, value in (USUAL | attributes).items() if value]
    return "\n".join([f"service {name}", "{", *lines, "}", ""])


def imported(tmp_path: Path, *blocks: str) -> list[Imported | Left]:
    file = tmp_path / "conf"
    file.write_text("".join(blocks))
    return import_services(load_configuration([file]).services)


def behind_the_gate(tmp_path: Path, **attributes: str) -> Imported:
    (one,) = imported(tmp_path, block(**attributes))
    assert isinstance(one, Imported), one
    return one


def lines_of(one: Imported, suffix: str) -> list[str]:
    (text,) = [file.text for file in one.files if file.path.endswith(suffix)]
    return text.splitlines()


def test_the_program_is_started_for_each_client(tmp_path: Path) -> None:
    one = behind_the_gate(tmp_path, server_args="-a -b")
    command = "ExecStart=-/usr/bin/socketgate exec -- /usr/sbin/in.x -a -b"
    assert command in lines_of(one, "/in.x-gated@.service")


@pytest.mark.parametrize(
    ("attributes", "address"),
    [
        pytest.param({}, "23", id="both-families-by-default"),
        pytest.param({"flags": "IPv6"}, "23", id="both-families"),
        pytest.param({"flags": "IPv4"}, "0.0.0.0:23", id="ipv4"),
        pytest.param({"v6only": "yes"}, "[::]:23", id="ipv6"),
        pytest.param({"bind": "192.0.2.1"}, "192.0.2.1:23", id="one-address"),
        pytest.param({"interface": "192.0.2.1"}, "192.0.2.1:23", id="by-its-other-name"),
        pytest.param({"bind": "2001:db8::1"}, "[2001:db8::1]:23", id="an-ipv6-address"),
    ],
)
def test_it_listens_where_xinetd_did(
    tmp_path: Path, attributes: dict[str, str], address: str
) -> None:
    one = behind_the_gate(tmp_path, **attributes)
    assert f"ListenStream={address}" in lines_of(one, "/listen.conf")


def test_the_port_is_the_services(tmp_path: Path) -> None:
    (one,) = imported(tmp_path, block("ssh", port=""))
    assert isinstance(one, Imported)
    assert one.plan.listens[0].text == "22"


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        pytest.param({}, "in.x", id="the-programs"),
        pytest.param({"libwrap": "telnetd"}, "telnetd", id="as-said"),
        pytest.param(
            {"flags": "NAMEINARGS", "server": "/usr/sbin/tcpd", "server_args": "in.y -a"},
            "in.y",
            id="the-program-behind-tcpd",
        ),
    ],
)
def test_its_name_in_the_rules_is_the_one_that_libwrap_was_told(
    tmp_path: Path, attributes: dict[str, str], name: str
) -> None:
    assert behind_the_gate(tmp_path, **attributes).plan.name == name


def test_tcpd_is_left_out(tmp_path: Path) -> None:
    one = behind_the_gate(
        tmp_path, flags="NAMEINARGS", server="/usr/sbin/tcpd", server_args="in.y -a"
    )
    assert one.plan.words == ("/usr/sbin/in.y", "-a")


def test_a_second_service_of_a_program_has_its_id_as_name(tmp_path: Path) -> None:
    found = imported(tmp_path, block(), block("y", port="24"))
    assert [one.plan.name for one in found if isinstance(one, Imported)] == ["in.x", "y"]


def test_that_its_name_is_another_is_said(tmp_path: Path) -> None:
    _, second = imported(tmp_path, block(), block("y", port="24"))
    assert isinstance(second, Imported)
    assert any("where rules say in.x, add y" in remark for remark in second.remarks)


def test_root_needs_no_user(tmp_path: Path) -> None:
    assert behind_the_gate(tmp_path, user="root").plan.user == ""


@pytest.mark.parametrize(
    ("attribute", "value", "line"),
    [
        ("group", "tty", "Group=tty"),
        ("nice", "5", "Nice=5"),
        ("umask", "027", "UMask=027"),
        ("env", "A=B$c%d", "Environment=A=B$c%%d"),
        ("rlimit_as", "8M", "LimitAS=8M"),
        ("rlimit_files", "UNLIMITED", "LimitNOFILE=infinity"),
    ],
)
def test_what_a_unit_can_do_stands_in_a_drop_in(
    tmp_path: Path, attribute: str, value: str, line: str
) -> None:
    one = behind_the_gate(tmp_path, **{attribute: value})
    assert line in lines_of(one, "/in.x-gated@.service.d/xinetd.conf")


def test_flags_of_the_socket_stand_in_a_drop_in(tmp_path: Path) -> None:
    one = behind_the_gate(tmp_path, flags="KEEPALIVE NODELAY REUSE")
    assert lines_of(one, "/socketgate@in.x.socket.d/xinetd.conf") == [
        "[Socket]",
        "KeepAlive=yes",
        "NoDelay=yes",
    ]


def test_only_ipv6_stands_in_a_drop_in(tmp_path: Path) -> None:
    one = behind_the_gate(tmp_path, v6only="yes")
    lines = lines_of(one, "/socketgate@in.x.socket.d/xinetd.conf")
    assert lines == ["[Socket]", "BindIPv6Only=ipv6-only"]


def test_only_from_refuses_the_others(tmp_path: Path) -> None:
    one = behind_the_gate(tmp_path, only_from="192.0.2.0")
    assert one.rules.lines == ("in.x: ALL EXCEPT 192.0.2.0/24: deny",)


def test_without_libwrap_no_other_rule_counts(tmp_path: Path) -> None:
    one = behind_the_gate(tmp_path, no_access="192.0.2.7", flags="NOLIBWRAP")
    assert one.rules.lines == ("in.x: 192.0.2.7: deny", "in.x: ALL: allow")


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("access_times", "08:00-17:00"),
        ("cps", "10 30"),
        ("instances", "5"),
        ("flags", "IDONLY"),
        ("groups", "no"),
        ("per_source", "10"),
        ("log_on_failure", "USERID"),
        ("novelty", "1"),
    ],
)
def test_what_has_no_counterpart_is_said_with_file_and_line(
    tmp_path: Path, attribute: str, value: str
) -> None:
    one = behind_the_gate(tmp_path, **{attribute: value})
    (remark,) = one.remarks
    assert remark.startswith(f"{tmp_path}/conf:8: {attribute} = {value}: ")


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("instances", "UNLIMITED"), ("per_source", "UNLIMITED"), ("groups", "yes"), ("mdns", "no")],
)
def test_what_asks_for_nothing_is_no_remark(tmp_path: Path, attribute: str, value: str) -> None:
    assert behind_the_gate(tmp_path, **{attribute: value}).remarks == ()


def test_what_was_passed_over_is_remarked(tmp_path: Path) -> None:
    (remark,) = behind_the_gate(tmp_path, bind="::1", interface="::2").remarks
    assert "it is set already" in remark


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        pytest.param({"disable": "yes"}, "disable = yes: it is disabled", id="disabled"),
        pytest.param({"type": "INTERNAL"}, "type = INTERNAL: only a program", id="internal"),
        pytest.param({"wait": "yes"}, "wait = yes: the program takes", id="takes-the-socket"),
        pytest.param({"redirect": "10.0.0.1 80"}, "redirect = 10.0.0.1 80: a gate", id="relay"),
        pytest.param({"protocol": "udp"}, "protocol = udp: only TCP", id="udp"),
        pytest.param({"only_from": "1.2.3.400"}, "only_from: '1.2.3.400' is no", id="address"),
        pytest.param({"bind": "eth0.example"}, "a socket unit takes no names", id="bind-by-name"),
        pytest.param({"user": "nobody"}, "and write: user = in.x", id="nobody"),
        pytest.param({"flags": "SENSOR"}, "flags = SENSOR: no sensors", id="sensor"),
        pytest.param({"flags": "NOVEL"}, "flags = NOVEL: there is no such flag", id="bad-flag"),
        pytest.param({"disable": "YES"}, "disable = YES: it is disabled", id="in-capitals"),
        pytest.param({"disable": "maybe"}, "disable is yes or no", id="no-boolean"),
        pytest.param({"wait": ""}, "without wait xinetd doesn't", id="without-wait"),
        pytest.param({"user": ""}, "without user xinetd doesn't", id="without-user"),
        pytest.param({"socket_type": ""}, "without socket_type and protocol", id="without-type"),
        pytest.param({"port": "65536"}, "port = 65536: write a number", id="port"),
        pytest.param({"flags": "NAMEINARGS"}, "NAMEINARGS without server_args", id="no-name"),
    ],
)
def test_what_cannot_be_behind_a_gate_is_left_and_said(
    tmp_path: Path, attributes: dict[str, str], reason: str
) -> None:
    (one,) = imported(tmp_path, block(**attributes))
    assert isinstance(one, Left)
    assert reason in one.reason


@pytest.mark.parametrize(
    ("changed", "line"), [({"server": ""}, 1), ({"user": "nobody"}, 7), ({"port": "x"}, 3)]
)
def test_a_service_that_is_left_is_left_by_file_and_line(
    tmp_path: Path, changed: dict[str, str], line: int
) -> None:
    (one,) = imported(tmp_path, block(**changed))
    assert isinstance(one, Left)
    assert one.reason.startswith(f"{tmp_path}/conf:{line}: ")


def test_a_service_without_a_port_that_nobody_knows_is_left(tmp_path: Path) -> None:
    (one,) = imported(tmp_path, block("no-such-service", port=""))
    assert isinstance(one, Left)
    assert "services(5) knows no no-such-service" in one.reason


def test_others_are_imported_all_the_same(tmp_path: Path) -> None:
    found = imported(tmp_path, block(disable="yes"), block("y"))
    assert [type(one) for one in found] == [Left, Imported]
