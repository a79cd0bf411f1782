# SPDX-License-Identifier: MIT
"""What `check` says is never reached decides about nobody."""

from hypothesis import given
from hypothesis import strategies as st

from socketgate.dryrun import canonical_address
from socketgate.rules.request import UNKNOWN, RulePlace
from socketgate.rules.rule import Rule, rule_number
from socketgate.rules.source import Sources, Text
from socketgate.rules.table import RuleTable, build_table
from tests.support.corpus import settle
from tests.support.rulegen import Generator

SEEDS = st.integers(min_value=0, max_value=1 << 32)
QUESTIONS = 8


def is_of_a_client(address: bytes) -> bool:
    """Whether accept(2) could tell it."""
    text = address.decode("latin-1")
    return address == UNKNOWN or canonical_address(text) == text


def first_line(table: RuleTable, place: RulePlace) -> int:
    rule = table.by_number.get(rule_number(place.table, place.line))
    return rule.line.pieces[0].line if isinstance(rule, Rule) else place.line


@given(SEEDS)
def test_a_rule_that_is_never_reached_decides_about_nobody(seed: int) -> None:
    generator = Generator(seed)
    rules = generator.rule_set()
    sources = Sources(
        allow=Text(rules.allow or b""),
        deny=Text(rules.deny or b""),
        host_files={b"{DIR}/" + name: Text(text) for name, text in rules.host_files.items()},
    )
    table = build_table(sources, thorough=True)
    hidden = {(one.origin, one.line) for one in table.diagnostics if one.code == "never-reached"}
    for question in (generator.question() for _ in range(QUESTIONS)):
        if not is_of_a_client(question.address):
            continue
        verdict, _ = settle(table, question.request(), question.answer)
        place = verdict.place
        assert place is None or (place.origin, first_line(table, place)) not in hidden
