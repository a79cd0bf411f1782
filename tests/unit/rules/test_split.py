# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.split import Fields, segments, split_fields, split_words


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (b"a: b\n", Fields(1, 5, None)),
        (b"a: b: c\n", Fields(1, 4, 5)),
        (b"a\n", None),
        (b"x]: a\n", None),
        (b"a: [::1]: c\n", Fields(1, 8, 9)),
        (b"a\\:b: c\n", Fields(2, 4, 5)),
        (b"a: dns:home.example.org: deny\n", Fields(1, 23, 24)),
        (b"a:dns:home.example.org.,b\n", Fields(1, 26, None)),
        (b"a: DNS:x.y dns:z.w\n", Fields(1, 19, None)),
        (b"a: dns:allow\n", Fields(1, 6, 7)),
        (b"a: dns: x.y\n", Fields(1, 6, 7)),
        (b"a: dns:x.y=1\n", Fields(1, 6, 7)),
        (b"a: xdns:x.y\n", Fields(1, 7, 8)),
        (b"a:s:x.y\n", Fields(1, 3, 4)),
    ],
)
def test_a_line_is_cut_at_colons(line: bytes, fields: Fields | None) -> None:
    assert split_fields(line, extensions=True) == fields


def test_without_extensions_every_colon_counts() -> None:
    assert split_fields(b"a: dns:x.y\n", extensions=False) == Fields(1, 6, 7)


def test_words_keep_their_places() -> None:
    words = split_words(b"x: a, b\tc\r\n", 2, 11)
    assert [(word.start, word.text) for word in words] == [(3, b"a"), (6, b"b"), (8, b"c")]


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (b"", [[]]),
        (b"a except b", [[b"a"], [b"b"]]),
        (b"EXCEPT a", [[], [b"a"]]),
        (b"a EXCEPT EXCEPT", [[b"a"], [], []]),
    ],
)
def test_except_parts_a_list(line: bytes, parts: list[list[bytes]]) -> None:
    words = split_words(line, 0, len(line))
    assert [[word.text for word in part] for part in segments(words)] == parts
