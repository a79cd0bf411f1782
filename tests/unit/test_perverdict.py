# SPDX-License-Identifier: MIT
from socketgate.perverdict import MAX_KEPT, PerVerdict
from socketgate.rules.request import Access
from socketgate.rules.verdict import Verdict


def test_equal_verdicts_that_are_not_the_same_have_values_of_their_own() -> None:
    kept = PerVerdict[int]()
    one, other = Verdict(Access.ALLOW), Verdict(Access.ALLOW)
    kept.keep(one, 1)
    assert (kept.get(one), kept.get(other)) == (1, None)


def test_no_more_than_so_many_are_kept() -> None:
    kept = PerVerdict[int]()
    first = Verdict(Access.ALLOW)
    kept.keep(first, 0)
    for number in range(1, MAX_KEPT + 1):
        kept.keep(Verdict(Access.ALLOW), number)
    assert kept.get(first) is None
