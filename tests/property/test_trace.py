# SPDX-License-Identifier: MIT
"""What holds for the story of any verdict."""

from hypothesis import given
from hypothesis import strategies as st

from socketgate.rules.source import Sources, Text
from socketgate.rules.table import build_table
from socketgate.rules.trace import Considered, trace
from socketgate.rules.verdict import Verdict
from tests.support.corpus import settle
from tests.support.rulegen import Generator

SEEDS = st.integers(min_value=0, max_value=1 << 32)


def told(seed: int) -> tuple[Verdict, tuple[Considered, ...]]:
    generator = Generator(seed)
    rules, question = generator.rule_set(), generator.question()
    sources = Sources(
        allow=Text(rules.allow or b""),
        deny=Text(rules.deny or b""),
        host_files={b"{DIR}/" + name: Text(text) for name, text in rules.host_files.items()},
    )
    table = build_table(sources)
    verdict, asked = settle(table, question.request(), question.answer)
    request = question.request()
    for fact in asked:
        request = request.with_fact(fact, question.answer(fact, 0))
    return verdict, trace(table, sources, request, verdict)


@given(SEEDS)
def test_a_story_ends_with_the_rule_that_decided(seed: int) -> None:
    verdict, story = told(seed)
    if verdict.place is not None:
        assert (story[-1].place, story[-1].is_match) == (verdict.place, True)


@given(SEEDS)
def test_only_rules_that_do_not_count_match_before_the_one_that_decided(seed: int) -> None:
    _, story = told(seed)
    assert all("aclexec failed" in one.why for one in story[:-1] if one.is_match)


@given(SEEDS)
def test_a_story_goes_through_the_files_once(seed: int) -> None:
    _, story = told(seed)
    places = [(one.place.table.value, one.first_line, one.place.line) for one in story]
    assert places == sorted(places)
