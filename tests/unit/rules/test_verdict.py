# SPDX-License-Identifier: MIT
from socketgate.rules.request import Access
from socketgate.rules.verdict import Verdict


def test_a_verdict_needs_only_its_access() -> None:
    verdict = Verdict(Access.ALLOW)
    assert (verdict.place, verdict.actions, verdict.messages, verdict.request) == (
        None,
        (),
        (),
        None,
    )
