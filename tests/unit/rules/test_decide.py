# SPDX-License-Identifier: MIT
import dataclasses

import pytest

from socketgate.rules.decide import decide
from socketgate.rules.option import Severity, Spawn
from socketgate.rules.request import (
    Access,
    Answer,
    CommandStatus,
    Endpoint,
    Fact,
    ForwardAddresses,
    Lookup,
    Need,
    Request,
    RulePlace,
    TableName,
)
from socketgate.rules.source import Directory, Source, Sources, Text, Unreadable
from socketgate.rules.table import RuleTable, build_table
from socketgate.rules.verdict import Verdict

REQUEST = Request(daemon=b"sshd", client=Endpoint(b"10.1.2.3"))


def table_of(allow: bytes | Source = b"", deny: bytes | Source = b"") -> RuleTable:
    def source(given: bytes | Source) -> Source:
        return Text(given) if isinstance(given, bytes) else given

    return build_table(Sources(allow=source(allow), deny=source(deny)))


def verdict(table: RuleTable, address: bytes = b"10.1.2.3", **facts: Answer) -> Verdict:
    known: dict[Lookup, Answer] = {Fact[key.upper()]: answer for key, answer in facts.items()}
    answer = decide(table, Request(daemon=b"sshd", client=Endpoint(address), facts=known))
    assert isinstance(answer, Verdict)
    return answer


def test_who_is_named_nowhere_is_allowed() -> None:
    answer = verdict(table_of())
    assert (answer.access, answer.place) == (Access.ALLOW, None)


def test_hosts_allow_comes_first() -> None:
    answer = verdict(table_of(b"# x\nALL: 10.\n", b"ALL: ALL\n"))
    assert answer.place == RulePlace(TableName.ALLOW, "/etc/hosts.allow", 2)
    assert answer.access is Access.ALLOW


def test_a_name_is_asked_for_only_when_no_address_rule_stands_before_it() -> None:
    table = table_of(b"ALL: 10.1.2.4\nALL: .example.org\nALL: 10.\n", b"ALL: ALL\n")
    assert decide(table, REQUEST) == Need(Fact.CLIENT_NAME)
    assert verdict(table, b"10.1.2.4").access is Access.ALLOW


def test_an_error_in_hosts_deny_refuses_whoever_gets_there() -> None:
    answer = verdict(table_of(b"ALL: 11.\n", b"ALL: 12.\nALL: 13."))
    assert (answer.access, answer.place) == (Access.DENY, None)
    assert answer.messages == (
        "warning: /etc/hosts.deny, line 1: missing newline or line too long",
        "warning: /etc/hosts.deny, line 1: all the subsequent rules will be ignored",
    )


@pytest.mark.parametrize("address", [b"10.1.2.3", b"::1", b"unknown", b"010.1.2.3"])
def test_a_hosts_deny_that_cant_be_read_refuses_everybody(address: bytes) -> None:
    answer = verdict(table_of(b"", Unreadable("Permission denied")), address)
    assert answer.access is Access.DENY
    assert answer.messages == ("warning: cannot open /etc/hosts.deny: Permission denied",)


@pytest.mark.parametrize("source", [Unreadable("Permission denied"), Directory(), b"ALL: ALL"])
def test_a_bad_hosts_allow_only_says_nothing(source: Source | bytes) -> None:
    assert verdict(table_of(source, b"ALL: 11.\n")).access is Access.ALLOW


@pytest.mark.parametrize(
    ("allow", "deny", "statuses", "access"),
    [
        (b"ALL: ALL: aclexec x\n", b"ALL: ALL\n", [0], Access.ALLOW),
        (b"ALL: ALL: aclexec x\n", b"ALL: ALL\n", [1], Access.DENY),
        (b"ALL: ALL: aclexec x\nALL: ALL\n", b"ALL: 10.1.2.3\n", [1], Access.DENY),
        (b"ALL: ALL: aclexec x\nALL: ALL\n", b"ALL: 11.\n", [-9], Access.ALLOW),
        (b"ALL: ALL: aclexec x\n", b"ALL: ALL: spawn y\n", [1], Access.ALLOW),
        (b"ALL: ALL: aclexec x\n", b"ALL: ALL: deny\n", [1], Access.DENY),
        (b"ALL: ALL: aclexec x\n", b"ALL: 10.0.0.0/8: deny\n", [1], Access.DENY),
        (b"ALL: ALL: aclexec x: aclexec x\n", b"ALL: ALL\n", [1, 0], Access.ALLOW),
        (b"", b"ALL: ALL: aclexec x\nALL: ALL\n", [1], Access.ALLOW),
        (b"", b"ALL: ALL: aclexec x\n", [0], Access.DENY),
        (b"ALL: ALL: aclexec x\n", b"", [None], Access.DENY),
        (b"", b"ALL: ALL: aclexec x\n", [None], Access.DENY),
        (b"ALL: ALL: aclexec x: allow\n", b"ALL: ALL\n", [1], Access.ALLOW),
    ],
)
@pytest.mark.parametrize("address", [b"10.1.2.3", b"012.1.2.3"])
def test_a_command_can_make_a_rule_not_count(
    allow: bytes, deny: bytes, statuses: list[int | None], access: Access, address: bytes
) -> None:
    if address != b"10.1.2.3" and b"10.1.2.3" in deny:
        deny = deny.replace(b"10.1.2.3", address)
    request = dataclasses.replace(REQUEST, client=Endpoint(address))
    for occurrence, status in enumerate(statuses):
        request = request.with_fact(CommandStatus(b"x", occurrence), status)
    answer = decide(table_of(allow, deny), request)
    assert isinstance(answer, Verdict)
    assert answer.access is access


def test_what_a_rule_did_before_it_did_not_count_stays_done() -> None:
    table = table_of(b"ALL: ALL: spawn a: aclexec x\n", b"ALL: ALL: severity err: deny\n")
    answer = decide(table, REQUEST.with_fact(CommandStatus(b"x"), 1))
    assert isinstance(answer, Verdict)
    assert answer.actions == (Spawn(b"a"), Severity(None, "err"))
    assert answer.place == RulePlace(TableName.DENY, "/etc/hosts.deny", 1)


def test_a_text_that_was_cleaned_goes_out_with_the_verdict() -> None:
    answer = verdict(table_of(b"ALL: ALL: spawn x %n\n"), client_name=b"a;b")
    assert answer.request is not None
    assert answer.request.facts[Fact.CLIENT_NAME] == b"a_b"


def test_the_time_for_a_user_comes_from_the_rule() -> None:
    need = decide(table_of(b"ALL: ALL: rfc931 5\n"), REQUEST)
    assert isinstance(need, Need)
    assert (need.fact, need.timeout_seconds) == (Fact.CLIENT_USER, 5)


def test_a_need_of_options_has_their_rule_and_what_they_have_said_so_far() -> None:
    table = table_of(b"ALL: 11.\nALL: 10.: severity err: rfc931: severity debug\n")
    rule = RulePlace(TableName.ALLOW, "/etc/hosts.allow", 2)
    assert decide(table, REQUEST) == Need(
        Fact.CLIENT_USER, actions=(Severity(None, "err"),), rule=rule
    )


def test_a_need_of_a_pattern_is_no_rules_yet() -> None:
    table = table_of(b"ALL: 10.: severity err: aclexec x\n", b"ALL: .example.org\n")
    needs = [decide(table, REQUEST.with_fact(CommandStatus(b"x"), status)) for status in (0, 1)]
    assert isinstance(needs[0], Verdict)
    assert needs[1] == Need(Fact.CLIENT_NAME, actions=(Severity(None, "err"),))


@pytest.mark.parametrize("address", [b"10.1.2.3", b"unknown", b"::1", b"::ffff:10.1.2.3", b""])
def test_any_client_can_be_decided(address: bytes) -> None:
    table = table_of(b"ALL: ALL EXCEPT 10.\n", b"ALL: 10.0.0.0/8\n")
    assert verdict(table, address).place is not None


@pytest.mark.parametrize(
    ("addresses", "access"),
    [(frozenset({b"10.1.2.3"}), Access.ALLOW), (frozenset({b"10.1.2.4"}), Access.DENY)],
)
def test_a_forward_name_lets_its_addresses_in(addresses: frozenset[bytes], access: Access) -> None:
    table = table_of(b"sshd: dns:Home.example.org : allow\n", b"ALL: ALL\n")
    lookup = ForwardAddresses(b"home.example.org")
    assert decide(table, REQUEST) == Need(lookup)
    answer = decide(table, REQUEST.with_fact(lookup, addresses))
    assert isinstance(answer, Verdict)
    assert answer.access is access


@pytest.mark.parametrize("word", ["[fe80::]/10", "[fe80::1]"])
def test_a_client_by_an_interface_that_is_new_is_its_address(word: str) -> None:
    table = table_of(b"", f"ALL: {word}\n".encode())
    client = Endpoint(b"fe80::1%wg9")
    answer = decide(table, Request(daemon=b"sshd", client=client, zones=frozenset({b"wg9"})))
    assert isinstance(answer, Verdict)
    assert answer.access is Access.DENY
