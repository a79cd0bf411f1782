# SPDX-License-Identifier: MIT
"""Every case of the corpus is decided as the real libwrap decided it (tests/corpus/README.md)."""

import dataclasses
from collections import defaultdict

import pytest

from socketgate.rules.expand import ExpansionTooLong, expand
from socketgate.rules.keyword import Command, Environment
from socketgate.rules.request import Answer, CommandStatus, Fact, Lookup
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
    if case.live == "exit":
        return ""  # the test below has these
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


@pytest.mark.parametrize(
    "case", [case for case in read_cases() if case.live == "exit"], ids=lambda case: case.id
)
def test_an_expansion_that_ends_libwraps_process_is_too_long_here(case: Case) -> None:
    """Name and user are known beforehand in these cases, as they are for a banner."""
    table = build_table(case.sources)
    facts: dict[Lookup, Answer] = {
        Fact.CLIENT_NAME: case.world.name,
        Fact.CLIENT_USER: case.world.user,
    }
    request = dataclasses.replace(case.request, facts=facts)
    step = table.allow.rules[0].steps[0]
    assert isinstance(step, Command | Environment)
    with pytest.raises(ExpansionTooLong):
        expand(step.text, request)
