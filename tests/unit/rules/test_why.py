# SPDX-License-Identifier: MIT
"""socketgate.rules.why: why a rule matches or doesn't."""

from dataclasses import replace

import pytest

from socketgate.rules.host import Unopenable
from socketgate.rules.hostfile import build_library
from socketgate.rules.request import (
    PARANOID,
    UNKNOWN,
    AccountExists,
    Answer,
    CommandStatus,
    Endpoint,
    Fact,
    ForwardAddresses,
    InNetgroup,
    Lookup,
    Request,
)
from socketgate.rules.source import Text
from socketgate.rules.why import fact_name, fact_value, why
from socketgate.rules.word import Reading
from tests.support.build import request

NAME, USER, SERVER = Fact.CLIENT_NAME, Fact.CLIENT_USER, Fact.SERVER_NAME
LIST, LOCKED, EMPTY = b"/etc/list", b"/etc/locked", b"/etc/empty"
READING = Reading(
    library={
        **build_library({LIST: Text(b"192.0.2.\n.example.org\n"), EMPTY: Text(b"")}, Reading()),
        LOCKED: Unopenable("Permission denied"),
    }
)


def asked(facts: dict[Lookup, Answer]) -> Request:
    """192.0.2.7, to 198.51.100.1 port 22."""
    return replace(request(), facts=facts)


def reason(rule: str, facts: dict[Lookup, Answer] | None = None) -> str:
    return why(rule.encode(), asked(facts or {}), READING)[1]


@pytest.mark.parametrize(
    ("rule", "facts", "expected"),
    [
        ("ALL: ALL", {}, "ALL: everybody"),
        ("sshd: 192.0.2.0/24", {}, "192.0.2.0/24: the address is 192.0.2.7"),
        ("sshd: 10. 192.0.2.", {}, "192.0.2.: the address is 192.0.2.7"),
        ("22: 192.0.2.7", {}, "192.0.2.7: the address is 192.0.2.7"),
        ("sshd@198.51.100.1: ALL", {}, "ALL: everybody"),
        ("sshd: /etc/list", {}, "/etc/list: the address is 192.0.2.7"),
        ("sshd: .org", {NAME: b"a.org"}, ".org: the client name is a.org"),
        ("sshd: KNOWN", {NAME: b"a.org"}, "KNOWN: the client name is a.org"),
        ("sshd: UNKNOWN", {NAME: UNKNOWN}, "UNKNOWN: the client name is not known"),
        (
            "sshd: PARANOID",
            {NAME: PARANOID},
            "PARANOID: the client name is paranoid: it contradicts the address",
        ),
        ("sshd: bob@ALL", {USER: b"bob"}, "bob@ALL: the client user is bob"),
        (
            "sshd: bob@.org",
            {NAME: b"a.org", USER: b"bob"},
            "bob@.org: the client name is a.org, the client user is bob",
        ),
        (
            "sshd: @staff",
            {NAME: b"a.org", InNetgroup(b"staff", b"a.org"): True},
            "@staff: the client name is a.org, a.org is in the netgroup staff",
        ),
        (
            "sshd: dns:a.org",
            {ForwardAddresses(b"a.org"): frozenset({b"192.0.2.7"})},
            "dns:a.org: a.org has 192.0.2.7",
        ),
        (
            "sshd: ALL EXCEPT 192.0.2. EXCEPT 192.0.2.7",
            {},
            (
                "ALL: everybody; EXCEPT 192.0.2. takes the client out: the address is 192.0.2.7; "
                "EXCEPT 192.0.2.7 takes it in again: the address is 192.0.2.7"
            ),
        ),
    ],
)
def test_a_match_names_the_word_that_does_it(
    rule: str, facts: dict[Lookup, Answer], expected: str
) -> None:
    assert why(rule.encode(), asked(facts), READING) == (True, expected)


@pytest.mark.parametrize(
    ("rule", "facts", "expected"),
    [
        ("sshd: 10.", {}, "it doesn't list 192.0.2.7"),
        (
            "sshd: .org 10.",
            {NAME: b"a.example"},
            "it doesn't list 192.0.2.7: the client name is a.example",
        ),
        (
            "sshd: 192.0.2. EXCEPT 192.0.2.7",
            {},
            "EXCEPT 192.0.2.7 takes the client out: the address is 192.0.2.7",
        ),
        (
            "sshd: .org EXCEPT bad.org",
            {NAME: b"bad.org"},
            "EXCEPT bad.org takes the client out: the client name is bad.org",
        ),
        (
            "sshd: root@192.0.2.7",
            {USER: b"bob"},
            (
                "it doesn't list 192.0.2.7: the client user is bob; "
                "root@192.0.2.7: the host would match"
            ),
        ),
        ("sshd: root@10.", {USER: b"bob"}, "it doesn't list 192.0.2.7"),
        (
            "sshd: @staff",
            {NAME: b"a.org", InNetgroup(b"staff", b"a.org"): False},
            (
                "it doesn't list 192.0.2.7: the client name is a.org; "
                "a.org is not in the netgroup staff"
            ),
        ),
        (
            "sshd: dns:a.org",
            {ForwardAddresses(b"a.org"): frozenset({b"10.0.0.2", b"10.0.0.1"})},
            "it doesn't list 192.0.2.7: a.org has 10.0.0.1, 10.0.0.2",
        ),
        (
            "sshd: dns:a.org",
            {ForwardAddresses(b"a.org"): frozenset()},
            "it doesn't list 192.0.2.7: a.org has no address that is known",
        ),
        (
            "sshd: 192.0.2.1/24",
            {},
            "it doesn't list 192.0.2.7: 192.0.2.1/24 can match nothing",
        ),
        (
            "sshd: /etc/empty",
            {},
            "it doesn't list 192.0.2.7: /etc/empty is empty or not there",
        ),
        (
            "sshd: /etc/locked",
            {},
            "it doesn't list 192.0.2.7: open /etc/locked: Permission denied",
        ),
    ],
)
def test_a_client_list_that_does_not_match_says_what_stands_against_it(
    rule: str, facts: dict[Lookup, Answer], expected: str
) -> None:
    assert why(rule.encode(), asked(facts), READING) == (False, expected)


def test_facts_that_the_rule_did_not_need_are_not_told() -> None:
    assert reason("sshd: 10.", {NAME: b"a.org", USER: b"bob"}) == "it doesn't list 192.0.2.7"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("smtp: ALL", "not for sshd"),
        ("ALL EXCEPT sshd: ALL", "not for sshd: EXCEPT sshd"),
        ("23: ALL", "not for sshd: 23: the server port is 22"),
        (
            "sshd@192.0.2.1: ALL",
            "not for sshd: sshd@192.0.2.1: the server address is 198.51.100.1",
        ),
        (
            "sshd@www.org smtp@192.0.2.1: ALL",
            (
                "not for sshd: sshd@www.org: the server address is 198.51.100.1, "
                "the server name is srv.org"
            ),
        ),
    ],
)
def test_a_daemon_list_that_does_not_match_says_why(rule: str, expected: str) -> None:
    assert reason(rule, {SERVER: b"srv.org"}) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("22: ALL", "not for sshd: 22: the server port is not known"),
        ("sshd@192.0.2.1: ALL", "not for sshd: sshd@192.0.2.1: the server address is not known"),
    ],
)
def test_what_is_not_known_of_the_server_is_said(rule: str, expected: str) -> None:
    client = replace(request(), server=Endpoint())
    assert why(rule.encode(), client, READING) == (False, expected)


def test_a_fact_that_nobody_looked_up_matches_nothing() -> None:
    assert why(b"sshd: .org EXCEPT ALL", request(), READING)[0] is False


def test_a_line_that_is_no_rule_matches_nothing() -> None:
    assert why(b"sshd", request(), READING) == (False, "it is no rule")


def test_words_that_are_no_text_are_told_escaped() -> None:
    assert reason("sshd: \xff.org", {NAME: b"a"}).isprintable()


@pytest.mark.parametrize(
    ("fact", "name"),
    [
        (Fact.CLIENT_NAME, "client name"),
        (InNetgroup(b"staff", b"a.org"), "a.org in netgroup staff"),
        (AccountExists(b"root", is_group=False), "user root exists"),
        (AccountExists(b"wheel", is_group=True), "group wheel exists"),
        (CommandStatus(b"/bin/x"), "exit status of /bin/x"),
        (ForwardAddresses(b"a.org"), "addresses of a.org"),
    ],
)
def test_every_fact_has_a_name(fact: Lookup, name: str) -> None:
    assert fact_name(fact) == name


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (True, "yes"),
        (False, "no"),
        (b"a.org\xff", "a.org\\xff"),
        (3, "3"),
        (frozenset({b"::1", b"127.0.0.1"}), "127.0.0.1, ::1"),
        (frozenset[bytes](), "none known"),
    ],
)
def test_every_answer_has_a_text(answer: Answer, text: str) -> None:
    assert fact_value(answer) == text
