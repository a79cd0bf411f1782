# SPDX-License-Identifier: MIT
from socketgate.lane import MAX_LANES, Lanes, Server
from socketgate.rules.request import Access
from socketgate.rules.verdict import Verdict

SERVER = Server("192.0.2.1", 22)


def test_the_same_verdict_at_the_same_address_has_the_same_lane() -> None:
    lanes = Lanes()
    verdict = Verdict(Access.ALLOW)
    assert lanes.of(verdict, SERVER) is lanes.of(verdict, SERVER)


def test_an_equal_verdict_of_another_rule_has_a_lane_of_its_own() -> None:
    lanes = Lanes()
    assert lanes.of(Verdict(Access.ALLOW), SERVER) is not lanes.of(Verdict(Access.ALLOW), SERVER)


def test_another_address_of_ours_is_another_lane() -> None:
    lanes = Lanes()
    verdict = Verdict(Access.ALLOW)
    assert lanes.of(verdict, SERVER) is not lanes.of(verdict, Server("192.0.2.2", 22))


def test_no_more_than_so_many_lanes_are_kept() -> None:
    lanes = Lanes()
    verdict = Verdict(Access.ALLOW)
    first = lanes.of(verdict, SERVER)
    for _ in range(MAX_LANES):
        lanes.of(Verdict(Access.ALLOW), SERVER)
    assert lanes.of(verdict, SERVER) is not first
