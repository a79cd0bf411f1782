# SPDX-License-Identifier: MIT
import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketgate.rules.spans import (
    EVERY_ADDRESS,
    NO_ADDRESS,
    SpanList,
    Spans,
    merged,
    union,
    without,
)

SPANS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 6)).map(lambda s: (s[0], s[0] + s[1]))
)


def members(spans: SpanList) -> set[int]:
    return {value for first, last in spans for value in range(first, last + 1)}


@given(SPANS)
def test_merged_spans_have_the_same_addresses_apart_from_each_other(
    spans: list[tuple[int, int]],
) -> None:
    joined = merged(spans)
    assert members(joined) == {value for first, last in spans for value in range(first, last + 1)}
    assert all(
        last + 1 < first for last, first in zip(joined.lasts[:-1], joined.firsts[1:], strict=True)
    )


@given(SPANS, SPANS)
def test_a_difference_has_what_the_other_has_not(
    one: list[tuple[int, int]], other: list[tuple[int, int]]
) -> None:
    left = without(merged(one), merged(other))
    assert members(left) == members(merged(one)) - members(merged(other))


@pytest.mark.parametrize(
    ("value", "is_in"), [(0, False), (1, True), (3, True), (4, False), (9, True)]
)
def test_a_span_list_knows_its_addresses(value: int, is_in: bool) -> None:
    assert (value in SpanList((1, 9), (3, 9))) == is_in


def test_a_union_has_both_families() -> None:
    one, other = Spans(SpanList((1,), (2,))), Spans(SpanList((3,), (3,)), SpanList((7,), (7,)))
    assert [*union([one, other]).quads, *union([one, other]).sixes] == [(1, 3), (7, 7)]


@pytest.mark.parametrize(
    ("spans", "is_everything"),
    [
        (EVERY_ADDRESS, True),
        (NO_ADDRESS, False),
        (EVERY_ADDRESS.without(Spans(SpanList((5,), (5,)))), False),
        (EVERY_ADDRESS.without(NO_ADDRESS), True),
    ],
)
def test_only_all_addresses_are_everything(spans: Spans, is_everything: bool) -> None:
    assert spans.is_everything == is_everything
