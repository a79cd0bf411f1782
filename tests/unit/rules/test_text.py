# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.text import (
    begins_with_number,
    find_outside,
    leading_number,
    shown,
    whole_number,
    whole_octal,
    whole_unsigned,
)


@pytest.mark.parametrize(
    ("text", "wanted", "start", "found"),
    [
        (b"a:b", b":", 0, 1),
        (b"ab", b":", 0, -1),
        (b"[a:b]:c", b":", 0, 5),
        (b"[[a]:b]:c", b":", 0, 7),
        (b"x]:[:", b":", 0, 4),
        (b"x]:a", b":", 0, -1),
        (b"[:", b":", 0, -1),
        (b"@b@c", b"@", 1, 2),
        (b"[@x]@y", b"@", 1, 1),
        (b"a/[b/c]", b"/", 0, 1),
    ],
)
def test_brackets_hide_what_is_in_them(text: bytes, wanted: bytes, start: int, found: int) -> None:
    assert find_outside(text, wanted, start) == found


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"8", 8),
        (b"8x", 8),
        (b"08/9", 8),
        (b"+8", 8),
        (b"-1", -1),
        (b"\v8", 8),
        (b"", 0),
        (b"x8", 0),
        (b"4294967304", 8),
        (b"2147483648", -2147483648),
        (b"9" * 30, -1),
        (b"-" + b"9" * 30, 0),
        (b"0" * 5000 + b"7", 7),
    ],
)
def test_a_number_at_the_start_is_read_as_by_strtol(text: bytes, number: int) -> None:
    assert leading_number(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [(b"010", 10), (b"99999999999", 1215752191), (b"5x", None), (b"", None), (b"-3", -3)],
)
def test_a_whole_number_has_nothing_behind_it(text: bytes, number: int | None) -> None:
    assert whole_number(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"022", 22),
        (b"-0", 0),
        (b"4294967318", 22),
        (b"-4294967274", 22),
        (b"9" * 30, 0xFFFFFFFF),
        (b"22x", None),
    ],
)
def test_a_port_is_read_as_unsigned(text: bytes, number: int | None) -> None:
    assert whole_unsigned(text) == number


@pytest.mark.parametrize(
    ("text", "number"), [(b"022", 18), (b"+22", 18), (b"8", None), (b"-1", 0xFFFFFFFF)]
)
def test_a_mode_is_read_as_octal(text: bytes, number: int | None) -> None:
    assert whole_octal(text) == number


@pytest.mark.parametrize(
    ("text", "has_one"),
    [(b"8x", True), (b"\v+8", True), (b"", False), (b"x8", False), (b"-", False)],
)
def test_whether_a_number_begins(text: bytes, has_one: bool) -> None:
    assert begins_with_number(text) is has_one


def test_bytes_that_are_no_utf_8_can_be_shown() -> None:
    assert shown(b"\xc3\xa9\xff") == "é\\xff"
