# SPDX-License-Identifier: MIT
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketgate.rules.flat import flatten, quad_table, six_table, span_key, split_six
from socketgate.rules.rule import NO_RULE

Rules = list[tuple[int, int, int]]


def rules(top: int) -> st.SearchStrategy[Rules]:
    edge = st.integers(0, 40) | st.integers(top - 40, top)
    span = st.tuples(edge, edge).map(sorted)
    return st.lists(span, max_size=12).map(
        lambda spans: [(first, last, number) for number, (first, last) in enumerate(spans, 1)]
    )


def first_rule(rules: Rules, value: int) -> int:
    return min((number for first, last, number in rules if first <= value <= last), default=NO_RULE)


def near(top: int) -> list[int]:
    return [*range(45), *range(top - 45, top + 1)]


@given(rules((1 << 32) - 1))
def test_each_ipv4_address_has_its_first_rule(spans: Rules) -> None:
    table = quad_table([span_key(*span, 32) for span in spans])
    for value in near((1 << 32) - 1):
        assert table.find(value) == first_rule(spans, value)


@given(rules((1 << 128) - 1))
def test_each_ipv6_address_has_its_first_rule(spans: Rules) -> None:
    table = six_table([span_key(*span, 128) for span in spans])
    for value in near((1 << 128) - 1):
        assert table.find(*split_six(value)) == first_rule(spans, value)


@pytest.mark.parametrize("step", [1, 1 << 16, 1 << 20])
def test_a_table_with_an_index_finds_the_same(step: int) -> None:
    spans = [(number * step, number * step, number) for number in range(1, 4000)]
    table = quad_table([span_key(*span, 32) for span in spans])
    values = [7 * step, 3999 * step, 3999 * step + 1, 0, 7 * step + 1, (1 << 32) - 1]
    assert [table.find(value) for value in values] == [first_rule(spans, value) for value in values]
    assert len(table.index) == (1 << 16) + 1


@pytest.mark.parametrize("step", [1, 1 << 64, 3 << 60, 1 << 100, 5 << 112])
def test_an_ipv6_table_with_an_index_finds_the_same(step: int) -> None:
    ends = [(0, 1, 1), (7, 9, 2), (0xFE80 << 112, (0xFEC0 << 112) - 1, 3)]
    low = 0x2001 << 112
    spans = [
        *ends,
        *((low + number * step, low + number * step, number) for number in range(4, 4100)),
    ]
    spans = [span for span in spans if span[1] < 1 << 128]
    table = six_table([span_key(*span, 128) for span in spans])
    near = [value for first, last, _ in spans[::97] for value in (first - 1, first, last, last + 1)]
    values = [0, 5, 8, 10, *near, (1 << 128) - 1]
    values = [value for value in values if 0 <= value < 1 << 128]
    found = [table.find(*split_six(value)) for value in values]
    assert found == [first_rule(spans, value) for value in values]


def test_an_ipv6_index_divides_what_most_addresses_lie_between() -> None:
    low = 0x2001 << 112
    spans = [
        (1, 1, 1),
        *((low + (number << 80), low + (number << 80), number) for number in range(2, 4000)),
    ]
    index = six_table([span_key(*span, 128) for span in spans]).index
    assert len(index) == (1 << 16) + 1
    assert max(end - start for start, end in pairwise(index)) < len(spans) // 32


@given(rules(200))
def test_flat_spans_are_disjoint_and_neighbours_differ(spans: Rules) -> None:
    flat = flatten([span_key(*span, 32) for span in spans], 32)
    for index in range(1, len(flat.firsts)):
        assert flat.lasts[index - 1] < flat.firsts[index]
        touches = flat.lasts[index - 1] + 1 == flat.firsts[index]
        assert not (touches and flat.owners[index - 1] == flat.owners[index])
