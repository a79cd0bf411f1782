# SPDX-License-Identifier: MIT
import time

import pytest

from socketgate.answers import ExplainAnswer
from socketgate.cli.explaintext import answer_text
from socketgate.cli.output import Paint
from socketgate.explain import Question
from tests.support.controlled import explanation


def text(answer: ExplainAnswer) -> str:
    return answer_text(Question("sshd", "192.0.2.7"), answer, Paint(is_on=False))


@pytest.mark.parametrize(
    "part",
    [
        "sshd from 192.0.2.7: denied, by /etc/hosts.deny:4",
        "generation 5",
        "/etc/hosts.deny:4 ALL: .example.org - matches: the client name is a.example.org",
        "/etc/hosts.deny:1-3 (3 rules) - no: none of them",
        "client name = a.example.org (kept, 1min 1s old)",
    ],
)
def test_the_verdict_and_its_reasons_are_told(part: str) -> None:
    assert part in text(explanation())


def test_a_ban_is_the_reason() -> None:
    answer = explanation()
    answer["by"] = "ban"
    answer["bans"] = [
        {"net": "192.0.2.0/24", "daemon": "ALL", "made": 1, "until": None, "origin": "me",
         "reason": "scans"},
    ]  # fmt: skip
    answer["unbanned"] = {
        "verdict": "allow", "by": "rule", "file": "/etc/hosts.allow", "line": 3, "text": "ALL: ALL",
    }  # fmt: skip
    assert text(answer).splitlines()[:3] == [
        "sshd from 192.0.2.7: denied, by a ban of 192.0.2.0/24",
        "      Bans: 192.0.2.0/24, for ALL, me, scans",
        "Without it: granted, by /etc/hosts.allow:3",
    ]


def test_it_is_told_if_the_files_say_something_else() -> None:
    answer = explanation()
    answer["not_in_force"] = "hosts.deny:2: no colon"
    assert "not what the files say now: hosts.deny:2: no colon" in text(answer)


def test_no_rule_is_a_reason() -> None:
    answer = explanation("allow")
    answer["by"] = "no rule"
    assert "granted, by no rule: none matches" in text(answer)


def test_a_ban_that_does_not_count_says_so() -> None:
    answer = explanation("allow")
    answer["never_banned"] = True
    answer["bans"] = [
        {"net": "192.0.2.7/32", "daemon": "sshd", "made": 1, "until": int(time.time()) + 3600,
         "origin": "", "reason": ""},
    ]  # fmt: skip
    (line,) = [line for line in text(answer).splitlines() if "Bans:" in line]
    assert line.split(": ", 1)[1].startswith("192.0.2.7, for sshd, another 59min")
    assert line.endswith("does not count: never-ban")
