# SPDX-License-Identifier: MIT
import json
from pathlib import Path
from typing import TypedDict

import pytest

from socketgate.cli import main

ALLOW = """\
# hosts.allow
sshd: 192.0.2.0/24 .example.org : severity auth.info : spawn /bin/echo %a %n
vsftpd@198.51.100.1: root@ALL
2222: 203.0.113.7
sshd: \\
  203.0.113.8
cron: ALL: aclexec /bin/check %a
"""
DENY = "ALL: ALL\n"


class Report(TypedDict):
    verdict: str
    twist: bool
    file: str | None
    line: int | None
    errors: list[str]
    daemon: str
    addr: str
    path: str | None
    rule: str | None
    facts: list[dict[str, object]]
    options: list[str]
    notes: list[str]
    warnings: list[str]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The rules above, as arguments."""
    return rule_files(tmp_path, ALLOW, DENY)


def rule_files(folder: Path, allow: str, deny: str) -> list[str]:
    (folder / "allow").write_text(allow)
    (folder / "deny").write_text(deny)
    (folder / "empty.toml").touch()
    return [f"--allow={folder}/allow", f"--deny={folder}/deny", f"--config={folder}/empty.toml"]


def report(words: list[str], capsys: pytest.CaptureFixture[str]) -> Report:
    main(["match", "--json", *words])
    found: Report = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(
    ("words", "code", "place"),
    [
        pytest.param(["sshd", "192.0.2.7"], 0, ("allow", 2), id="address"),
        pytest.param(["sshd", "203.0.113.1"], 1, ("deny", 1), id="unknown-name"),
        pytest.param(["sshd", "203.0.113.1", "name=a.example.org"], 0, ("allow", 2), id="name"),
        pytest.param(["vsftpd@198.51.100.1", "root@192.0.2.1"], 0, ("allow", 3), id="tcpdmatch"),
        pytest.param(
            ["vsftpd", "192.0.2.1", "saddr=198.51.100.1", "user=root"], 0, ("allow", 3), id="keys"
        ),
        pytest.param(["vsftpd@server", "root@192.0.2.1"], 1, ("deny", 1), id="server-by-name"),
        pytest.param(["sshd", "203.0.113.7", "sport=2222"], 0, ("allow", 4), id="port"),
        pytest.param(["sshd", "203.0.113.8"], 0, ("allow", 6), id="a-rule's-last-line"),
        pytest.param(["sshd", "::ffff:192.0.2.7"], 0, ("allow", 2), id="mapped"),
        pytest.param(["sshd", "[2001:db8::1]"], 1, ("deny", 1), id="ipv6-in-brackets"),
        pytest.param(["cron", "192.0.2.7"], 0, ("allow", 7), id="a-command-that-succeeds"),
        pytest.param(["cron", "192.0.2.7", "aclexec=1"], 1, ("deny", 1), id="one-that-fails"),
        pytest.param(["sshd", "unknown"], 1, ("deny", 1), id="no-address"),
    ],
)
def test_the_verdict_and_its_rule(
    words: list[str],
    code: int,
    place: tuple[str, int],
    files: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["match", "--json", *words, *files]) == code
    found: Report = json.loads(capsys.readouterr().out)
    assert (found["file"], found["line"]) == place


def test_without_a_rule_that_matches_it_is_granted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["match", "sshd", "192.0.2.7", *rule_files(tmp_path, "", "")]) == 0
    assert "none matches: granted by default" in capsys.readouterr().out


def test_the_answer_says_why(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main(["match", "sshd", "203.0.113.1", "name=a.example.org", *files])
    path = files[0].removeprefix("--allow=")
    assert capsys.readouterr().out == (
        "sshd from 203.0.113.1: granted\n"
        f"   Rule: {path}:2\n"
        "         sshd: 192.0.2.0/24 .example.org : severity auth.info : spawn /bin/echo %a %n\n"
        "  Facts: client name = a.example.org\n"
        "Options: severity auth.info\n"
        "         spawn /bin/echo 203.0.113.1 a.example.org\n"
        f"  Notes: {path}:2:20: .example.org costs a name lookup for each client that no rule"
        " above decides [name-lookup]\n"
    )


def test_a_fact_that_was_needed_and_not_given_is_said_to_be_unknown(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["match", "sshd", "203.0.113.1", *files])
    assert "Facts: client name = unknown (give it by name=)\n" in capsys.readouterr().out


def test_a_fact_that_was_not_needed_is_not_mentioned(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["match", "2222", "203.0.113.7", "name=a.example.net", "sport=2222", *files])
    assert "Facts: none\n" in capsys.readouterr().out


def test_a_rule_of_several_lines_is_shown_whole(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(["sshd", "203.0.113.8", *files], capsys)["rule"] == "sshd: \\\n  203.0.113.8"


def test_a_twist_denies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = rule_files(tmp_path, "sshd: ALL: twist /bin/echo %a\n", "")
    found = report(["sshd", "192.0.2.7", *files], capsys)
    answer = found["verdict"], found["twist"], found["options"]
    assert answer == ("deny", True, ["twist /bin/echo 192.0.2.7"])


def test_no_command_is_run(tmp_path: Path) -> None:
    touch = f"touch {tmp_path}/run"
    rules = f"ALL: ALL: aclexec {touch}: spawn {touch}: twist {touch}\n"
    main(["match", "sshd", "192.0.2.7", *rule_files(tmp_path, rules, "")])
    assert not (tmp_path / "run").exists()


def test_rules_with_errors_give_no_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = rule_files(tmp_path, "", "sshd ALL\n")
    assert main(["match", "sshd", "192.0.2.7", *files]) == 2
    printed = capsys.readouterr()
    assert (printed.out, f"{tmp_path}/deny:1:1: missing" in printed.err) == ("", True)


def test_of_many_errors_the_first_are_shown_and_all_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["match", "sshd", "192.0.2.7", *rule_files(tmp_path, "", "sshd ALL\n" * 500)])
    *shown, last = capsys.readouterr().err.splitlines()
    assert (len(shown), "500 errors" in last) == (10, True)


def test_libwrap_decides_in_spite_of_errors(tmp_path: Path) -> None:
    files = rule_files(tmp_path, "", "sshd ALL\n")
    assert main(["match", "--libwrap", "sshd", "192.0.2.7", *files]) == 0


def test_a_gate_that_is_told_to_takes_errors_as_libwrap(tmp_path: Path) -> None:
    files = rule_files(tmp_path, "", "sshd ALL\n")
    (tmp_path / "empty.toml").write_text('[rules]\non-error = "libwrap"\n')
    assert main(["match", "sshd", "192.0.2.7", *files]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param([], "name a daemon and a client", id="nothing"),
        pytest.param(["sshd"], "name a daemon and a client", id="no-client"),
        pytest.param(["sshd", "192.0.2.256"], "is no IP address", id="no-address"),
        pytest.param(["sshd", "localhost"], "--resolve", id="a-name"),
        pytest.param(["sshd", "192.0.2.7", "nme=x"], "KEY of: name, user", id="unknown-key"),
        pytest.param(["sshd", "192.0.2.7", "x"], "write KEY=VALUE", id="no-key"),
        pytest.param(["sshd", "192.0.2.7", "sport=0x1"], "no port", id="no-port"),
        pytest.param(["sshd", "192.0.2.7", "cport=65536"], "no port", id="port-too-large"),
        pytest.param(["sshd", "192.0.2.7", "saddr=x"], "no IP address", id="no-server-address"),
        pytest.param(["sshd", "192.0.2.7", "aclexec=x"], "exit status", id="no-status"),
        pytest.param(["sshd", "a@192.0.2.7", "user=b"], "given twice", id="two-users"),
        pytest.param(["--jsonl", "sshd", "192.0.2.7"], "standard input", id="lines-and-words"),
        pytest.param(["--config=/gone.toml", "sshd", "192.0.2.7"], "/gone.toml", id="no-file"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["match", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "sshd", "203.0.113.1", "name=a.example.org"],
        ["sshd", "--json", "203.0.113.1", "name=a.example.org"],
        ["sshd", "203.0.113.1", "--json", "name=a.example.org"],
        ["sshd", "203.0.113.1", "name=a.example.org", "--json"],
    ],
)
def test_options_may_stand_anywhere(
    words: list[str], files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["match", *files, *words])
    assert json.loads(capsys.readouterr().out)["line"] == 2


def test_an_unknown_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["match", "sshd", "192.0.2.7", "--resolv3"])
    assert (ended.value.code, "--resolv3" in capsys.readouterr().err) == (2, True)


def test_every_status_of_a_list_goes_to_one_command(tmp_path: Path) -> None:
    rules = "ALL: ALL: aclexec one: aclexec two\n"
    files = rule_files(tmp_path, rules, DENY)
    codes = [
        main(["match", "sshd", "192.0.2.7", f"aclexec={statuses}", *files])
        for statuses in ("1,0", "0,1")
    ]
    assert codes == [0, 1]


def test_accounts_are_those_of_the_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = rule_files(tmp_path, "ALL: ALL: user root: group no-such-group\n", "")
    found = report(["sshd", "192.0.2.7", *files], capsys)
    assert [(one["fact"], one["answer"]) for one in found["facts"]] == [
        ("user root exists", True),
        ("group no-such-group exists", False),
    ]


def test_a_file_that_was_typed_and_is_not_there_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = (f"--allow={tmp_path}/alow", "--deny=/dev/null", "--config=/dev/null")
    assert main(["match", *files, "sshd", "192.0.2.7"]) == 0
    said = f"socketgate: {tmp_path}/alow: there is no such file: it has no rules\n"
    assert capsys.readouterr().err == said
