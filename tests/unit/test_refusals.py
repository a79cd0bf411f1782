# SPDX-License-Identifier: MIT
import pytest

from socketgate.refusals import MAX_RULES, RefusalCounts
from socketgate.rules.request import Access, RulePlace, TableName
from socketgate.rules.verdict import Verdict


def refused_by(line: int) -> Verdict:
    return Verdict(Access.DENY, RulePlace(TableName.DENY, "/etc/hosts.deny", line))


def counted(*lines: int) -> RefusalCounts:
    counts = RefusalCounts()
    for line in lines:
        counts.add(refused_by(line))
    return counts


def test_the_rule_that_refuses_most_comes_first() -> None:
    assert counted(7, 3, 3).top(5) == [("/etc/hosts.deny", 3, 2), ("/etc/hosts.deny", 7, 1)]


def test_no_more_are_told_than_asked_for() -> None:
    assert len(counted(1, 2, 3).top(2)) == 2


@pytest.mark.parametrize("verdict", [None, Verdict(Access.DENY)])
def test_a_refusal_by_no_rule_counts_for_none(verdict: Verdict | None) -> None:
    counts = RefusalCounts()
    counts.add(verdict)
    assert counts.top(5) == []


def test_it_can_begin_again() -> None:
    counts = counted(1)
    counts.clear()
    assert counts.top(5) == []


def test_rules_beyond_the_limit_are_not_counted_and_the_others_go_on() -> None:
    counts = counted(*range(MAX_RULES + 1), 0, MAX_RULES)
    assert [counts.top(MAX_RULES + 1)[0][1:], len(counts.top(MAX_RULES + 1))] == [(0, 2), MAX_RULES]
