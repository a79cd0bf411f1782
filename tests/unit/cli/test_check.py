# SPDX-License-Identifier: MIT
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import pytest

from socketgate.cli import main
from tests.support.lookups import wait_threads_gone


class Finding(TypedDict):
    severity: str
    code: str
    file: str
    line: int
    column: int
    message: str
    hint: str
    source: str


class Report(TypedDict):
    errors: int
    warnings: int
    left_out: int
    diagnostics: list[Finding]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A rule file, and where `check` must find what; `{DIR}` is the test's folder."""

    text: str
    code: str
    line: int
    column: int
    message: str


ERRORS = {
    "no-colon": Mistake("sshd ALL\n", "no-colon", 1, 1, 'missing ":"'),
    "indented-comment": Mistake(" # nobody\n", "no-colon", 1, 2, 'missing ":"'),
    "comment-after-blank-line": Mistake("\n\t# x\n", "no-colon", 2, 2, "libwrap skips the line"),
    "form-feed-alone": Mistake("\f\n", "no-colon", 1, 1, 'missing ":"'),
    "unknown-option": Mistake("ALL: ALL: twsit /bin/x\n", "unknown-option", 1, 11, '"twsit"'),
    "bare-command": Mistake("ALL: ALL: /bin/mail root\n", "unknown-option", 1, 11, "/bin/mail"),
    "old-shell-command": Mistake(
        "ALL: ALL: (/bin/safe_finger @%h) &\n", "unknown-option", 1, 11, "(/bin/safe_finger"
    ),
    "comment-with-colon": Mistake("ALL: ALL # a: b\n", "unknown-option", 1, 15, '"b"'),
    "empty-option": Mistake("ALL: ALL:\n", "missing-option", 1, 10, "missing option name"),
    "colon-too-many": Mistake("ALL: ALL: : deny\n", "missing-option", 1, 11, "missing option"),
    "colon-at-the-end": Mistake("ALL: ALL: spawn x:\n", "missing-option", 1, 19, "missing option"),
    "spawn-without-command": Mistake("ALL: ALL: spawn\n", "missing-value", 1, 11, '"spawn"'),
    "deny-with-value": Mistake("ALL: ALL: deny all\n", "forbidden-value", 1, 11, '"deny"'),
    "allow-not-last": Mistake(
        "ALL: ALL: allow: severity info\n", "option-not-last", 1, 11, "must be at end"
    ),
    "twist-not-last": Mistake(
        "ALL: ALL: twist /bin/x: keepalive\n", "option-not-last", 1, 11, '"twist"'
    ),
    "unknown-level": Mistake("ALL: ALL: severity warn\n", "bad-value", 1, 11, '"warn"'),
    "unknown-facility": Mistake("ALL: ALL: severity ftp.info\n", "bad-value", 1, 11, '"ftp"'),
    "umask-in-decimal": Mistake("ALL: ALL: umask 089\n", "bad-value", 1, 11, "umask"),
    "umask-too-large": Mistake("ALL: ALL: umask 1777\n", "bad-value", 1, 11, '"1777"'),
    "nice-word": Mistake("ALL: ALL: nice low\n", "bad-value", 1, 11, '"low"'),
    "linger-below-zero": Mistake("ALL: ALL: linger -1\n", "bad-value", 1, 11, '"-1"'),
    "timeout-of-zero": Mistake("ALL: ALL: rfc931 0\n", "bad-value", 1, 11, '"0"'),
    "mask-too-long": Mistake("ALL: 192.0.2.0/33\n", "bad-mask", 1, 16, "33 is no mask"),
    "mask-of-two-numbers": Mistake("ALL: 10.0.0.0/255.0\n", "bad-mask", 1, 15, "255.0"),
    "mask-with-junk": Mistake("ALL: 10.0.0.0/8x\n", "mask-junk", 1, 15, "is read as 8"),
    "net-bits-outside-the-mask": Mistake(
        "ALL: 10.1.2.3/8\n", "net-bits-outside-mask", 1, 6, "outside the mask"
    ),
    "net-bits-outside-a-dotted-mask": Mistake(
        "ALL: 192.168.1.1/255.255.255.0\n", "net-bits-outside-mask", 1, 6, "outside the mask"
    ),
    "everybody-by-zero": Mistake("ALL: 0.0.0.0/0\n", "prefix-length-zero", 1, 14, "/0"),
    "short-net": Mistake("ALL: 10.0.0/24\n", "bad-net", 1, 6, "10.0.0 is no IPv4 address"),
    "number-too-large": Mistake("ALL: 300.1.2.3\n", "bad-address", 1, 6, "300.1.2.3"),
    "five-numbers": Mistake("ALL: 1.2.3.4.5\n", "bad-address", 1, 6, "1.2.3.4.5"),
    "leading-zero": Mistake("ALL: 192.0.2.07\n", "odd-address", 1, 6, "192.0.2.07"),
    "network-without-its-dot": Mistake("ALL: 192.168\n", "partial-address", 1, 6, "192.168"),
    "bare-ipv6": Mistake("ALL: 2001:db8::1\n", "ipv6-without-brackets", 1, 6, "2001:db8::1"),
    "bare-loopback": Mistake("sshd: ::1\n", "ipv6-without-brackets", 1, 7, "::1"),
    "length-in-brackets": Mistake("ALL: [2001:db8::/32]\n", "bad-ipv6-address", 1, 6, "no IPv6"),
    "ipv4-in-brackets": Mistake("ALL: [192.0.2.7]\n", "bad-ipv6-address", 1, 6, "192.0.2.7"),
    "no-length": Mistake("ALL: [2001:db8::]/\n", "prefix-length-missing", 1, 19, "no length"),
    "length-too-long": Mistake("ALL: [::1]/129\n", "bad-prefix-length", 1, 12, "/129"),
    "mapped": Mistake("ALL: [::ffff:192.0.2.7]\n", "mapped-address", 1, 6, "IPv4-mapped"),
    "unknown-zone": Mistake("ALL: [fe80::1%gone7]\n", "unknown-zone", 1, 15, "gone7"),
    "bracket-left-open": Mistake("ALL: [::1 : deny\n", "unbalanced-bracket", 1, 6, "brackets"),
    "bracket-hides-the-colon": Mistake("[sshd: ALL\n", "unbalanced-bracket", 1, 1, "brackets"),
    "no-newline": Mistake("# x\nALL: ALL", "missing-newline", 2, 9, "end in a newline"),
    "comment-without-newline": Mistake("ALL: ALL\n# x", "missing-newline", 2, 4, "newline"),
    "line-too-long": Mistake(
        "ALL: " + "192.0.2.1 " * 210 + "\nALL: ALL\n", "line-too-long", 1, 1, "longer than"
    ),
    "continued-until-too-long": Mistake(
        "ALL: \\\n" + "192.0.2.1 \\\n" * 210 + "\n", "line-too-long", 1, 1, "longer than"
    ),
    "no-daemon": Mistake(": ALL\n", "empty-daemon-list", 1, 1, "daemon list is empty"),
    "no-client": Mistake("sshd:\n", "empty-client-list", 1, 5, "client list is empty"),
    "except-first": Mistake("sshd: EXCEPT 192.0.2.7\n", "empty-client-list", 1, 7, "client list"),
    "except-last": Mistake("sshd: ALL EXCEPT\n", "empty-except", 1, 11, "behind EXCEPT"),
    "user-at-nothing": Mistake("sshd: root@\n", "empty-host", 1, 7, "behind the @"),
    "netgroup-without-name": Mistake("sshd: @\n", "empty-netgroup", 1, 7, "netgroup"),
    "nul": Mistake("sshd: ALL\0 EXCEPT x\n", "nul-byte", 1, 10, "NUL"),
    "byte-order-mark": Mistake("\ufeffsshd: ALL\n", "byte-order-mark", 1, 1, "byte order mark"),
    "second-line-of-a-rule": Mistake(
        "sshd: 192.0.2.7, \\\n 10.1.2.3/8\n", "net-bits-outside-mask", 2, 2, "outside the mask"
    ),
    "host-file-that-loops": Mistake(
        "sshd: {DIR}/loop\n", "unreadable-host-file", 1, 7, "can't be read"
    ),
    "comment-in-a-host-file": Mistake(
        "sshd: {DIR}/commented\n", "comment-in-host-file", 2, 1, "no comments"
    ),
    "host-file-that-names-itself": Mistake(
        "sshd: {DIR}/itself\n", "host-file-names-itself", 2, 1, "/itself names itself"
    ),
    "comma-in-a-host-file": Mistake("sshd: {DIR}/commas\n", "comma-in-host-file", 1, 10, "comma"),
    "bad-net-in-a-host-file": Mistake(
        "sshd: {DIR}/nets\n", "net-bits-outside-mask", 3, 1, "outside the mask"
    ),
    "blank-behind-a-backslash": Mistake(
        "sshd: ALL \\ \n", "backslash-not-last", 1, 11, "never matches"
    ),
    "semicolon": Mistake("sshd: 192.0.2.7;192.0.2.8\n", "never-matches", 1, 16, "never matches"),
}

WARNINGS = {
    "words-behind-a-hash": Mistake(
        "sshd: ALL # all\n", "comment-not-first", 1, 11, "only in the first column"
    ),
    "comment-that-goes-on": Mistake(
        "# old \\\nsshd: ALL\n", "comment-continues", 2, 1, "ends in a backslash"
    ),
    "blank-behind-a-backslash": Mistake(
        "sshd: ALL: spawn x \\ \n", "backslash-not-last", 1, 20, "does not continue"
    ),
    "option-without-its-colon": Mistake(
        "sshd: 192.0.2.0/24 deny\n", "odd-client-name", 1, 20, "looks like an option"
    ),
    "semicolons": Mistake("sshd;ftpd: ALL\n", "odd-separator", 1, 5, "semicolon"),
    "client-on-the-left": Mistake("192.0.2.7: sshd\n", "odd-daemon-name", 1, 1, "no daemon"),
    "wildcard-on-the-left": Mistake("LOCAL: ALL\n", "reserved-word", 1, 1, "daemon's name"),
    "fail": Mistake("sshd: ALL FAIL 192.0.2.7\n", "fail-word", 1, 11, "FAIL"),
    "rule-behind-all": Mistake(
        "ALL: ALL\nsshd: 192.0.2.7: deny\n", "never-reached", 2, 1, "matches all its clients first"
    ),
    "rule-within-a-net": Mistake(
        "sshd: 192.0.2.0/24\nsshd: 192.0.2.7: deny\n", "never-reached", 2, 1, "never reached"
    ),
    "same-rule-twice": Mistake(
        "sshd: [2001:db8::1]\nsshd: [2001:DB8::1]\n", "never-reached", 2, 1, "never reached"
    ),
    "name": Mistake("sshd: host.example.org\n", "name-lookup", 1, 7, "costs a name lookup"),
    "domain": Mistake("sshd: .example.org\n", "name-lookup", 1, 7, ".example.org"),
    "user": Mistake("sshd: root@192.0.2.7\n", "user-lookup", 1, 7, "ident"),
    "zone": Mistake("sshd: [fe80::1%lo]\n", "zone-ignored", 1, 15, "zone is ignored"),
    "missing-host-file": Mistake("sshd: {DIR}/gone\n", "missing-host-file", 1, 7, "no such file"),
    "dot-before-numbers": Mistake(
        "sshd: .0.2\n", "network-begins-with-dot", 1, 7, "addresses that end so"
    ),
    "daemon-of-no-socket": Mistake("ssshd: 192.0.2.7\n", "no-such-socket", 1, 1, "ssshd"),
}

#: hosts_access(5) and files as administrators have them: not a word to say about these.
GOOD = {
    "empty": "",
    "comments": "# hosts.allow\n#\n\n   \n",
    "mostly-open": "ALL: ALL EXCEPT 192.0.2.0/255.255.255.0 [2001:db8::]/32\n",
    "addresses": "ALL: 127.0.0.1 [::1] 10. 172.16.0.0/12, 192.168.0.0/255.255.0.0\n",
    "continued": "ALL: 192.0.2.7, \\\n  192.0.2.8, \\\n  [2001:db8::/64]\n".replace(
        "::/64]", "::]/64"
    ),
    "options": "ALL: 192.0.2.7 : severity local1.info : keepalive : linger 10 : nice : umask 022\n",
    "colon-in-a-command": "ALL: ALL: spawn /usr/bin/logger at 12\\:30 from %a: deny\n",
    "twist": "ALL: ALL: twist /bin/echo 421 Not available from %a\n",
    "banners": "ALL: ALL: banners /etc/banners: rfc931 5: setenv CLIENT %a: deny\n",
    "crlf": "ALL: 192.0.2.7\r\nALL: 192.0.2.8\r\n",
    "host-file": "ALL: {DIR}/good\n",
    "ports": "22: 192.0.2.7\n443: [2001:db8::1]\n",
    "many": "".join(f"ALL: 10.{n // 256}.{n % 256}.1\n" for n in range(3000)),
}

#: hosts_access(5) and hosts_options(5): their examples cost lookups, and are no errors.
MAN_PAGES = (
    "ALL: LOCAL @some_netgroup",
    "ALL: .foobar.edu EXCEPT terminalserver.foobar.edu",
    "in.tftpd: LOCAL, .my.domain",
    "ALL: some.host.name, .some.domain",
    "ALL EXCEPT in.fingerd: other.host.name, .other.domain",
    "in.tftpd: ALL: spawn (/usr/sbin/safe_finger -l @%h | /usr/bin/mail -s %d-%h root) &",
    "ALL : .friendly.domain : ALLOW",
    "ALL : ALL : DENY",
    "ALL : .bad.domain : DENY",
    "ALL : ALL : ALLOW",
    "in.ftpd : .example.org : twist /bin/echo 421 Some bad message",
    "sshd : ALL : aclexec checkdnsbl -b dnsbl.org %a : ALLOW",
    "sshd : .example.org : severity mail.info : keepalive : linger 5 : rfc931 10 : allow",
    "sshd : .example.org : banners /some/directory : nice 5 : setenv name value : umask 022",
    "sshd : .example.org : user nobody.kmem : group kmem",
    "ALL: 131.155.72.0/255.255.254.0 [3ffe:505:2:1::]/64 131.155.",
    "sshd: /etc/sshd.deny",
)

HOST_FILES = {
    "commented": "192.0.2.7\n# block list\n",
    "commas": "192.0.2.7,192.0.2.8\n",
    "nets": "192.0.2.7\n192.0.2.0/24\n192.0.2.1/24\n",
    "itself": "192.0.2.7\n{DIR}/itself\n",
    "good": "192.0.2.7 192.0.2.0/24\n[2001:db8::1]\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the host files are."""
    for name, text in HOST_FILES.items():
        (tmp_path / name).write_text(text.replace("{DIR}", str(tmp_path)))
    (tmp_path / "loop").symlink_to("loop")
    return tmp_path


def check(folder: Path, *words: str, allow: str = "", deny: str = "") -> int:
    """The exit code of `socketgate check` on these files."""
    for name, text in (("allow", allow), ("deny", deny)):
        (folder / f"hosts.{name}").write_bytes(text.replace("{DIR}", str(folder)).encode())
    files = [f"--allow={folder}/hosts.allow", f"--deny={folder}/hosts.deny"]
    (folder / "empty.toml").touch()
    return main(["check", *files, f"--config={folder}/empty.toml", "--no-lookups", *words])


def report(
    folder: Path, capsys: pytest.CaptureFixture[str], *, allow: str = "", deny: str = ""
) -> Report:
    check(folder, "--json", allow=allow, deny=deny)
    found: Report = json.loads(capsys.readouterr().out)
    return found


def is_found(mistake: Mistake, severity: str, found: Report) -> bool:
    return any(
        (severity, mistake.code, mistake.line, mistake.column)
        == (one["severity"], one["code"], one["line"], one["column"])
        and mistake.message in one["message"]
        and one["hint"]
        for one in found["diagnostics"]
    )


@pytest.mark.parametrize("mistake", ERRORS.values(), ids=ERRORS)
def test_a_mistake_is_found_at_its_place(
    mistake: Mistake, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = report(folder, capsys, deny=mistake.text)
    assert is_found(mistake, "error", found), found


@pytest.mark.parametrize("mistake", WARNINGS.values(), ids=WARNINGS)
def test_what_is_probably_not_meant_is_a_warning(
    mistake: Mistake, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = report(folder, capsys, allow=mistake.text)
    assert is_found(mistake, "warning", found), found


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_a_good_file_gives_no_alarm(
    text: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(folder, capsys, deny=text)["diagnostics"] == []


@pytest.mark.parametrize("rule", MAN_PAGES)
def test_the_examples_of_the_man_pages_have_no_errors(
    rule: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(folder, capsys, allow=rule + "\n")["errors"] == 0


def test_at_least_forty_mistakes_are_errors() -> None:
    assert len(ERRORS) >= 40


def test_a_finding_is_shown_with_its_line_a_caret_and_a_hint(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check(folder, deny="ALL: 10.1.2.3/8\n")
    assert capsys.readouterr().out == (
        f"{folder}/hosts.deny:1:6: the address has bits outside the mask: never matches"
        " [error: net-bits-outside-mask]\n"
        "    ALL: 10.1.2.3/8\n"
        "         ^\n"
        "    hint: write 10.0.0.0/8\n"
        "\n"
        "1 error. A gate would go on with what it has.\n"
    )


def test_a_place_far_into_a_line_is_only_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "long").write_text("192.0.2.7 " * 300 + "10.1\n")
    check(folder, deny="ALL: {DIR}/long\n")
    assert capsys.readouterr().out.startswith(
        f"{folder}/long:1:3001: 10.1 is no whole address: never matches [error: partial-address]\n"
        "    hint: write 10.1.\n"
    )


def test_good_rules_are_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(folder, allow="ALL: 192.0.2.7\n", deny="ALL: ALL\n")
    assert capsys.readouterr().out.startswith("No problems in 2 rules (")


def test_errors_come_before_warnings_and_files_in_their_order(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mixed = "ALL: .example.org\nno colon\nALL: 10.1.1.1/8\n"
    found = report(folder, capsys, allow=mixed, deny=mixed)["diagnostics"]
    places = [(one["severity"], Path(one["file"]).name, one["line"]) for one in found]
    assert places == [
        ("error", "hosts.allow", 2),
        ("error", "hosts.allow", 3),
        ("error", "hosts.deny", 2),
        ("error", "hosts.deny", 3),
        ("warning", "hosts.allow", 1),
        ("warning", "hosts.deny", 1),
    ]


def test_json_counts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = report(folder, capsys, deny="no colon\nALL: .example.org\nALL: root@192.0.2.7\n")
    assert (found["errors"], found["warnings"], found["left_out"]) == (1, 2, 0)


@pytest.mark.parametrize(
    ("words", "text", "code"),
    [
        pytest.param([], "ALL: ALL\n", 0, id="nothing"),
        pytest.param([], "ALL: .example.org\n", 0, id="a-warning"),
        pytest.param([], "ALL ALL\n", 2, id="an-error"),
        pytest.param(["--strict"], "ALL: ALL\n", 0, id="nothing-strictly"),
        pytest.param(["--strict"], "ALL: .example.org\n", 2, id="a-warning-strictly"),
    ],
)
def test_the_exit_code_says_whether_there_are_errors(
    words: list[str], text: str, code: int, folder: Path
) -> None:
    assert check(folder, *words, deny=text) == code


def test_a_bad_configuration_comes_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bad.toml").write_text('[rules]\non-error = "shrug"\n')
    code = check(folder, f"--config={folder}/bad.toml", deny="no colon\n")
    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "")
    assert f"{folder}/bad.toml:2: rules.on-error must be" in printed.err


def test_bans_without_which_no_gate_starts_are_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "config.toml").write_text(f'[bans]\nstore = "{folder}"\n')
    code = check(folder, f"--config={folder}/config.toml")
    assert code == 2
    assert f"{folder}:1:1: bans can't be read: not a regular file" in capsys.readouterr().out


def test_the_configured_files_are_checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "rules").write_text("no colon\n")
    (folder / "config.toml").write_text(f'[rules]\nallow = "{folder}/rules"\n')
    main(["check", f"--config={folder}/config.toml", f"--deny={folder}/gone", "--no-lookups"])
    assert f"{folder}/rules:1:1:" in capsys.readouterr().out


def test_a_file_that_cannot_be_read_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["check", f"--allow={folder}/loop", f"--deny={folder}/gone", "--no-lookups"])
    assert (code, "can't be read" in capsys.readouterr().out) == (2, True)


def test_names_outside_are_left_alone_without_lookups(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = report(folder, capsys, deny="ALL: 192.0.2.7: user no-such-user-here\n")
    assert found["diagnostics"] == []


def test_an_unknown_user_is_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "allow").write_text("ALL: 192.0.2.7: user no-such-user-here\n")
    code = main(["check", f"--allow={folder}/allow", f"--deny={folder}/gone"])
    wait_threads_gone()
    assert code == 2
    assert ':1:17: unknown user: "no-such-user-here"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("setting", "code", "said"),
    [
        pytest.param(
            '[control]\nadmin-groups = ["no-such-group"]\n',
            0,
            ':2:1: control.admin-groups: there is no group "no-such-group": nobody is in it',
            id="a-group",
        ),
        pytest.param(
            '[daemon.web]\nbackend-users = ["no-such-user"]\n',
            2,
            ":2: daemon.web.backend-users: there is no user 'no-such-user'",
            id="a-user",
        ),
    ],
)
def test_accounts_that_the_configuration_names_and_that_do_not_exist_are_said(
    folder: Path, capsys: pytest.CaptureFixture[str], setting: str, code: int, said: str
) -> None:
    config = folder / "config.toml"
    config.write_text(setting)
    assert (
        main(["check", f"--config={config}", f"--allow={folder}/x", f"--deny={folder}/x"]) == code
    )
    printed = capsys.readouterr()
    assert f"{config}{said}" in printed.out + printed.err


def test_a_file_that_was_typed_and_is_not_there_is_a_warning(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", f"--deny={folder}/hosts.dney", "--no-lookups", "--strict"]) == 2
    assert f"{folder}/hosts.dney:1:1: there is no such file: it has no rules" in (
        capsys.readouterr().out
    )


def test_the_place_of_a_file_is_not_told_of_another_that_was_typed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "config.toml").write_text(f'[rules]\ndeny = "{folder}/deny"\n')
    files = [f"--deny={folder}/hosts.dney", f"--config={folder}/config.toml"]
    assert main(["check", *files, "--no-lookups"]) == 0
    assert "    hint: create it, or name another\n" in capsys.readouterr().out


def test_no_rules_at_all_let_everybody_in(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(folder)
    assert capsys.readouterr().out.endswith("hosts.deny): everybody is let in.\n")


def test_a_word_that_is_wrong_is_not_looked_up_as_well(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "deny").write_text("ALL: 192.0.2.8, !192.0.2.7 joe@!192.0.2.9\n")
    files = [f"--deny={folder}/deny", "--allow=/dev/null", "--config=/dev/null"]
    assert main(["check", "--json", *files]) == 2
    found: Report = json.loads(capsys.readouterr().out)
    assert [one["code"] for one in found["diagnostics"]] == ["never-matches"] * 2 + ["user-lookup"]
