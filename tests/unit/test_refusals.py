# SPDX-License-Identifier: MIT
import pytest

from socketgate.refusals import MAX_CAUSES, RefusalCounts
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
    assert counted(7, 3, 3).top(5) == [
        (("/etc/hosts.deny", 3), 2),
        (("/etc/hosts.deny", 7), 1),
    ]


def test_no_more_are_told_than_asked_for() -> None:
    assert len(counted(1, 2, 3).top(2)) == 2


@pytest.mark.parametrize("verdict", [None, Verdict(Access.DENY)])
def test_a_refusal_by_no_rule_counts_for_none(verdict: Verdict | None) -> None:
    counts = RefusalCounts()
    counts.add(verdict)
    assert counts.top(5) == []


def test_a_refusal_by_a_ban_counts_for_its_net() -> None:
    counts = counted(1)
    for _ in range(2):
        counts.add(Verdict(Access.DENY), "192.0.2.0/24")
    assert counts.top(5) == [("192.0.2.0/24", 2), (("/etc/hosts.deny", 1), 1)]


def test_what_refused_is_the_answer() -> None:
    assert RefusalCounts().add(refused_by(7)) == ("/etc/hosts.deny", 7)


def test_with_other_rules_only_bans_go_on_counting() -> None:
    counts = counted(1)
    counts.add(Verdict(Access.DENY), "192.0.2.0/24")
    counts.forget_rules()
    assert counts.top(5) == [("192.0.2.0/24", 1)]


def test_beyond_the_limit_what_refuses_much_is_still_counted_and_the_rest_forgotten() -> None:
    late = MAX_CAUSES + 1
    counts = counted(7, 7, 7, *range(MAX_CAUSES), late, late)
    top = counts.top(MAX_CAUSES)
    assert top[:2] == [(("/etc/hosts.deny", 7), 4), (("/etc/hosts.deny", late), 2)]
    assert len(top) == MAX_CAUSES // 2 + 1
