# SPDX-License-Identifier: MIT
"""What the machine's own files answer; the DNS is tests/integration/test_match_check.py's."""

from collections.abc import Iterator

import pytest

from socketgate import namecheck
from socketgate.namecheck import name_diagnostics
from socketgate.rules.diagnostic import Severity
from socketgate.rules.names import NameKind, NameUse, names_used
from socketgate.rules.source import Sources
from socketgate.rules.table import build_table
from tests.support.build import text_of
from tests.support.lookups import wait_threads_gone


@pytest.fixture(autouse=True)
def no_threads_left(no_leaks: None) -> Iterator[None]:
    """Lookups' threads end by themselves, a moment after they were told to."""
    yield
    wait_threads_gone()


def uses_of(allow: str) -> list[NameUse]:
    sources = Sources(allow=text_of(allow))
    return list(names_used(build_table(sources), sources))


def complaints(allow: str) -> list[tuple[Severity, str, int, int]]:
    uses = uses_of(allow)
    return [(one.severity, one.code, one.line, one.column) for one in name_diagnostics(uses)]


@pytest.mark.parametrize("option", ["user root", "group root", "user root.root"])
def test_accounts_that_are_there_are_no_complaint(option: str) -> None:
    assert complaints(f"ALL: ALL: {option}\n") == []


@pytest.mark.parametrize(
    ("option", "codes"),
    [
        ("user no-such-user", ["unknown-user"]),
        ("group no-such-group", ["unknown-group"]),
        ("user root.no-such-group", ["unknown-group"]),
        ("user no-such-user.no-such-group", ["unknown-user", "unknown-group"]),
        ("user 0", ["unknown-user"]),
    ],
)
def test_accounts_that_are_not_there_are_errors(option: str, codes: list[str]) -> None:
    expected = [(Severity.ERROR, code, 1, 11) for code in codes]
    assert complaints(f"ALL: ALL: {option}\n") == expected


def test_the_words_are_those_a_refusal_is_logged_with() -> None:
    (found,) = name_diagnostics(uses_of("ALL: ALL: user no-such-user\n"))
    assert found.message == 'unknown user: "no-such-user": who matches is refused'


def test_a_netgroup_that_nothing_is_in_is_a_warning() -> None:
    expected = [(Severity.WARNING, "unknown-netgroup", 1, 6)]
    assert complaints("ALL: @no-such-netgroup-here\n") == expected


def test_a_host_that_has_its_name_both_ways_is_no_complaint() -> None:
    assert complaints("ALL: localhost\n") == []


@pytest.mark.parametrize("host", ["UNKNOWN", "PARANOID", "ALL", "192.0.2.7", ".example.org"])
def test_what_is_no_hosts_name_is_not_looked_up(host: str) -> None:
    assert complaints(f"ALL: {host}\n") == []


def test_words_of_a_comment_are_not_looked_up() -> None:
    assert complaints("ALL: ALL # no-such-host.invalid\n") == []


def test_there_is_a_limit_to_the_names() -> None:
    uses = [
        NameUse(NameKind.USER, b"root" if n == 0 else b"u%d" % n, "f", n + 1, 1, b"")
        for n in range(namecheck.MAX_NAMES + 3)
    ]
    last = name_diagnostics(uses)[-1]
    assert (last.code, last.line) == ("many-names", namecheck.MAX_NAMES + 1)
    assert "3 are left out" in last.message
