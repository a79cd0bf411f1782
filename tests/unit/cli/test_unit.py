# SPDX-License-Identifier: MIT
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from socketgate.cli import main
from socketgate.cli.unit import what_is_missing
from socketgate.unitcheck import parse_listens
from socketgate.unitfile import Plan

PROJECT = Path(__file__).resolve().parents[3]
#: The verb as a user without rights; imported before, since that user may not see the project.
AS_NOBODY = """
import os, sys
import socketgate.cli.unit
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
sys.exit(socketgate.cli.main(sys.argv[1:]))
"""

SSHD = ["--", "/usr/sbin/sshd", "-i"]

#: An example in the documentation: the command after a dollar sign, then what it prints.
EXAMPLE = re.compile(r"^```console\n\$ socketgate (unit .*?)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
EXAMPLES = EXAMPLE.findall((PROJECT / "docs/units.md").read_text())


@pytest.mark.parametrize("program", ["sshd", "vsftpd", "rsync"])
def test_the_documentation_has_an_example_of_each_program(program: str) -> None:
    assert any(shlex.split(command)[1] == program for command, _ in EXAMPLES)


@pytest.mark.parametrize(("command", "shown"), EXAMPLES)
def test_the_documentation_shows_what_is_printed(
    command: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    verb, name, *words = shlex.split(command)
    assert main([verb, name, "--systemd-version=252", *words]) == 0
    assert capsys.readouterr().out == shown


def test_a_file_is_shown_under_its_path(capsys: pytest.CaptureFixture[str]) -> None:
    main(["unit", "sshd", "--listen=22", *SSHD])
    lines = capsys.readouterr().out.splitlines()
    where = lines.index("# /etc/systemd/system/socketgate@sshd.socket.d/listen.conf")
    assert lines[where + 1 : where + 3] == ["[Socket]", "ListenStream=22"]


def test_notes_are_comments_above_everything(capsys: pytest.CaptureFixture[str]) -> None:
    main(["unit", "sshd", "--listen=22", *SSHD])
    above = capsys.readouterr().out.partition("# /etc/")[0]
    assert "MaxStartups" in above
    assert all(line.startswith("#") for line in above.splitlines() if line)


@pytest.mark.parametrize(
    ("address", "is_told"), [("22", True), ("192.0.2.1:22", True), ("2222", False), ("/ssh", False)]
)
def test_who_has_the_port_must_leave_it_only_where_the_gate_wants_it(
    address: str, is_told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["unit", "sshd", f"--listen={address}", *SSHD])
    assert ("has to leave it first" in capsys.readouterr().out) is is_told


def missing(*, words: tuple[str, ...] = (), user: str = "") -> list[str]:
    listens = parse_listens(["7000"])
    return list(what_is_missing(Plan(name="x", listens=listens, words=words, user=user)))


def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "text").touch(mode=0o644)
    for path in (tmp_path / "gone", tmp_path / "text"):
        assert missing(words=(str(path),)) == [
            f"{path} isn't there, or may not be executed: no client can be served."
        ]


def test_a_user_that_does_not_exist_is_said() -> None:
    assert missing(user="no-such-user") == [
        "There is no user no-such-user: no client can be served."
    ]


def test_of_what_is_there_nothing_is_said() -> None:
    assert missing(words=("/bin/sh", "-i"), user="root") == missing(user="4711") == []


def test_json_has_the_files(capsys: pytest.CaptureFixture[str]) -> None:
    main(["unit", "sshd", "--listen=22", "--json", "--systemd-version=252", *SSHD])
    files = json.loads(capsys.readouterr().out)["files"]
    assert files[0] == {
        "path": "/etc/systemd/system/socketgate@sshd.socket.d/listen.conf",
        "text": "[Socket]\nListenStream=22\n",
    }


def test_arguments_of_the_program_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    main(["unit", "echod", "--listen=7", "--", "/bin/cat", "--listen", "--", "--json"])
    command = "ExecStart=-/usr/bin/socketgate exec -- /bin/cat --listen -- --json"
    assert command in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("option", ["--resident", "--launch"])
def test_a_resident_program_has_one_service(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["unit", "sshd", "--listen=22", option, *SSHD])
    assert "# /etc/systemd/system/sshd-gated.service" in capsys.readouterr().out.splitlines()


def test_a_backend_of_its_own_needs_no_program(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["unit", "webd", "--listen=80", "--backend=/run/web/gate.sock", "--user=www-data"])
    assert code == 0
    assert 'backend = "/run/web/gate.sock"' in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["a:b", "--listen=22", *SSHD], "name 'a:b'", id="name"),
        pytest.param(["sshd", *SSHD], "--listen", id="no-address"),
        pytest.param(["sshd", "--listen=ssh", *SSHD], "--listen ssh", id="address"),
        pytest.param(["sshd", "--listen=22"], "no program", id="no-program"),
        pytest.param(["sshd", "--listen=22", "--", "sshd"], "absolute", id="relative-program"),
        pytest.param(["sshd", "--listen=22", "--", "/usr/sbin/sshd"], "add -i", id="listens"),
        pytest.param(["sshd", "--listen=22", "--user=a b", *SSHD], "user 'a b'", id="user"),
        pytest.param(["sshd", "--listen=22", "--backend=x"], "path 'x'", id="backend"),
        pytest.param(
            ["sshd", "--listen=22", "--backend=/x", *SSHD], "no PROGRAM", id="backend-and-program"
        ),
        pytest.param(
            ["sshd", "--listen=22", "--backend=/x", "--resident"],
            "exclude each other",
            id="backend-and-resident",
        ),
        pytest.param(
            ["sshd", "--listen=22", "--handoff=channel", *SSHD], "--handoff", id="handoff"
        ),
        pytest.param(["sshd", "--remove", *SSHD], "nothing else", id="remove-and-program"),
        pytest.param(
            ["sshd", "--listen=22", "--root=/nowhere", *SSHD], "/nowhere", id="no-such-root"
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["unit", *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_install_writes_below_the_root(tmp_path: Path) -> None:
    main(["unit", "sshd", "--listen=22", "--install", f"--root={tmp_path}", *SSHD])
    listen = tmp_path / "etc/systemd/system/socketgate@sshd.socket.d/listen.conf"
    assert listen.read_text().endswith("\n[Socket]\nListenStream=22\n")


def test_install_says_the_next_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["unit", "sshd", "--listen=22", "--install", f"--root={tmp_path}", *SSHD])
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"Next: systemctl --root={tmp_path} enable socketgate@sshd.socket"


def test_an_old_systemd_is_made_ready_for_its_upgrade(tmp_path: Path) -> None:
    library = tmp_path / "usr/lib/systemd/libsystemd-shared-252.so"
    library.parent.mkdir(parents=True)
    library.touch()
    main(["unit", "sshd", "--listen=22", "--install", f"--root={tmp_path}", *SSHD])
    assert (tmp_path / "etc/systemd/system/sshd-gated.socket.d/systemd-255.conf").exists()


def test_another_way_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    main(["unit", "sshd", "--listen=22", "--install", f"--root={tmp_path}", *SSHD])
    main(["unit", "sshd", "--listen=22", "--launch", "--install", f"--root={tmp_path}", *SSHD])
    names = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert names == ["listen.conf", "sshd-gated.service", "sshd-gated.socket"]


def test_remove_leaves_no_file(tmp_path: Path) -> None:
    main(["unit", "sshd", "--listen=22", "--install", f"--root={tmp_path}", *SSHD])
    assert main(["unit", "sshd", "--remove", f"--root={tmp_path}"]) == 0
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_remove_of_nothing_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["unit", "sshd", "--remove", f"--root={tmp_path}"]) == 1
    assert "nothing of sshd is installed" in capsys.readouterr().err


def test_a_changed_file_is_named_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["unit", "sshd", "--listen=22", "--install", f"--root={tmp_path}", *SSHD])
    unit = tmp_path / "etc/systemd/system/sshd-gated@.service"
    changed = unit.read_text() + "Nice=5\n"
    unit.write_text(changed)
    assert main(["unit", "sshd", "--remove", f"--root={tmp_path}"]) == 2
    assert "/etc/systemd/system/sshd-gated@.service" in capsys.readouterr().err
    assert unit.read_text() == changed


def test_force_removes_a_changed_file(tmp_path: Path) -> None:
    main(["unit", "sshd", "--listen=22", "--install", f"--root={tmp_path}", *SSHD])
    unit = tmp_path / "etc/systemd/system/sshd-gated@.service"
    unit.write_text("[Service]\n")
    assert main(["unit", "sshd", "--remove", "--force", f"--root={tmp_path}"]) == 0
    assert not unit.exists()


def test_json_says_what_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--listen=22", "--resident", "--json", "--install", f"--root={tmp_path}"]
    main(["unit", "sshd", *words, *SSHD])
    written = json.loads(capsys.readouterr().out)["written"]
    assert written[-1] == "/etc/systemd/system/sshd-gated.service"


def test_who_may_not_write_there_is_told_by_exit_code_4() -> None:
    words = ["unit", "onlyatest", "--listen=22", "--install", *SSHD]
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, *words],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr[-20:]) == (4, ": Permission denied\n")
