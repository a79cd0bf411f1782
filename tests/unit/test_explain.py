# SPDX-License-Identifier: MIT
from dataclasses import replace

import pytest

from socketgate.answers import ExplainAnswer
from socketgate.bans import Ban, Bans, parse_net
from socketgate.explain import Grounds, Question, explain, parse_question
from socketgate.lookup_values import Found
from socketgate.rules.request import (
    Endpoint,
    Need,
    Request,
)
from socketgate.rules.source import Sources
from socketgate.rules.table import RuleTable, build_table
from socketgate.varlink import CallFailed
from tests.support.build import sources
from tests.support.waiting import play

CLIENT = Question("sshd", "192.0.2.7")


def explained(
    question: Question = CLIENT,
    *,
    allow: str = "",
    deny: str = "",
    kept: tuple[Found, float] | None = None,
    bans: Bans | None = None,
) -> ExplainAnswer:
    """By these rules; a lookup finds a.example.org."""
    return by_grounds(question, grounds(sources(allow, deny), kept=kept, bans=bans))


def grounds(
    files: Sources,
    table: RuleTable | None = None,
    *,
    kept: tuple[Found, float] | None = None,
    bans: Bans | None = None,
) -> Grounds:
    async def look_up(_need: Need, _request: Request) -> Found:
        return Found(b"a.example.org", "name: slow")

    return Grounds(
        sources=files,
        table=table or build_table(files),
        generation=7,
        server=Endpoint(port=22),
        kept=lambda _need, _request: kept,
        look_up=look_up,
        bans=bans or Bans(),
        limits=("enough",),
    )


def by_grounds(question: Question, grounds: Grounds) -> ExplainAnswer:
    return play(explain(question, grounds))


def banned(net: str, *, spared: str = "", daemon: str = "ALL") -> Bans:
    bans = Bans([parse_net(spared)] if spared else [])
    bans.apply(Ban(net=parse_net(net), made=1, daemon=daemon))
    return bans


def test_a_rule_that_decides_is_named() -> None:
    answer = explained(deny="ALL: .example.org\n")
    assert (answer["verdict"], answer["by"]) == ("deny", "rule")
    assert (answer["file"], answer["line"]) == ("/etc/hosts.deny", 1)
    assert answer["text"] == "ALL: .example.org"


def test_an_address_rule_that_decides_has_its_text() -> None:
    assert explained(deny="# a\nALL: 192.0.2.7\n")["text"] == "ALL: 192.0.2.7"


def test_the_server_address_may_be_given() -> None:
    question = Question("sshd", "192.0.2.7", server="198.51.100.1")
    assert explained(question, deny="sshd@198.51.100.1: ALL\n")["verdict"] == "deny"


def test_the_port_that_a_gate_knows_is_the_one_that_counts() -> None:
    assert explained(Question("sshd", "192.0.2.7", port=23), deny="22: ALL\n")["verdict"] == "deny"


def test_a_port_is_given_where_no_gate_knows_it() -> None:
    by_files = replace(grounds(sources("", "23: ALL\n")), server=Endpoint())
    assert by_grounds(Question("sshd", "192.0.2.7", port=23), by_files)["verdict"] == "deny"


def test_without_a_rule_everybody_is_granted() -> None:
    answer = explained()
    assert (answer["verdict"], answer["by"], answer["file"]) == ("allow", "no rule", None)


def test_a_file_that_cannot_be_read_on_is_told() -> None:
    answer = explained(deny="ALL: .com")
    assert (answer["verdict"], answer["by"]) == ("deny", "broken file")


def test_generation_and_limits_are_told() -> None:
    answer = explained()
    assert (answer["generation"], answer["limits"]) == (7, ["enough"])


@pytest.mark.parametrize(
    ("question", "kept", "source", "age"),
    [
        pytest.param(CLIENT, None, "looked up", 0.0, id="looked-up"),
        pytest.param(CLIENT, (Found(b"b.example.org"), 12.34), "kept", 12.3, id="kept"),
        pytest.param(Question("sshd", "192.0.2.7", name="c.org"), None, "given", 0.0, id="given"),
    ],
)
def test_a_fact_says_where_it_is_from_and_how_old(
    question: Question, kept: tuple[Found, float] | None, source: str, age: float
) -> None:
    (fact,) = explained(question, deny="ALL: .example.org\n", kept=kept)["facts"]
    assert (fact["fact"], fact["source"], fact["age"]) == ("client name", source, age)


def test_a_fact_that_was_given_counts() -> None:
    question = Question("sshd", "192.0.2.7", name="bad.example.com")
    assert explained(question, deny="ALL: .example.com\n")["verdict"] == "deny"


def test_what_went_wrong_with_a_lookup_is_told() -> None:
    (fact,) = explained(deny="ALL: .example.org\n")["facts"]
    assert fact["note"] == "name: slow"


def test_files_that_are_not_in_force_are_told() -> None:
    troubled = replace(grounds(sources()), trouble="hosts.deny:1: no colon")
    assert by_grounds(CLIENT, troubled)["not_in_force"] == "hosts.deny:1: no colon"


def test_no_fact_is_looked_up_that_is_not_needed() -> None:
    assert explained(deny="ALL: 192.0.2.7\nALL: .example.org\n")["facts"] == []


def test_a_user_cannot_be_asked_for() -> None:
    (fact,) = explained(deny="ALL: root@ALL\n")["facts"]
    assert (fact["answer"], fact["source"][:5]) == ("unknown", "none:")


def test_no_command_is_run() -> None:
    (fact,) = explained(allow="ALL: ALL: aclexec /bin/false\n")["facts"]
    assert (fact["fact"], fact["answer"]) == ("exit status of /bin/false", "0")


def test_a_ban_decides_and_the_rules_are_told_all_the_same() -> None:
    answer = explained(allow="sshd: ALL\n", bans=banned("192.0.2.0/24"))
    assert (answer["verdict"], answer["by"], answer["file"]) == ("deny", "ban", None)
    assert [one["matched"] for one in answer["rules"]] == [True]
    assert answer["unbanned"] == {
        "verdict": "allow",
        "by": "rule",
        "file": "/etc/hosts.allow",
        "line": 1,
        "text": "sshd: ALL",
    }


def test_a_ban_for_another_daemon_is_none() -> None:
    assert explained(bans=banned("192.0.2.0/24", daemon="smtp"))["bans"] == []


def test_a_ban_does_not_count_for_who_is_spared() -> None:
    answer = explained(bans=banned("192.0.2.0/24", spared="192.0.2.7"))
    assert (answer["verdict"], answer["never_banned"], len(answer["bans"])) == ("allow", True, 1)


@pytest.mark.parametrize("address", ["fe80::7%lo", "fe80::7"])
def test_a_ban_concerns_a_link_local_client_on_every_link(address: str) -> None:
    assert explained(Question("sshd", address), bans=banned("fe80::7"))["by"] == "ban"


def test_a_question_is_read() -> None:
    parameters = {"daemon": "sshd", "address": "2001:DB8::7", "user": "root", "server": "::1"}
    assert parse_question(parameters) == Question("sshd", "2001:db8::7", None, "root", "::1")


@pytest.mark.parametrize(
    ("parameters", "wrong"),
    [
        ({}, "daemon"),
        ({"daemon": "", "address": "192.0.2.7"}, "daemon"),
        ({"daemon": 1, "address": "192.0.2.7"}, "daemon"),
        ({"daemon": "sshd"}, "address"),
        ({"daemon": "sshd", "address": "host.example.org"}, "address"),
        ({"daemon": "sshd", "address": "192.0.2.7", "name": 1}, "name"),
        ({"daemon": "sshd", "address": "192.0.2.7", "server": "me"}, "server"),
        ({"daemon": "sshd", "address": "192.0.2.7", "user": "x" * 256}, "user"),
        ({"daemon": "ssh\ud800", "address": "192.0.2.7"}, "daemon"),
        ({"daemon": "sshd", "address": "fe80::1%\ud800"}, "address"),
    ],
)
def test_a_question_that_makes_no_sense_is_an_error(
    parameters: dict[str, object], wrong: str
) -> None:
    with pytest.raises(CallFailed) as caught:
        parse_question(parameters)
    assert caught.value.parameters == {"parameter": wrong}


def test_a_name_that_is_no_utf_8_is_taken_byte_for_byte() -> None:
    question = Question("sshd", "192.0.2.7", name="\udcff.example.org")
    answer = explained(question, deny="sshd: .example.org\n")
    assert [fact["answer"] for fact in answer["facts"]] == ["\\xff.example.org"]
