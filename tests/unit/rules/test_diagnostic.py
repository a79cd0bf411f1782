# SPDX-License-Identifier: MIT
from socketgate.rules.diagnostic import MAX_KEPT, Findings, Severity
from socketgate.rules.lines import Spot

SPOT = Spot(3, 7, b"sshd: x")


def test_a_diagnostic_says_where_and_what() -> None:
    findings = Findings("hosts.deny")
    findings.error("code", SPOT, "is wrong", "write it right")
    assert findings.kept[0].brief == "hosts.deny:3:7: is wrong"


def test_warnings_beyond_the_limit_are_counted_and_hide_no_error() -> None:
    findings = Findings("hosts.deny")
    for _ in range(MAX_KEPT + 5):
        findings.warning("code", SPOT, "is odd", "look at it")
    findings.error("code", SPOT, "is wrong", "write it right")
    assert findings.kept[-1].severity is Severity.ERROR
    assert (len(findings.kept), findings.dropped_count) == (MAX_KEPT + 1, 5)
