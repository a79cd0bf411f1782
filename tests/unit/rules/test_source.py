# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.source import Absent, Excerpt, Source, Sources, Text, Unreadable, was_emptied


def test_sources_with_the_same_contents_are_the_same() -> None:
    assert Sources(allow=Text(b"x")) == Sources(allow=Text(b"x"))


def test_files_that_are_not_named_are_absent() -> None:
    assert Sources().deny == Absent()


@pytest.mark.parametrize(
    ("before", "after", "emptied"),
    [
        pytest.param(Text(b"x"), Text(b""), True, id="truncated"),
        pytest.param(Text(b"x"), Absent(), True, id="renamed-away"),
        pytest.param(Excerpt((), 7), Text(b""), True, id="a-large-one"),
        pytest.param(Text(b"x"), Text(b"y"), False, id="changed"),
        pytest.param(Text(b""), Absent(), False, id="empty-before"),
        pytest.param(Absent(), Text(b"x"), False, id="new"),
        pytest.param(Text(b"x"), Unreadable("Permission denied"), False, id="unreadable"),
    ],
)
def test_a_file_that_says_nothing_any_more_is_noticed(
    before: Source, after: Source, *, emptied: bool
) -> None:
    found = [
        was_emptied(Sources(allow=before), Sources(allow=after)),
        was_emptied(Sources(deny=before), Sources(deny=after)),
        was_emptied(Sources(host_files={b"/l": before}), Sources(host_files={b"/l": after})),
    ]
    assert found == [emptied] * 3


def test_a_host_file_that_is_not_named_before_was_not_emptied() -> None:
    assert not was_emptied(Sources(), Sources(host_files={b"/l": Absent()}))
