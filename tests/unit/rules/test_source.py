# SPDX-License-Identifier: MIT
from socketgate.rules.source import Absent, Sources, Text


def test_sources_with_the_same_contents_are_the_same() -> None:
    assert Sources(allow=Text(b"x")) == Sources(allow=Text(b"x"))


def test_files_that_are_not_named_are_absent() -> None:
    assert Sources().deny == Absent()
