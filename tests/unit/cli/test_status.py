# SPDX-License-Identifier: MIT
import json
from pathlib import Path

import pytest

from socketgate.cli import main
from socketgate.cli.output import Paint
from socketgate.cli.status import status_text
from tests.support.controlled import gate_answering, status

NOW = 1_700_003_700.0


def text(error: str | None = None) -> str:
    return status_text("sshd", status(error=error), NOW, Paint(is_on=False))


@pytest.mark.parametrize(
    "part",
    [
        "● sshd - socketgate 1.2.3",
        "process 4711",
        "17 rules, generation 5, since ",
        "1h 1min ago",
        "/etc/hosts.allow",
        "Bans: 6",
        "sshd on *:22",
        "/run/socketgate/backend/sshd.sock: connected, 1 clients on their way",
        "11 so far, handed-over 8, refused 3",
        "2 under way, 1 of them waiting for a backend",
        "/etc/hosts.deny:4 (2)",
        "a ban of 198.51.100.0/24 (1)",
        "min ago, /etc/hosts.deny:4",
        "192.0.2.7 ",
    ],
)
def test_one_screen_has_it_all(part: str) -> None:
    assert part in text()


def test_what_did_not_happen_is_left_out() -> None:
    assert "error" not in text()


def test_rules_that_could_not_be_put_in_force_are_told() -> None:
    shown = text("hosts.deny:1: no colon")
    assert "deciding by earlier rules" in shown
    assert "Error: hosts.deny:1: no colon" in shown


def test_a_backend_in_trouble_is_told() -> None:
    answer = status()
    answer["gates"][0]["backends"][0]["trouble"] = "it isn't there"
    assert "sshd.sock: it isn't there" in status_text("sshd", answer, NOW, Paint(is_on=False))


def test_foreign_text_cannot_play_with_the_terminal() -> None:
    answer = status()
    answer["gates"][0]["last_refused"][0]["address"] = "\033[2J"
    assert "\033" not in status_text("sshd", answer, NOW, Paint(is_on=False))


def test_json_has_every_gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with gate_answering(tmp_path, "sshd", {"Status": status()}):
        assert main(["status", "--json", "--gates", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == {"sshd": status()}


def test_one_gate_can_be_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (
        gate_answering(tmp_path, "sshd", {"Status": status("sshd")}),
        gate_answering(tmp_path, "smtp", {"Status": status("smtp")}),
    ):
        assert main(["status", "smtp", "--gates", str(tmp_path)]) == 0
    assert "sshd" not in capsys.readouterr().out


def test_a_gate_that_does_not_answer_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        gate_answering(tmp_path, "sshd", {"Status": status()}),
        gate_answering(tmp_path, "smtp", {}),
    ):
        assert main(["status", "--gates", str(tmp_path)]) == 3
    assert "● sshd" in capsys.readouterr().out


def test_without_a_gate_there_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--gates", str(tmp_path)]) == 3
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
