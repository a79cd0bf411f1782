# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.lines import MAX_LINE_BYTES, LineReader, NumberedLines, Places, Spot

LONGEST = b"x" * (MAX_LINE_BYTES - 1) + b"\n"


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\nb\n", [(b"a\n", 1), (b"b\n", 2)]),
        (b"a\\\nb\n", [(b"ab\n", 2)]),
        (b"a\\\\\nb\n", [(b"a\\b\n", 2)]),
        (b"a\\\r\nb\n", [(b"a\\\r\n", 1), (b"b\n", 2)]),
        (b"\\\n\\\n\n", [(b"\n", 3)]),
        (b"a\nb", [(b"a\n", 1), (b"b", 1)]),
        (b"a\\\n", [(b"a", 1)]),
        (b"\\\n", []),
        (b"a\0b\nc\n", [(b"ac\n", 1)]),
        (b"a\0b\n", [(b"a", 0)]),
        (b"\0b\n", []),
        (LONGEST + b"a\n", [(LONGEST, 1), (b"a\n", 2)]),
        (b"x" + LONGEST, [(b"x" + LONGEST[:-1], 0), (b"\n", 1)]),
        (b"a" * 2045 + b"\\\n\n", [(b"a" * 2045 + b"\n", 2)]),
        (b"a" * 2046 + b"\\\n", [(b"a" * 2046 + b"\\", 0), (b"\n", 1)]),
    ],
)
def test_lines_are_read_as_by_xgets(data: bytes, lines: list[tuple[bytes, int]]) -> None:
    assert [(line.text, line.number) for line in LineReader(data)] == lines


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (b"# x\n", (True, False, True)),
        (b" \t\r\n", (False, True, True)),
        (b"\f\n", (False, False, True)),
        (b"x", (False, False, False)),
    ],
)
def test_a_line_knows_what_it_is(text: bytes, facts: tuple[bool, bool, bool]) -> None:
    [line] = LineReader(text)
    assert (line.is_comment, line.is_blank, line.is_complete) == facts


@pytest.mark.parametrize(
    ("offset", "spot"),
    [
        (0, Spot(2, 1, b"ab\\")),
        (1, Spot(2, 2, b"ab\\")),
        (2, Spot(4, 1, b"cd")),
        (4, Spot(4, 3, b"cd")),
    ],
)
def test_a_place_in_a_joined_line_is_found_in_the_file(offset: int, spot: Spot) -> None:
    line = list(LineReader(b"#\nab\\\n\\\ncd\n"))[1]
    assert line.spot(offset) == spot


@pytest.mark.parametrize(
    ("offset", "spot"),
    [
        pytest.param(0, Spot(8, 1, b"ab"), id="the-first-byte"),
        pytest.param(4, Spot(9, 2, b"cd"), id="a-later-line"),
        pytest.param(6 + 5000, Spot(10, 5001, b"x" * MAX_LINE_BYTES), id="far-into-a-line"),
    ],
)
def test_a_place_is_found_in_a_file_that_begins_behind_others(offset: int, spot: Spot) -> None:
    assert Places(b"ab\ncd\n" + b"x" * 6000, physical=7).spot(offset) == spot


def test_places_are_found_one_after_the_other() -> None:
    places = Places(b"ab\ncd\n")
    assert [places.spot(offset).line for offset in (1, 1, 4, 5)] == [1, 1, 2, 2]


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(b"\0" * 2 * MAX_LINE_BYTES, id="after-NULs"),
        pytest.param(b"x" * 2 * MAX_LINE_BYTES, id="after-a-line-that-was-too-long"),
    ],
)
def test_a_place_far_into_a_very_long_line_is_found_in_the_file(before: bytes) -> None:
    *_, line = LineReader(b"#\n" + before + b"abc\n")
    assert line.spot(1) == Spot(2, len(before) + 2, b"abc")


def test_of_a_very_long_line_only_what_is_near_is_kept() -> None:
    [line] = LineReader(b"\0" * (3 * MAX_LINE_BYTES) + b"x")
    assert len(line.spot(0).source) <= 2 * MAX_LINE_BYTES


@pytest.mark.parametrize(
    ("data", "number", "spot"),
    [
        pytest.param(b"a\nb\n", 2, Spot(2, 1, b"b"), id="no-NUL"),
        pytest.param(b"a\0b\nc\nd\n", 1, Spot(2, 1, b"c"), id="joined-behind-a-NUL"),
        pytest.param(b"a\0b\nc\nd\n", 2, Spot(3, 1, b"d"), id="after-it"),
        pytest.param(b"a\0\nb\\\nc\nd\n", 3, Spot(4, 1, b"d"), id="after-a-continued-line"),
    ],
)
def test_a_line_is_found_by_its_number_of_libwrap_s(data: bytes, number: int, spot: Spot) -> None:
    assert NumberedLines(data).spot(number) == spot
