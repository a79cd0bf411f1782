# SPDX-License-Identifier: MIT
import gc

import pytest

from socketgate.rules.diagnostic import MAX_KEPT
from socketgate.rules.policy import Policy
from socketgate.rules.rule import Rule
from socketgate.rules.source import Absent, Directory, Source, Sources, Text, Unreadable
from socketgate.rules.table import RuleTable, build_table

SOURCES = Sources(allow=Text(b"ALL: 10.\n"), deny=Text(b"ALL: ALL\n"))


def test_rules_of_both_files_are_counted() -> None:
    text = Text(b"ALL: 10.1.2.3\nALL: 10.0.0.0/8\n# x\nALL: alpha 10.\n")
    assert build_table(Sources(allow=text, deny=text)).rule_count == 6


def test_a_table_is_equal_to_another_of_the_same_sources() -> None:
    assert build_table(SOURCES) == build_table(SOURCES)
    assert hash(build_table(SOURCES)) == hash(build_table(SOURCES))


@pytest.mark.parametrize(
    "other",
    [
        Sources(allow=Text(b"ALL: 10.\n"), deny=Text(b"ALL: ALL \n")),
        Sources(allow=Text(b"ALL: 10.\nALL: ALL\n"), deny=Text(b"")),
        Sources(allow=Text(b"ALL: 10.\n"), deny=Absent()),
        Sources(allow=Text(b"ALL: 10.\n"), deny=Directory()),
        Sources(allow=Text(b"ALL: 10.\n"), deny=Unreadable("x")),
        Sources(allow=SOURCES.allow, deny=SOURCES.deny, allow_origin="x"),
        Sources(allow=SOURCES.allow, deny=SOURCES.deny, extensions=False),
        Sources(allow=SOURCES.allow, deny=SOURCES.deny, interfaces=frozenset({b"lo"})),
        Sources(allow=SOURCES.allow, deny=SOURCES.deny, host_files={b"/x": Text(b"")}),
    ],
)
def test_a_table_differs_from_one_of_other_sources(other: Sources) -> None:
    assert build_table(SOURCES) != build_table(other)


def test_a_table_is_no_other_thing() -> None:
    assert build_table(SOURCES) != "rules"


def test_forward_names_are_those_of_both_files_and_of_the_host_files_they_name() -> None:
    text = Text(b"ALL: dns:a.example 10.\nALL: /list EXCEPT dns:b.example\n")
    files: dict[bytes, Source] = {
        b"/list": Text(b"/list /more dns:c.example"),
        b"/more": Text(b"dns:d.example"),
        b"/unnamed": Text(b"dns:e.example"),
    }
    found = build_table(Sources(deny=text, host_files=files)).forward_names
    assert found == {b"%c.example" % letter for letter in b"abcd"}


def test_a_policy_is_compiled_once() -> None:
    table = build_table(SOURCES)
    assert table.policy(b"sshd", 22) is table.policy(b"sshd", 22)
    assert table.policy(b"sshd", 22) is not table.policy(b"sshd", 23)


def test_policies_are_kept_but_not_without_bound() -> None:
    table = build_table(SOURCES)
    first = table.policy(b"sshd", 0)
    for port in range(1, 200):
        table.policy(b"sshd", port)
    assert table.policy(b"sshd", 0) is not first


@pytest.mark.parametrize(("thorough", "count"), [(True, 1), (False, 0)])
def test_hidden_rules_of_large_tables_are_looked_for_on_demand(thorough: bool, count: int) -> None:
    lines = b"".join(b"ALL: 10.%d.%d.1\n" % divmod(number, 256) for number in range(20_000))
    table = build_table(Sources(deny=Text(lines + b"ALL: 10.0.0.1\n")), thorough=thorough)
    assert len(table.diagnostics) == count


@pytest.mark.parametrize(
    "sources",
    [
        Sources(deny=Text(b"no colon\n" * (MAX_KEPT + 7))),
        Sources(deny=Text(b"ALL: /a\n"), host_files={b"/a": Text(b"300.1.2.3\n" * (MAX_KEPT + 7))}),
        Sources(deny=Text(b"ALL: 10.0.0.1\n" * (MAX_KEPT + 8))),
    ],
    ids=["rules", "host-file", "never-reached"],
)
def test_diagnostics_beyond_the_limit_are_counted(sources: Sources) -> None:
    table = build_table(sources)
    assert (len(table.diagnostics), table.dropped_count) == (MAX_KEPT, 7)


def count_of_parts() -> int:
    """How many tables, policies and rules there are in this process."""
    return sum(isinstance(one, RuleTable | Policy | Rule) for one in gc.get_objects())


def test_a_table_that_goes_needs_no_collector() -> None:
    text = Text(
        b"sshd: .example.org EXCEPT LOCAL : severity info\nALL: 10.1.2.3\nALL: 10. : nice 2\n"
    )
    gc.collect()
    gc.disable()
    try:
        before = count_of_parts()
        table = build_table(Sources(allow=text, deny=text))
        table.policy(b"sshd", 22).verdict("10.1.2.3")
        made = count_of_parts() - before
        del table
        left = count_of_parts() - before
    finally:
        gc.enable()
    assert (made > 5, left) == (True, 0)
