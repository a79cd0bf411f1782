# SPDX-License-Identifier: MIT
import configparser
import tomllib

import pytest

from socketgate.unitcheck import parse_listens
from socketgate.unitfile import Plan, Way, possible_paths, quote, render
from socketgate.unitprograms import PROGRAMS, Program, Setting

UNITS = "/etc/systemd/system"
SETTINGS = "/etc/socketgate/socketgate.d"


def plan(
    name: str = "echod",
    *listens: str,
    way: Way = Way.EACH,
    words: tuple[str, ...] = ("/bin/cat",),
    program: Program | None = None,
    user: str = "",
    backends: tuple[str, ...] = (),
    handoff: str = "channel",
    systemd_version: int | None = 252,
) -> Plan:
    return Plan(
        name=name,
        listens=parse_listens(listens or ("7",)),
        way=way,
        words=words,
        program=program or Program(),
        user=user,
        backends=backends,
        handoff=handoff,
        systemd_version=systemd_version,
    )


def texts(wanted: Plan) -> dict[str, str]:
    return {file.path: file.text for file in render(wanted)}


def settings(text: str, section: str) -> dict[str, str]:
    """A section's settings; a key that stands twice is an error."""
    parser = configparser.RawConfigParser(delimiters="=", comment_prefixes="#")
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys are case-sensitive
    parser.read_string(text)
    return dict(parser[section])


def toml(text: str) -> object:
    return tomllib.loads(text)


def test_a_unit_for_each_client_is_four_files() -> None:
    assert list(texts(plan())) == [
        f"{UNITS}/socketgate@echod.socket.d/listen.conf",
        f"{UNITS}/echod-gated.socket",
        f"{UNITS}/echod-gated@.service",
        f"{SETTINGS}/echod.toml",
    ]


def test_a_resident_program_is_three_files() -> None:
    assert list(texts(plan(way=Way.RESIDENT))) == [
        f"{UNITS}/socketgate@echod.socket.d/listen.conf",
        f"{UNITS}/echod-gated.socket",
        f"{UNITS}/echod-gated.service",
    ]


def test_a_program_that_listens_at_the_usual_path_is_one_file() -> None:
    wanted = plan(way=Way.ITSELF, backends=("/run/socketgate/backend/echod.sock",))
    assert list(texts(wanted)) == [f"{UNITS}/socketgate@echod.socket.d/listen.conf"]


@pytest.mark.parametrize("way", Way)
def test_what_is_removed_covers_what_is_written(way: Way) -> None:
    wanted = plan(way=way, backends=("/run/x",), systemd_version=None)
    assert set(texts(wanted)) <= set(possible_paths("echod"))


def test_the_gate_listens_where_it_was_told_to() -> None:
    text = texts(plan("echod", "7", "/run/echo", "/run/100%"))[
        f"{UNITS}/socketgate@echod.socket.d/listen.conf"
    ]
    assert text.splitlines() == [
        "[Socket]",
        "ListenStream=7",
        "ListenStream=/run/echo",
        "ListenStream=/run/100%%",
    ]


def test_ipv6_leaves_ipv4_its_own_address() -> None:
    text = texts(plan("echod", "0.0.0.0:7", "[::]:7"))[
        f"{UNITS}/socketgate@echod.socket.d/listen.conf"
    ]
    assert "BindIPv6Only=ipv6-only" in text.splitlines()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ListenSequentialPacket", "/run/socketgate/backend/echod.sock"),
        ("Accept", "yes"),
        ("MaxConnections", "4096"),
        ("TriggerLimitIntervalSec", "0"),
        ("SocketMode", "0660"),
        ("SocketGroup", "socketgate"),
    ],
)
def test_the_backends_socket_takes_what_comes_from_the_gate_alone(key: str, value: str) -> None:
    text = texts(plan())[f"{UNITS}/echod-gated.socket"]
    assert settings(text, "Socket")[key] == value


def test_a_resident_backend_accepts_by_itself() -> None:
    text = texts(plan(way=Way.RESIDENT))[f"{UNITS}/echod-gated.socket"]
    assert "Accept" not in settings(text, "Socket")


@pytest.mark.parametrize(
    ("version", "is_there"), [(252, False), (254, False), (255, True), (262, True), (None, True)]
)
def test_the_poll_limit_is_lifted_where_there_is_one(version: int | None, is_there: bool) -> None:
    path = f"{UNITS}/echod-gated.socket.d/systemd-255.conf"
    assert (path in texts(plan(systemd_version=version))) is is_there


@pytest.mark.parametrize(
    ("way", "unit", "command"),
    [
        (Way.EACH, "echod-gated@.service", "-/usr/bin/socketgate exec -- /bin/cat -u"),
        (Way.RESIDENT, "echod-gated.service", "/usr/bin/socketgate launch -- /bin/cat -u"),
    ],
)
def test_the_program_is_started_with_its_arguments(way: Way, unit: str, command: str) -> None:
    text = texts(plan(way=way, words=("/bin/cat", "-u")))[f"{UNITS}/{unit}"]
    assert settings(text, "Service")["ExecStart"] == command


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Type", "notify"),
        ("KillMode", "process"),
        ("Restart", "on-failure"),
        ("RestartSec", "250ms"),
    ],
)
def test_a_resident_launcher_comes_back_and_leaves_its_programs_alone(key: str, value: str) -> None:
    text = texts(plan(way=Way.RESIDENT))[f"{UNITS}/echod-gated.service"]
    assert settings(text, "Service")[key] == value


def test_a_resident_launcher_has_no_start_limit() -> None:
    text = texts(plan(way=Way.RESIDENT))[f"{UNITS}/echod-gated.service"]
    assert settings(text, "Unit")["StartLimitIntervalSec"] == "0"


@pytest.mark.parametrize("way", [Way.EACH, Way.RESIDENT])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_gets_what_it_needs(way: Way, name: str) -> None:
    unit = f"{name}-gated{'@' if way is Way.EACH else ''}.service"
    text = texts(plan(name, way=way, program=PROGRAMS[name]))[f"{UNITS}/{unit}"]
    needed = {setting.line for setting in PROGRAMS[name].service}
    assert needed <= {f"{key}={value}" for key, value in settings(text, "Service").items()}


def test_a_setting_that_both_want_stands_once() -> None:
    program = Program(service=(Setting("KillMode=process"), Setting("OOMPolicy=stop")))
    text = texts(plan(way=Way.RESIDENT, program=program))[f"{UNITS}/echod-gated.service"]
    assert settings(text, "Service")["OOMPolicy"] == "continue"


@pytest.mark.parametrize(
    ("way", "unit"),
    [(Way.EACH, "echod-gated@.service"), (Way.RESIDENT, "echod-gated.service")],
)
def test_the_program_runs_as_the_user_named(way: Way, unit: str) -> None:
    text = texts(plan(way=way, user="daemon"))[f"{UNITS}/{unit}"]
    assert settings(text, "Service")["User"] == "daemon"


@pytest.mark.parametrize(
    ("wanted", "values"),
    [
        pytest.param(plan(), {"handoff": "connection"}, id="a-unit-for-each"),
        pytest.param(
            plan(way=Way.ITSELF, backends=("/run/x",)), {"backend": "/run/x"}, id="another-path"
        ),
        pytest.param(
            plan(way=Way.ITSELF, backends=("/run/x", '/run/"ü')),
            {"backend": ["/run/x", '/run/"ü']},
            id="two-paths",
        ),
        pytest.param(
            plan(way=Way.ITSELF, backends=("/run/x",), handoff="connection", user="www-data"),
            {"backend": "/run/x", "handoff": "connection", "backend-users": ["www-data"]},
            id="everything",
        ),
    ],
)
def test_the_gate_is_told_what_is_not_its_default(wanted: Plan, values: dict[str, object]) -> None:
    text = texts(wanted)[f"{SETTINGS}/echod.toml"]
    assert toml(text) == {"daemon": {"echod": values}}


def test_a_name_with_a_dot_is_one_key() -> None:
    text = texts(plan("in.ftpd"))[f"{SETTINGS}/in.ftpd.toml"]
    assert toml(text) == {"daemon": {"in.ftpd": {"handoff": "connection"}}}


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("-olisten=NO", "-olisten=NO"),
        ("", '""'),
        ("a b", '"a b"'),
        ("100%", "100%%"),
        ("%i", "%%i"),
        ("$HOME", "$$HOME"),
        ("${HOME} x", '"$${HOME} x"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("it's", '"it\'s"'),
        ("back\\slash", '"back\\\\slash"'),
        (";", '";"'),
        ("a\nb\t", '"a\\x0ab\\x09"'),
        ("ü", '"ü"'),
        ("#", '"#"'),
    ],
)
def test_a_word_is_quoted_where_systemd_would_read_more_in_it(word: str, quoted: str) -> None:
    assert quote(word) == quoted
