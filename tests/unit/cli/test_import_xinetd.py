# SPDX-License-Identifier: MIT
import json
import shlex
from pathlib import Path

import pytest

from socketgate.cli import main

TELNET = """\
service telnet
{
    socket_type = stream
    wait = no
    user = telnetd
    server = /usr/sbin/in.telnetd
    only_from = 192.0.2.0
    cps = 10 30
}
service time
{
    type = INTERNAL
}
"""


def printed(tmp_path: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    file = tmp_path / "xinetd.conf"
    file.write_text(TELNET)
    assert main(["import", "xinetd", *words, str(file)]) == 0
    return capsys.readouterr().out


def test_a_unit_is_shown_under_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed(tmp_path, capsys)
    path = "# /etc/systemd/system/socketgate@in.telnetd.socket.d/listen.conf"
    assert f"{path}\n[Socket]\nListenStream=23\n" in shown


def test_rules_are_shown_with_where_they_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = (
        "# /etc/hosts.allow, above all that is there:\nin.telnetd: ALL EXCEPT 192.0.2.0/24: deny\n"
    )
    assert rules in printed(tmp_path, capsys)


def test_what_has_no_counterpart_is_a_comment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"#   {tmp_path}/xinetd.conf:8: cps = 10 30: " in printed(tmp_path, capsys)


def test_a_service_that_is_left_is_a_comment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = printed(tmp_path, capsys).partition("# time is not imported:\n")[2]
    assert shown.startswith(f"#   {tmp_path}/xinetd.conf:12: type = INTERNAL: ")


def test_the_command_that_is_named_writes_the_same_units(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    telnet, _ = json.loads(printed(tmp_path, capsys, "--json"))
    name, *words = shlex.split(telnet["command"])
    assert name == "socketgate"
    words.remove("--install")
    assert main([*words[:2], "--json", *words[2:]]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == telnet["files"]


def test_json_says_why_a_service_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, time = json.loads(printed(tmp_path, capsys, "--json"))
    assert (time["service"], time["daemon"]) == ("time", None)


MISTAKES = """\
defaults
{
    nice = 3
}
service broken
{
    port 23
}
rubbish
"""


def test_a_mistake_is_said_and_the_rest_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "xinetd.conf"
    file.write_text(MISTAKES + TELNET)
    assert main(["import", "xinetd", str(file)]) == 2
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        (
            f"socketgate: {file}:9: 'rubbish': expected 'service NAME', 'defaults', 'include' or"
            " 'includedir'"
        ),
        f"socketgate: {file}:7: 'port 23': expected ATTRIBUTE = VALUE",
    ]
    assert out.startswith(f"# {file}:3: nice = 3: passed over as by xinetd")
    assert "# broken is not imported:" in out
    assert "ListenStream=23" in out


def test_a_file_that_is_not_there_is_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", "xinetd", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
