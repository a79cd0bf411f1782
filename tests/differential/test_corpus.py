# SPDX-License-Identifier: MIT
"""Every case of the corpus is decided as the real libwrap decided it (tests/corpus/README.md)."""

from collections import defaultdict

import pytest

from socketgate.rules.request import Access, CommandStatus
from socketgate.rules.table import build_table
from tests.support.corpus import Case, fast_difference, read_cases, settle


def cases_by_group() -> dict[str, list[Case]]:
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in read_cases():
        groups[case.id.rpartition("-")[0]].append(case)
    return groups


GROUPS = cases_by_group()


def difference(case: Case) -> str:
    """What is decided otherwise than by libwrap; empty when it is the same."""
    table = build_table(case.sources)
    verdict, asked = settle(table, case.request, case.world.answer)
    if case.live == "exit":  # of libwrap's process; here it refuses, and says why
        too_long = any("expansion too long" in text for text in verdict.messages)
        return "" if verdict.access is Access.DENY and too_long else f"{case}: {verdict}"
    if verdict.access.value != case.live:
        return f"{case}: {verdict}"
    place = verdict.place
    ours = (None, None) if place is None else (place.table.value, place.line)
    # The file and line of a case are those of a dry run, where commands succeed.
    ran_commands = any(isinstance(lookup, CommandStatus) for lookup in asked)
    if not ran_commands and case.live == case.dry and ours != (case.file, case.line):
        return f"{case}: {verdict}"
    return fast_difference(table, case.request, verdict)


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_the_corpus_is_decided_as_by_libwrap(group: str) -> None:
    assert [found for case in GROUPS[group] if (found := difference(case))] == []
