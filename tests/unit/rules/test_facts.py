# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.facts import FactNeeded, Facts
from socketgate.rules.request import (
    AccountExists,
    Answer,
    Endpoint,
    Fact,
    Lookup,
    Request,
    RulePlace,
    TableName,
)


def facts(**known: bytes) -> Facts:
    request = Request(daemon=b"sshd", client=Endpoint(b"10.1.2.3"))
    if "name" in known:
        request = request.with_fact(Fact.CLIENT_NAME, known["name"])
    return Facts(request)


def test_a_name_that_nobody_looked_up_is_needed() -> None:
    with pytest.raises(FactNeeded) as raised:
        facts().client.name()
    assert raised.value.fact is Fact.CLIENT_NAME


def test_a_user_can_be_needed_within_a_time() -> None:
    with pytest.raises(FactNeeded) as raised:
        facts().user(5)
    assert (raised.value.fact, raised.value.timeout_seconds) == (Fact.CLIENT_USER, 5)


def test_an_empty_text_is_unknown() -> None:
    assert facts(name=b"").client.name().plain == b"unknown"


def test_an_answer_that_is_no_text_is_unknown() -> None:
    request = Request(daemon=b"sshd").with_fact(Fact.CLIENT_NAME, None)
    assert Facts(request).client.name().plain == b"unknown"


def test_a_name_counts_as_known_only_once_something_asked_for_it() -> None:
    known = facts(name=b"alpha")
    before = known.client.label().raw
    known.client.name()
    assert (before, known.client.label().raw) == (b"10.1.2.3", b"alpha")


def test_an_answer_is_given_as_it_is() -> None:
    request = Request(daemon=b"sshd").with_fact(AccountExists(b"bob", False), True)
    assert Facts(request).answer(AccountExists(b"bob", False)) is True


def test_a_request_that_nothing_changed_is_the_same_one() -> None:
    request = Request(daemon=b"sshd")
    assert Facts(request).as_request() is request


def test_messages_say_which_rule_they_are_about() -> None:
    known = facts()
    known.place = RulePlace(TableName.DENY, "/etc/hosts.deny", 3)
    known.warn("odd")
    known.error("wrong")
    assert known.messages == [
        "warning: /etc/hosts.deny, line 3: odd",
        "error: /etc/hosts.deny, line 3: wrong",
    ]


def test_all_that_is_in_the_request_can_be_taken_for_known() -> None:
    request = Request(daemon=b"sshd").with_fact(Fact.CLIENT_USER, b"bob")
    known = Facts(request.with_fact(Fact.SERVER_NAME, b"srv"))
    known.see_everything()
    user, server, client = known.seen_user(), known.server.seen_name(), known.client.seen_name()
    assert user is not None
    assert server is not None
    assert (user.raw, server.raw, client) == (b"bob", b"srv", None)


def test_what_was_known_before_the_rules_were_asked_is_seen_from_the_start() -> None:
    known: dict[Lookup, Answer] = {Fact.CLIENT_NAME: b"alpha", Fact.CLIENT_USER: b"bob"}
    facts = Facts(Request(daemon=b"sshd", facts=known, seen=frozenset({Fact.CLIENT_USER})))
    assert facts.seen_user() is not None
    assert facts.client.seen_name() is None
