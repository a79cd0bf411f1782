# SPDX-License-Identifier: MIT
"""The set-ups that hosts_access(5) and hosts_options(5) describe do what those pages say."""

import pytest

from socketgate.rules.option import Action, Severity, Spawn, Twist
from socketgate.rules.source import Source, Sources, Text
from socketgate.rules.table import RuleTable, build_table
from tests.support.corpus import settle
from tests.support.libwrap import Question


def table_of(allow: str, deny: str) -> RuleTable:
    files: dict[bytes, Source] = {}
    return build_table(
        Sources(allow=Text(allow.encode()), deny=Text(deny.encode()), host_files=files)
    )


MOSTLY_CLOSED = ("ALL: LOCAL @lab\nALL: .example.org EXCEPT terminal.example.org\n", "ALL: ALL\n")
MOSTLY_OPEN = (
    "",
    "ALL: bad.example.net, .bad.example\nALL EXCEPT in.fingerd: worse.example.net\n",
)
TFTP = (
    "in.tftpd: LOCAL, .my.example\n",
    "in.tftpd: ALL: spawn (safe_finger -l @%h | mail -s %d-%h root) &\n",
)
IN_ONE_FILE = ("ALL: .friendly.example: allow\nALL: ALL: deny\n", "")
TWISTED = ("in.ftpd: ALL: severity mail.info: twist echo 421 not for %a\n", "")


@pytest.mark.parametrize(
    ("rules", "daemon", "name", "verdict"),
    [
        pytest.param(MOSTLY_CLOSED, "sshd", "alpha", "allow", id="a-host-of-the-netgroup"),
        pytest.param(MOSTLY_CLOSED, "sshd", "near", "allow", id="a-local-host"),
        pytest.param(MOSTLY_CLOSED, "sshd", "w.example.org", "allow", id="a-host-of-the-domain"),
        pytest.param(
            MOSTLY_CLOSED, "sshd", "terminal.example.org", "deny", id="the-one-that-is-excepted"
        ),
        pytest.param(MOSTLY_CLOSED, "sshd", "far.example.net", "deny", id="a-stranger"),
        pytest.param(MOSTLY_OPEN, "sshd", "bad.example.net", "deny", id="a-host-kept-out"),
        pytest.param(MOSTLY_OPEN, "in.fingerd", "x.bad.example", "deny", id="a-domain-kept-out"),
        pytest.param(
            MOSTLY_OPEN, "in.fingerd", "worse.example.net", "allow", id="but-for-one-daemon"
        ),
        pytest.param(MOSTLY_OPEN, "sshd", "worse.example.net", "deny", id="for-all-but-one-daemon"),
        pytest.param(MOSTLY_OPEN, "sshd", "far.example.net", "allow", id="open-to-strangers"),
        pytest.param(TFTP, "in.tftpd", "x.my.example", "allow", id="tftp-from-our-domain"),
        pytest.param(TFTP, "in.tftpd", "far.example.net", "deny", id="tftp-from-elsewhere"),
        pytest.param(IN_ONE_FILE, "sshd", "x.friendly.example", "allow", id="allow-in-one-file"),
        pytest.param(IN_ONE_FILE, "sshd", "far.example.net", "deny", id="deny-in-one-file"),
    ],
)
def test_the_manuals_examples_decide_as_they_say(
    rules: tuple[str, str], daemon: str, name: str, verdict: str
) -> None:
    question = Question(daemon=daemon.encode(), address=b"192.0.2.7", name=name.encode())
    answer, _ = settle(table_of(*rules), question.request(), question.answer)
    assert answer.access.value == verdict


@pytest.mark.parametrize(
    ("rules", "daemon", "actions"),
    [
        pytest.param(
            TFTP,
            b"in.tftpd",
            (
                Spawn(
                    b"(safe_finger -l @far.example.net | mail -s in.tftpd-far.example.net root) &"
                ),
            ),
            id="the-booby-trap",
        ),
        pytest.param(
            TWISTED,
            b"in.ftpd",
            (Severity("mail", "info"), Twist(b"echo 421 not for 192.0.2.7")),
            id="another-program-instead",
        ),
    ],
)
def test_the_manuals_commands_are_expanded(
    rules: tuple[str, str], daemon: bytes, actions: tuple[Action, ...]
) -> None:
    question = Question(daemon=daemon, address=b"192.0.2.7", name=b"far.example.net")
    answer, _ = settle(table_of(*rules), question.request(), question.answer)
    assert (answer.access.value, answer.actions) == ("deny", actions)
