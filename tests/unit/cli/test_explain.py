# SPDX-License-Identifier: MIT
import json
from pathlib import Path

import pytest

from socketgate.answers import ExplainAnswer
from socketgate.bans import Ban, parse_net
from socketgate.banstore import Store
from socketgate.cli import main
from socketgate.cli.explain import question_of
from socketgate.explain import Question
from tests.support.controlled import explanation, gate_answering
from tests.support.waiting import environment

CONFIG = """\
[rules]
allow = "{folder}/hosts.allow"
deny = "{folder}/hosts.deny"
[bans]
store = "{folder}/bans"
"""


def ask(folder: Path, *words: str, answer: ExplainAnswer | None = None) -> int:
    with gate_answering(folder, "sshd", {"Explain": answer or explanation()}):
        return main(["explain", "sshd", "192.0.2.7", *words, "--gates", str(folder)])


def by_files(folder: Path, deny: str) -> list[str]:
    (folder / "hosts.deny").write_text(deny)
    (folder / "socketgate.toml").write_text(CONFIG.format(folder=folder))
    return ["--files", "--config", str(folder / "socketgate.toml")]


@pytest.mark.parametrize(("verdict", "code"), [("allow", 0), ("deny", 1)])
def test_the_exit_code_is_the_verdict(tmp_path: Path, verdict: str, code: int) -> None:
    assert ask(tmp_path, answer=explanation(verdict)) == code


def test_json_has_the_whole_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask(tmp_path, "--json")
    expected = {**explanation(), "warning": None, "differs": None, "errors": []}
    assert json.loads(capsys.readouterr().out) == expected


@pytest.mark.parametrize(
    ("connection", "verdict", "warned"),
    [
        ("192.0.2.7 50000 192.0.2.1 22", "deny", True),
        ("::ffff:192.0.2.7 50000 ::1 22", "deny", True),
        ("192.0.2.8 50000 192.0.2.1 22", "deny", False),
        ("192.0.2.7 50000 192.0.2.1 22", "allow", False),
        ("", "deny", False),
    ],
)
def test_it_warns_who_would_refuse_himself(
    tmp_path: Path,
    connection: str,
    verdict: str,
    warned: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with environment(SSH_CONNECTION=connection):
        ask(tmp_path, answer=explanation(verdict))
    assert ("your own session" in capsys.readouterr().err) is warned


@pytest.mark.parametrize(
    ("connection", "address", "warned"),
    [
        ("fe80::1%lo 50000 fe80::2%lo 22", "fe80::1%lo", True),
        ("fe80::1%lo 50000 fe80::2%lo 22", "fe80::1", True),
        ("fe80::1%lo 50000 fe80::2%lo 22", "fe80::1%eth0", False),
    ],
)
def test_it_warns_on_the_same_link(
    tmp_path: Path,
    connection: str,
    address: str,
    warned: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with (
        environment(SSH_CONNECTION=connection),
        gate_answering(tmp_path, "sshd", {"Explain": explanation()}),
    ):
        main(["explain", "sshd", address, "--gates", str(tmp_path)])
    assert ("your own session" in capsys.readouterr().err) is warned


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["host.example.org"], "no IPv4 or IPv6 address"),
        ([], "name a daemon and a client"),
        (["192.0.2.7", "root"], "'root': write KEY=VALUE, with a KEY of: name, user"),
        (["192.0.2.7", "color=red"], "write KEY=VALUE"),
        (["192.0.2.7", "name="], "name=: write a text of 1 to 255 characters"),
        (["192.0.2.7", "name=" + "x" * 256], "name=: write a text of 1 to 255 characters"),
        (["root@192.0.2.7", "user=root"], "user is given twice"),
        (["host@"], "no IPv4 or IPv6 address"),
        (["192.0.2.7", "name=a", "name=b"], "name is given twice"),
        (["192.0.2.7", "saddr=me"], "no IPv4 or IPv6 address"),
        (["192.0.2.7", "sport=22"], "sport= goes with --files"),
        (["192.0.2.7", "sport=ssh", "--files"], "write a number up to 65535"),
        (["192.0.2.7", "sport=65536", "--files"], "write a number up to 65535"),
    ],
)
def test_bad_input_is_one_clear_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "sshd", *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_gate_that_is_not_there_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "sshd", "192.0.2.7", "--gates", str(tmp_path)]) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_the_files_answer_is_compared_with_the_gates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = by_files(tmp_path, "# now nobody is denied\n")
    assert ask(tmp_path, *words) == 0
    assert (
        "the running gate says otherwise: denied, by /etc/hosts.deny:4" in capsys.readouterr().err
    )


def test_the_files_answer_does_not_need_a_gate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = by_files(tmp_path, "ALL: 192.0.2.7\n")
    assert main(["explain", "sshd", "192.0.2.7", *words, "--gates", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert "denied, by" in out
    assert "can't be compared" in err


def test_the_same_answer_needs_no_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = by_files(tmp_path, "ALL: 192.0.2.7\n")
    answer = explanation(line=1)
    answer["file"] = str(tmp_path / "hosts.deny")
    answer["text"] = "ALL: 192.0.2.7"
    assert ask(tmp_path, *words, answer=answer) == 1
    assert capsys.readouterr().err == ""


def test_a_rule_that_was_changed_where_it_stands_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = by_files(tmp_path, "ALL: 192.0.2.\n")
    answer = explanation(line=1)
    answer["file"] = str(tmp_path / "hosts.deny")
    assert ask(tmp_path, *words, answer=answer) == 1
    assert "says otherwise: denied, by" in capsys.readouterr().err


def test_by_the_files_bans_count_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = by_files(tmp_path, "")
    Store(tmp_path / "bans").append([Ban(net=parse_net("192.0.2.7"), made=1)], 1.0)
    assert ask(tmp_path, *words) == 1
    assert "by a ban of 192.0.2.7\n" in capsys.readouterr().out


def test_by_the_files_it_is_said_that_bans_can_t_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = by_files(tmp_path, "")
    (tmp_path / "bans").mkdir()
    assert ask(tmp_path, *words) == 0
    said = f"bans don't count here: {tmp_path}/bans can't be read: not a regular file\n"
    assert said in capsys.readouterr().out


BROKEN = "ALL: 192.0.2.7\nsshd 192.0.2.8\n"


def test_files_with_errors_give_no_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = by_files(tmp_path, BROKEN)
    assert main(["explain", "sshd", "192.0.2.7", *words, "--gates", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{tmp_path}/hosts.deny:2:" in err
    assert "1 error in the files: a gate would keep its previous rules" in err


def test_the_errors_of_the_files_are_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = by_files(tmp_path, BROKEN)
    assert main(["explain", "sshd", "192.0.2.7", *words, "--json", "--gates", str(tmp_path)]) == 2
    said = json.loads(capsys.readouterr().out)
    assert (said["verdict"], [one["line"] for one in said["errors"]]) == (None, [2])


def test_an_account_that_is_not_there_is_an_error_of_the_files(tmp_path: Path) -> None:
    words = by_files(tmp_path, "ALL: ALL: user nobody-of-that-name\n")
    assert main(["explain", "sshd", "192.0.2.7", *words, "--gates", str(tmp_path)]) == 2


def test_files_with_errors_give_the_answer_of_a_gate_that_takes_them(tmp_path: Path) -> None:
    words = by_files(tmp_path, BROKEN)
    config = tmp_path / "socketgate.toml"
    config.write_text(config.read_text().replace("[bans]", 'on-error = "libwrap"\n[bans]'))
    assert main(["explain", "sshd", "192.0.2.7", *words, "--gates", str(tmp_path)]) == 1


def test_the_port_is_given_for_the_files(tmp_path: Path) -> None:
    words = by_files(tmp_path, "2222: ALL\n")
    asked = ["explain", "sshd", "192.0.2.7", "sport=2222", *words, "--gates", str(tmp_path)]
    assert main(asked) == 1


@pytest.mark.parametrize(
    ("words", "question"),
    [
        (["sshd", "192.0.2.7"], Question("sshd", "192.0.2.7")),
        (["sshd", "192.0.2.7", "user=a", "name=b"], Question("sshd", "192.0.2.7", "b", "a")),
        (["sshd@[::1]", "192.0.2.7"], Question("sshd", "192.0.2.7", server="::1")),
        (["sshd", "a@192.0.2.7"], Question("sshd", "192.0.2.7", user="a")),
        (["sshd", "[2001:DB8::1]"], Question("sshd", "2001:db8::1")),
        (["sshd", "::1", "saddr=::2"], Question("sshd", "::1", server="::2")),
    ],
)
def test_a_client_is_written_as_for_match(words: list[str], question: Question) -> None:
    assert question_of(words, may_have_port=False) == question


def test_options_may_stand_anywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with gate_answering(tmp_path, "sshd", {"Explain": explanation()}):
        words = ["sshd", "--gates", str(tmp_path), "192.0.2.7", "--json", "name=a.example"]
        assert main(["explain", *words]) == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "deny"
