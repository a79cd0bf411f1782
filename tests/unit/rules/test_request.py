# SPDX-License-Identifier: MIT
from socketgate.rules.request import CommandStatus, Endpoint, Fact, Request


def test_a_fact_is_added_to_the_request_and_nothing_else_changes() -> None:
    seen = frozenset({Fact.CLIENT_USER})
    request = Request(daemon=b"sshd", client=Endpoint(b"10.1.2.3", 7), pid=3, seen=seen)
    richer = request.with_fact(Fact.CLIENT_NAME, b"alpha")
    assert (richer.facts, request.facts) == ({Fact.CLIENT_NAME: b"alpha"}, {})
    assert (richer.daemon, richer.client, richer.pid) == (b"sshd", Endpoint(b"10.1.2.3", 7), 3)
    assert richer.seen == seen


def test_the_same_command_again_is_another_question() -> None:
    assert CommandStatus(b"x") != CommandStatus(b"x", 1)
