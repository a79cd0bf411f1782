# SPDX-License-Identifier: MIT
import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from socketgate import answers
from socketgate.bans import parse_net
from socketgate.cli.banarguments import (
    DEFAULT_STORE,
    GATES,
    daemon_name,
    duration,
    nets,
    no_session_of_ours,
    not_there,
    one_line,
    settings,
    word,
)
from socketgate.config import BansConfig
from socketgate.errors import ConfigError
from tests.support.waiting import environment


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("10m", 600), ("12h", 43200), ("7d", 604800), ("2w", 1209600)],
)
def test_a_time_has_a_unit_or_is_in_seconds(text: str, seconds: int) -> None:
    assert duration(text) == seconds


def test_minus_one_is_for_ever_as_in_fail2ban() -> None:
    assert duration("-1") is None


@pytest.mark.parametrize("text", ["", "0", "-2", "1.5h", "10 m", "10M", "1y", "9999999999", "१"])
def test_what_is_no_time_is_an_error(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="write a time"):
        duration(text)


def test_a_reason_is_one_printable_line_of_some_length() -> None:
    assert one_line(" a\tb\nc\x1b[2J" + "x" * 500) == ("a b c [2J" + "x" * 500)[:199]


@pytest.mark.parametrize("text", ["fail2ban", "fail2ban:sshd", "a@b.c"])
def test_an_origin_is_a_word(text: str) -> None:
    assert word(text) == text


@pytest.mark.parametrize("text", ["", "-x", "a b", "x" * 65, "a\tb"])
def test_what_is_no_word_is_no_origin(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="write one word"):
        word(text)


@pytest.mark.parametrize(("text", "name"), [("sshd", "sshd"), ("all", "ALL"), ("ALL", "ALL")])
def test_a_daemon_is_a_name_or_all(text: str, name: str) -> None:
    assert daemon_name(text) == name


@pytest.mark.parametrize("text", ["", "a:b", "a b", ".a", "a/b", "x" * 256, "a@b", "a,b", "known"])
def test_what_no_socket_can_be_called_is_no_daemon(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="can't be the name"):
        daemon_name(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [("[2001:db8::7]", "2001:db8::7"), ("[2001:db8::]/32", "2001:db8::/32")],
)
def test_ipv6_may_be_written_as_in_the_rules(text: str, name: str) -> None:
    assert [net.name for net in nets([text], None)] == [name]


@pytest.mark.parametrize(
    "text", ["[2001:db8::7", "2001:db8::7]", "[2001:db8::/32]", "[[::1]]", "[]"]
)
def test_brackets_stand_on_both_sides_of_the_address(text: str) -> None:
    with pytest.raises(ConfigError, match="is no IPv4 or IPv6 address"):
        nets([text], None)


def test_what_is_no_net_is_an_error_for_the_admin() -> None:
    with pytest.raises(ConfigError, match=r"'host\.example' is no IPv4 or IPv6 address"):
        nets(["192.0.2.7", "host.example"], 128)


@pytest.mark.parametrize("connection", ["192.0.2.7 1 2 3", "::ffff:192.0.2.7 1 2 3"])
def test_nobody_bans_himself_by_mistake(connection: str) -> None:
    with (
        environment(SSH_CONNECTION=connection),
        pytest.raises(ConfigError, match="you are connected from"),
    ):
        no_session_of_ours([parse_net("192.0.2.0/24")])


@pytest.mark.parametrize("connection", [None, "", "192.0.3.7 1 2 3", "UNKNOWN 1 2 3"])
def test_others_can_be_banned(connection: str | None) -> None:
    with environment(SSH_CONNECTION=connection):
        no_session_of_ours([parse_net("192.0.2.0/24")])


@pytest.mark.parametrize(
    "taken_away", ["env -u SSH_CONNECTION", "sh -c 'unset SSH_CONNECTION; \"$@\"; true' sh"]
)
def test_who_became_root_by_sudo_is_known_by_his_session(taken_away: str) -> None:
    program = "from socketgate.cli.banarguments import own_address as own; print(own())"
    with environment(SSH_CONNECTION="192.0.2.7 1 2 3", PROGRAM=program, PYTHON=sys.executable):
        shown = subprocess.run(
            ["sh", "-c", f'{taken_away} "$PYTHON" -c "$PROGRAM"; true'],
            capture_output=True,
            text=True,
            check=True,
        )
    assert shown.stdout == "192.0.2.7\n"


def test_a_daemon_that_no_socket_is_called_is_told(tmp_path: Path) -> None:
    assert "no socket is called shd" in not_there("shd", tmp_path)


@pytest.mark.parametrize("daemon", ["ALL", "sshd"])
def test_a_daemon_whose_gate_runs_is_no_mistake(tmp_path: Path, daemon: str) -> None:
    (tmp_path / "sshd").mkdir()
    assert not_there(daemon, tmp_path) == ""


def test_the_gates_are_where_they_have_their_folders() -> None:
    assert answers.GATES == GATES


def test_the_default_is_that_of_the_configuration() -> None:
    """It is written here once more, so that `ban` needs not import it."""
    assert BansConfig().store == DEFAULT_STORE


def test_a_configuration_that_is_not_there_is_no_other_store(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"x\.toml: can't be read"):
        settings(tmp_path / "x.toml")


def test_a_file_that_gates_pass_over_says_nothing_of_bans(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("")
    (tmp_path / "x.d").mkdir()
    (tmp_path / "x.d" / ".y.toml").write_text('[bans]\nstore = "/elsewhere/bans"\n')
    assert settings(tmp_path / "x.toml") == (DEFAULT_STORE, ())


def test_the_configurations_parts_count_together(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('[bans]\nnever-ban = ["192.0.2.0/24"]\n')
    (tmp_path / "x.d").mkdir()
    (tmp_path / "x.d" / "y.toml").write_text('[bans]\nstore = "/elsewhere/bans"\n')
    spared = (parse_net("192.0.2.0/24"),)
    assert settings(tmp_path / "x.toml") == (Path("/elsewhere/bans"), spared)


def test_a_configuration_that_says_nothing_of_bans_has_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("[rules]\n")
    assert settings(tmp_path / "x.toml") == (DEFAULT_STORE, ())


def test_a_mistake_in_the_configuration_is_said_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('\n[bans]\nnever-ban = ["192.0.2"]\n')
    with pytest.raises(ConfigError, match=r"x\.toml:3: bans\.never-ban must be"):
        settings(tmp_path / "x.toml")


def test_ban_imports_nothing_that_takes_long() -> None:
    program = "import sys, socketgate.cli.ban; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    loaded = set(shown.stdout.decode().split())
    heavy = {"dataclasses", "inspect", "asyncio", "json", "tomllib", "logging"}
    assert loaded & (heavy | {"socketgate.config", "socketgate.cli.output"}) == set()
