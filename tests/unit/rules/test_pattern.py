# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.address import Subject
from socketgate.rules.pattern import parse_text_pattern


@pytest.mark.parametrize(
    ("word", "text", "matches"),
    [
        (b"ALL", b"x", True),
        (b"known", b"x", True),
        (b"KNOWN", b"Unknown", False),
        (b".org", b"a.ORG", True),
        (b".org", b".org", False),
        (b"10.", b"10.1", True),
        (b"10.", b"101", False),
        (b"alpha", b"Alpha", True),
        (b"alpha", b"alphab", False),
        (b"[::1]", b"0:0::1", True),
        (b"[::1]", b"::2", False),
        (b"[x]", b"x", False),
        (b"", b"", True),
        (b"a*", b"a", True),
        (b"a**", b"a", False),
        (b"a**", b"ab", True),
        (b"a*?", b"a", False),
        (b"*?*", b"", False),
        (b"**", b"x", True),
        (b"*", b"", True),
        (b"a?c", b"abc", True),
        (b"a?c", b"ac", False),
        (b"*b*d", b"abcd", True),
        (b"*b*d", b"abdc", False),
        (b"*b*b", b"ab", False),
        (b"a*c*e", b"ace", True),
        (b"a*b", b"ca b", False),
        (b"ALL*", b"x", False),
        (b"\\?", b"\\x", True),
        (b"a.c*", b"abc", False),
        (b"*\xc3\xa9", b"caf\xc3\xa9", True),
    ],
)
def test_a_word_matches_a_text(word: bytes, text: bytes, matches: bool) -> None:
    assert parse_text_pattern(word).matches(Subject(text)) == matches


def test_many_stars_cost_no_more_than_the_texts_are_long() -> None:
    """Trying every run for every star would not end."""
    pattern = parse_text_pattern(b"*a" * 1000 + b"b")
    assert not pattern.matches(Subject(b"a" * 127))
