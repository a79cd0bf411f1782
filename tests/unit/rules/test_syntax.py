# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.request import TableName
from socketgate.rules.source import Absent, Directory, Source, Sources, Text, Unreadable
from socketgate.rules.syntax import Parsed, host_files_named, may_name_a_file, parse


def parsed(data: bytes) -> Parsed:
    return parse(Text(data), "hosts.deny", TableName.DENY)


def test_rules_have_the_number_of_their_last_line() -> None:
    lines = [rule.place.line for rule in parsed(b"a: \\\n10.\n\n# x\nno colon\nb: 11. 12.\n").rules]
    assert lines == [2, 6]


def test_simple_lines_and_others_keep_their_order() -> None:
    result = parsed(b"ALL: 10.1.2.3\nALL: alpha\nALL: 10.1.2.4\n")
    numbers = [*result.address_rules[b"all"].word_numbers, *(rule.number for rule in result.rules)]
    assert sorted(numbers) == [numbers[0], numbers[2], numbers[1]]


@pytest.mark.parametrize(
    ("data", "is_broken", "rules"),
    [
        (b"a: 10.\n", False, 1),
        (b"a: 10.\nb: 11.", True, 1),
        (b"# x", True, 0),
        (b"", False, 0),
        (b"a: " + b"x" * 2048 + b"\nb: 10.\n", True, 0),
    ],
)
def test_reading_ends_at_a_line_that_is_not_complete(
    data: bytes, is_broken: bool, rules: int
) -> None:
    result = parsed(data)
    assert (result.broken is not None, len(result.rules)) == (is_broken, rules)


@pytest.mark.parametrize("source", [Absent(), Directory()])
def test_a_file_that_is_not_there_has_no_rules(source: Source) -> None:
    assert parse(source, "hosts.deny", TableName.DENY) == Parsed()


def test_a_file_that_cant_be_read_is_broken_from_the_start() -> None:
    result = parse(Unreadable("Permission denied"), "hosts.deny", TableName.DENY)
    assert result.broken is not None
    assert result.broken.messages == ("warning: cannot open hosts.deny: Permission denied",)


@pytest.mark.parametrize(
    ("rules", "paths"),
    [
        (b"ALL: /a 10. bob@/b EXCEPT /c\n", {b"/a", b"/b", b"/c"}),
        (b"sshd@/d: ALL\n", {b"/d"}),
        (b"/x: 10.0.0.0/8\n", set()),
        (b"ALL: \\\n/a\\\n/b\n", {b"/a/b"}),
        (b"ALL: 10.\n", set()),
        (b"# /a\n", set()),
    ],
)
def test_host_files_are_named_in_rules(rules: bytes, paths: set[bytes]) -> None:
    assert host_files_named(Sources(deny=Text(rules))) == paths
    assert host_files_named(Sources(allow=Text(rules))) == paths


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (b"ALL:/x\n", True),
        (b"ALL: 192.0.2.0/24 /x\n", True),
        (b"ALL: a,/x\n", True),
        (b"a@/x: ALL\n", True),
        (b"ALL: 192.0.2.0/24\n", False),
        (b"/x: ALL\n", False),
        (b"ALL: 192.0.2.7\n", False),
        (b"", False),
    ],
)
def test_a_slash_names_a_file_only_where_a_word_begins(rules: bytes, expected: bool) -> None:
    assert may_name_a_file(rules) is expected


def test_host_files_are_named_in_host_files() -> None:
    sources = Sources(host_files={b"/a": Text(b"10. /b"), b"/c": Absent()})
    assert host_files_named(sources) == {b"/b"}


def test_any_number_of_daemon_lists_is_read() -> None:
    text = b"".join(b"d%d x: 10.\nd%d x: 11.\n" % (number, number) for number in range(1200))
    daemons = [rule.daemons for rule in parsed(text).rules]
    assert daemons[::2] == daemons[1::2]
    assert len(set(daemons)) == 1200
