# SPDX-License-Identifier: MIT
"""What holds for all rule files, whatever bytes they are."""

from hypothesis import given
from hypothesis import strategies as st

from socketgate.rules.decide import decide
from socketgate.rules.diagnostic import MAX_KEPT
from socketgate.rules.request import (
    Endpoint,
    Fact,
    Need,
    Request,
    TableName,
)
from socketgate.rules.source import Source, Sources, Text
from socketgate.rules.syntax import host_files_named, parse
from socketgate.rules.table import RuleTable, build_table
from tests.support.corpus import fast_difference, settle
from tests.support.libwrap import Question
from tests.support.rulegen import Generator, RuleSet

#: Pieces that mean something, so that random texts get somewhere.
PIECES = st.sampled_from(
    (
        b"sshd", b"ALL", b": ", b":", b" EXCEPT ", b",", b"\n", b"\\\n", b"10.1.2.3", b"10.",
        b"[::1]", b"[", b"]", b"/24", b"/", b"@", b".org", b"*", b"?", b"allow", b"deny",
        b"spawn x %h", b"%",
        b"aclexec y", b"severity mail.info", b"#", b"\0", b"dns:a.example.org",
        b"/etc/list", b"\\:",
    )
)  # fmt: skip
TEXTS = st.lists(PIECES | st.binary(max_size=4), max_size=40).map(b"".join)
SEEDS = st.integers(min_value=0, max_value=1 << 32)


def table_of(allow: bytes, deny: bytes, *, list_text: bytes = b"") -> RuleTable:
    files: dict[bytes, Source] = {b"/etc/list": Text(list_text)}
    return build_table(Sources(allow=Text(allow), deny=Text(deny), host_files=files))


def generated(seed: int) -> tuple[RuleSet, RuleTable, Question]:
    generator = Generator(seed)
    rules = generator.rule_set()
    table = build_table(
        Sources(
            allow=Text(rules.allow or b""),
            deny=Text(rules.deny or b""),
            host_files={b"{DIR}/" + name: Text(text) for name, text in rules.host_files.items()},
        )
    )
    return rules, table, generator.question()


@given(TEXTS, st.sampled_from(TableName))
def test_parsing_any_bytes_gives_rules_and_diagnostics(text: bytes, table: TableName) -> None:
    parsed = parse(Text(text), "hosts", table)
    assert len(parsed.diagnostics) <= 2 * MAX_KEPT


@given(TEXTS, TEXTS)
def test_diagnostics_point_into_the_file(text: bytes, list_text: bytes) -> None:
    """Line and column are there, and the source line is the file's."""
    lines = {"/etc/hosts.deny": text.split(b"\n"), "/etc/list": list_text.split(b"\n")}
    for found in table_of(b"", text, list_text=list_text).diagnostics:
        source = lines[found.origin][found.line - 1]
        assert source == found.source_line
        assert 1 <= found.column <= len(source) + 1


@given(TEXTS)
def test_host_files_are_named_for_any_bytes(text: bytes) -> None:
    sources = Sources(allow=Text(text), host_files={b"/etc/list": Text(text)})
    assert all(path.startswith(b"/") for path in host_files_named(sources))


@given(TEXTS, TEXTS, TEXTS)
def test_decide_answers_any_files_and_asks_each_thing_once(
    allow: bytes, deny: bytes, list_text: bytes
) -> None:
    table = table_of(allow, deny, list_text=list_text)
    question = Question(daemon=b"sshd", address=b"10.1.2.3", name=b"a.example.org", user=b"bob")
    _, asked = settle(table, question.request(), question.answer)
    assert len(asked) == len(set(asked))


@given(SEEDS)
def test_the_fast_path_says_what_decide_says(seed: int) -> None:
    _, table, question = generated(seed)
    verdict, _ = settle(table, question.request(), question.answer)
    assert fast_difference(table, question.request(), verdict) == ""


@given(SEEDS)
def test_a_fact_that_was_not_asked_for_changes_nothing(seed: int) -> None:
    _, table, question = generated(seed)
    request = question.request()
    verdict, asked = settle(table, request, question.answer)
    for fact in (Fact.CLIENT_NAME, Fact.CLIENT_USER, Fact.SERVER_NAME):
        if fact not in asked:
            request = request.with_fact(fact, b"other.example.net")
    again, _ = settle(table, request, question.answer)
    assert (again.access, again.place, again.actions) == (
        verdict.access,
        verdict.place,
        verdict.actions,
    )


@given(SEEDS)
def test_rules_behind_the_one_that_decides_change_nothing(seed: int) -> None:
    rules, table, question = generated(seed)
    verdict, _ = settle(table, question.request(), question.answer)
    place = verdict.place
    deny = rules.deny or b""
    if place is None or place.table is not TableName.DENY or not deny.endswith(b"\n"):
        return
    more = (b"ALL: ALL\n", b"sshd: .org: allow\n", b"ALL: 10.\n")[seed % 3]
    longer = build_table(
        Sources(
            allow=Text(rules.allow or b""),
            deny=Text(deny + more),
            host_files={b"{DIR}/" + name: Text(text) for name, text in rules.host_files.items()},
        )
    )
    assert settle(longer, question.request(), question.answer)[0] == verdict


@given(SEEDS)
def test_equal_sources_make_equal_tables(seed: int) -> None:
    _, one, _ = generated(seed)
    _, other, _ = generated(seed)
    assert (one == other, hash(one) == hash(other)) == (True, True)


@given(TEXTS, TEXTS)
def test_different_texts_make_different_tables(one: bytes, other: bytes) -> None:
    assert (table_of(b"", one) == table_of(b"", other)) == (one == other)


@given(st.binary(max_size=12))
def test_any_address_text_gets_an_answer(address: bytes) -> None:
    table = table_of(b"", b"ALL: 10. [::1] .2.3 10.0.0.0/8\n")
    request = Request(daemon=b"sshd", client=Endpoint(address))
    answer = decide(table, request)
    assert not isinstance(answer, Need)
