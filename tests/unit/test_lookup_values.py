# SPDX-License-Identifier: MIT
import pytest

from socketgate.lookup_values import LookupLimits, Prefixes, Shares, is_clean, keep_seconds, shown
from socketgate.rules.request import PARANOID, UNKNOWN, Answer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(b"a.example.org", True, id="name"),
        pytest.param(b"a_b-c.example", True, id="underscore"),
        pytest.param("bücher.example".encode(), True, id="utf-8"),
        pytest.param(b"", False, id="empty"),
        pytest.param(b"a" * 256, False, id="too-long"),
        pytest.param(b"a\0b", False, id="nul"),
        pytest.param(b"a\nb", False, id="newline"),
        pytest.param(b"a\x1b[2J", False, id="escape"),
        pytest.param(b"a b", False, id="blank"),
        pytest.param("a\u00a0b".encode(), False, id="no-break-blank"),
        pytest.param("a\u202eb".encode(), False, id="right-to-left-override"),
        pytest.param(b"a\x9bb", False, id="c1-control"),
        pytest.param(b"a\xffb", False, id="not-utf-8"),
    ],
)
def test_only_one_printable_word_is_clean(text: bytes, expected: bool) -> None:
    assert is_clean(text, 255) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(b"a.example", "a.example", id="clean"),
        pytest.param(b"a\nFAKE=1", "a\\nFAKE=1", id="newline"),
        pytest.param(b"it's\x1b", "it's\\x1b", id="quote"),
        pytest.param(b"\xff" * 300, "\\xff" * 255, id="cut"),
    ],
)
def test_foreign_text_is_shown_on_one_line(text: bytes, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(b"a.example", 3.0, id="name"),
        pytest.param(True, 3.0, id="yes"),
        pytest.param(UNKNOWN, 1.0, id="unknown"),
        pytest.param(False, 1.0, id="no"),
        pytest.param(PARANOID, 2.0, id="paranoid"),
    ],
)
def test_each_kind_of_answer_has_its_own_time(answer: Answer, expected: float) -> None:
    limits = LookupLimits(good_seconds=3.0, failed_seconds=1.0, paranoid_seconds=2.0)
    assert keep_seconds(answer, limits) == expected


def taken(shares: Shares, *prefixes: tuple[str, str]) -> list[bool]:
    """Whether each could take one, in this order; source and network."""
    return [shares.take(Prefixes(*one)) for one in prefixes]


A, B = ("a", "net-a"), ("b", "net-b")


def test_a_source_gets_no_more_than_its_share() -> None:
    assert taken(Shares(max_total=10, max_each=2), A, A, A) == [True, True, False]


def test_one_source_at_its_limit_leaves_others_alone() -> None:
    assert taken(Shares(max_total=10, max_each=1), A, B) == [True, True]


def test_all_sources_together_get_no_more_than_the_total() -> None:
    shares = Shares(max_total=2, max_each=2)
    assert taken(shares, A, B, ("c", "net-c")) == [True, True, False]


def test_a_network_leaves_the_last_quarter_to_others() -> None:
    shares = Shares(max_total=8, max_each=2)
    crowd = [(f"a{number // 2}", "net-a") for number in range(8)]
    assert taken(shares, *crowd, B, B) == [True] * 6 + [False] * 2 + [True, False]


@pytest.mark.parametrize(
    ("max_total", "max_each", "over"),
    [(1, 1, "all"), (9, 1, "a"), (2, 2, "net-a"), (9, 9, "")],
)
def test_whose_limit_it_is_can_be_told(max_total: int, max_each: int, over: str) -> None:
    shares = Shares(max_total, max_each)
    shares.take(Prefixes(*A))
    assert shares.over(Prefixes(*A)) == over


def test_a_client_without_an_address_counts_once() -> None:
    assert taken(Shares(max_total=10, max_each=2), ("", ""), ("", "")) == [True, True]


def test_what_is_given_back_can_be_taken_again() -> None:
    shares = Shares(max_total=1, max_each=1)
    shares.take(Prefixes(*A))
    shares.give_back(Prefixes(*A))
    assert (shares.total, *taken(shares, B)) == (0, True)
