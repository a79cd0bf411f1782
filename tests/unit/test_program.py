# SPDX-License-Identifier: MIT
"""What a program is started with, from the lines of a handoff."""

import contextlib
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from socketgate.program import (
    Attributes,
    CannotStart,
    attributes_for,
    environment_for,
    find_program,
    own_environment,
    parse_fields,
)

PROJECT = Path(__file__).parents[2]
SAY_ENVIRONMENT = "from socketgate.program import own_environment; print(own_environment())"


def attributes(text: bytes) -> Attributes:
    return attributes_for(parse_fields(text))


def test_a_program_sees_both_ends_by_the_names_of_systemd_and_ucspi() -> None:
    fields = parse_fields(
        b"REMOTE_ADDR=192.0.2.1\nREMOTE_PORT=9\nLOCAL_ADDR=192.0.2.2\nLOCAL_PORT=22\n"
        b"REMOTE_HOST=a.example\nREMOTE_USER=bob\n"
    )
    assert environment_for(fields, {}) == {
        b"REMOTE_ADDR": b"192.0.2.1",
        b"REMOTE_PORT": b"9",
        b"REMOTE_HOST": b"a.example",
        b"TCPREMOTEIP": b"192.0.2.1",
        b"TCPREMOTEPORT": b"9",
        b"TCPREMOTEHOST": b"a.example",
        b"TCPREMOTEINFO": b"bob",
        b"TCPLOCALIP": b"192.0.2.2",
        b"TCPLOCALPORT": b"22",
        b"PROTO": b"TCP",
    }


def test_a_client_without_an_address_sets_nothing() -> None:
    assert environment_for(parse_fields(b"DAEMON=x\n"), {}) == {}


def test_a_mapped_address_is_shown_as_ipv4() -> None:
    found = environment_for(parse_fields(b"REMOTE_ADDR=::ffff:192.0.2.1\n"), {})
    assert found[b"REMOTE_ADDR"] == b"192.0.2.1"


def test_setenv_has_the_last_word() -> None:
    fields = parse_fields(b"SETENV=REMOTE_ADDR=x=y\nREMOTE_ADDR=192.0.2.1\n")
    assert environment_for(fields, {})[b"REMOTE_ADDR"] == b"x=y"


def test_setenv_may_set_an_empty_value() -> None:
    assert environment_for(parse_fields(b"SETENV=A=\n"), {b"A": b"1"}) == {b"A": b""}


@pytest.mark.parametrize("line", [b"SETENV=A\n", b"SETENV==x\n"])
def test_setenv_without_a_name_starts_nothing(line: bytes) -> None:
    with pytest.raises(CannotStart, match="setenv without a name"):
        environment_for(parse_fields(line), {})


def test_a_nul_starts_nothing() -> None:
    with pytest.raises(CannotStart, match="a NUL in 'SETENV'"):
        environment_for(parse_fields(b"SETENV=A=x\0y\n"), {})


def own_environment_of(given: dict[str, str]) -> str:
    return subprocess.run(
        [sys.executable, "-S", "-c", SAY_ENVIRONMENT],
        env=given,
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def test_what_systemd_passed_to_us_is_not_the_programs() -> None:
    given = {"LISTEN_FDS": "1", "LISTEN_PID": "1", "REMOTE_ADDR": "/run/x", "LC_ALL": "C", "A": "b"}
    assert own_environment_of(given) == "{b'LC_ALL': b'C', b'A': b'b'}"


def test_what_the_interpreter_adds_to_the_environment_is_not_the_programs() -> None:
    assert own_environment_of({"A": "b"}) == "{b'A': b'b'}"


def test_a_locale_that_was_given_stays() -> None:
    assert own_environment_of({"LC_CTYPE": "C.UTF-8"}) == "{b'LC_CTYPE': b'C.UTF-8'}"


def test_the_environment_is_a_copy() -> None:
    own_environment()[b"ONLY_IN_THE_COPY"] = b""
    assert b"ONLY_IN_THE_COPY" not in os.environb


def test_without_options_nothing_changes() -> None:
    found = attributes(b"DAEMON=x\n")
    assert (found.umask, found.nice, found.gid, found.uid) == (None, 0, None, None)


def test_a_umask_is_octal() -> None:
    assert attributes(b"UMASK=0027").umask == 0o27


def test_several_nice_options_add_up() -> None:
    assert attributes(b"NICE=5\nNICE=-2\n").nice == 3


@pytest.mark.parametrize(("increment", "step"), [(b"99999999999", 39), (b"-99999999999", -39)])
def test_a_nice_option_beyond_the_range_goes_to_its_end(increment: bytes, step: int) -> None:
    assert attributes(b"NICE=" + increment).nice == step


def test_a_user_brings_its_groups() -> None:
    account = pwd.getpwnam("nobody")
    found = attributes(b"USER=nobody")
    groups = tuple(os.getgrouplist("nobody", account.pw_gid))
    assert (found.uid, found.gid, found.groups) == (account.pw_uid, account.pw_gid, groups)


def test_a_group_beside_the_user_is_the_main_one() -> None:
    found = attributes(b"GROUP=daemon\nUSER=nobody")
    assert (found.gid, found.uid) == (1, pwd.getpwnam("nobody").pw_uid)


def test_a_group_alone_is_the_only_one() -> None:
    found = attributes(b"GROUP=daemon")
    assert (found.gid, found.groups, found.uid) == (1, (1,), None)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(b"USER=no-such-user", "unknown user: 'no-such-user'", id="user"),
        pytest.param(b"USER=0", "unknown user: '0'", id="user-as-number"),
        pytest.param(b"GROUP=no-such-group", "unknown group: 'no-such-group'", id="group"),
        pytest.param(b"UMASK=8", "bad umask: '8'", id="umask-not-octal"),
        pytest.param(b"UMASK=1000", "bad umask: '1000'", id="umask-too-large"),
        pytest.param(b"NICE=x", "bad nice: 'x'", id="nice"),
    ],
)
def test_an_option_that_cannot_be_applied_starts_nothing(line: bytes, reason: str) -> None:
    with pytest.raises(CannotStart, match=f"^{reason}$"):
        attributes(line)


def test_a_program_is_found_along_the_path(tmp_path: Path) -> None:
    (tmp_path / "prog").touch(mode=0o755)
    path = f"/nonexistent:{tmp_path}".encode()
    assert find_program(b"prog", path) == bytes(tmp_path / "prog")


def test_an_empty_word_of_the_path_is_the_folder_we_are_in(tmp_path: Path) -> None:
    """exec(3). Its name has a slash, so that nobody looks for it along the path again."""
    (tmp_path / "prog").touch(mode=0o755)
    with contextlib.chdir(tmp_path):
        assert find_program(b"prog", b"/nonexistent:") == b"./prog"


@pytest.mark.parametrize("name", ["absent", "folder", "text"])
def test_what_cannot_be_executed_is_no_program(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").touch(mode=0o644)
    with pytest.raises(CannotStart, match="no such program"):
        find_program(name.encode(), bytes(tmp_path))
