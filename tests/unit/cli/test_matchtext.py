# SPDX-License-Identifier: MIT
import pytest

from socketgate.cli.matchtext import answer_text, fact_text, option_text, verdict_json
from socketgate.cli.output import Paint
from socketgate.dryrun import Given, answer_given
from socketgate.rules import option
from socketgate.rules.option import Action
from socketgate.rules.request import (
    AccountExists,
    CommandStatus,
    Fact,
    ForwardAddresses,
    InNetgroup,
    Lookup,
)
from socketgate.rules.request import Answer as FactAnswer
from socketgate.rules.source import Sources
from socketgate.rules.table import build_table
from tests.support.build import request, text_of


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (option.Spawn(b"/bin/x \x1b"), "spawn /bin/x \\x1b"),
        (option.Twist(b"/bin/x"), "twist /bin/x"),
        (option.Severity("mail", "info"), "severity mail.info"),
        (option.Severity(None, "info"), "severity info"),
        (option.KeepAlive(), "keepalive"),
        (option.Linger(3), "linger 3"),
        (option.Banners(b"/etc/banners"), "banners /etc/banners"),
        (option.SetEnv(b"A", b"b c"), "setenv A b c"),
        (option.Umask(0o22), "umask 022"),
        (option.Nice(-5), "nice -5"),
        (option.RunAsUser(b"www", None), "user www"),
        (option.RunAsUser(b"www", b"web"), "user www.web"),
        (option.RunAsGroup(b"web"), "group web"),
    ],
)
def test_an_option_reads_as_in_a_rule(action: Action, text: str) -> None:
    assert option_text(action) == text


@pytest.mark.parametrize(
    ("fact", "found", "text"),
    [
        (Fact.CLIENT_NAME, b"a.example.org", "client name = a.example.org"),
        (Fact.CLIENT_USER, b"unknown", "client user = unknown (give it by user=)"),
        (InNetgroup(b"lab", b"alpha"), True, "alpha in netgroup lab = yes"),
        (AccountExists(b"www", is_group=False), False, "user www exists = no"),
        (CommandStatus(b"/bin/x"), 1, "exit status of /bin/x = 1 (not run; give it by aclexec=)"),
        (ForwardAddresses(b"a.example"), frozenset(), "addresses of a.example = none known"),
        (ForwardAddresses(b"a.example"), frozenset({b"::1"}), "addresses of a.example = ::1"),
    ],
)
def test_a_fact_is_a_sentence(fact: Lookup, found: FactAnswer, text: str) -> None:
    assert fact_text(fact, found, Given()) == text


def test_a_fact_that_was_given_as_unknown_is_not_asked_for() -> None:
    given = Given({Fact.CLIENT_NAME: b"unknown"})
    assert fact_text(Fact.CLIENT_NAME, b"unknown", given) == "client name = unknown"


def test_what_libwrap_would_log_is_shown() -> None:
    sources = Sources(deny=text_of("ALL: ALL: nice x\n"))
    table = build_table(sources)
    text = answer_text(
        answer_given(table, request(), Given()), table, sources, Given(), Paint(is_on=False)
    )
    assert 'Messages: error: /etc/hosts.deny, line 1: bad nice value: "x"\n' in text


def test_the_verdict_is_green_or_red_on_a_terminal() -> None:
    sources = Sources(deny=text_of("ALL: ALL\n"))
    table = build_table(sources)
    answer = answer_given(table, request(), Given())
    text = answer_text(answer, table, sources, Given(), Paint(is_on=True))
    assert text.startswith("sshd from 192.0.2.7: \033[0;1;31mdenied\033[0m\n")


def test_a_verdict_without_a_rule_has_no_file_and_line() -> None:
    answer = answer_given(build_table(Sources()), request(), Given())
    assert verdict_json(answer) == {
        "verdict": "allow",
        "twist": False,
        "file": None,
        "line": None,
        "errors": [],
    }
