# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.gather import addresses_of, addresses_of_any, gather, gather_words
from socketgate.rules.host import AnyText, Contents, HostFile, OneOf, Unopenable
from socketgate.rules.word import Reading, parse_host_pattern

READING = Reading()


def kinds(words: bytes) -> list[str]:
    patterns = (parse_host_pattern(word, READING) for word in words.split())
    return [type(pattern).__name__ for pattern in gather(patterns)]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (b"", []),
        (b"10.", ["AnyText"]),
        (b"10. [::1]", ["OneOf"]),
        (b"10. 11. alpha 12. 13.", ["OneOf", "AnyText", "OneOf"]),
        (b"10. ALL 11.", ["AnyText", "AnyText", "AnyText"]),
        (b"10.0.0.0/255.0.255.0 1.2.3.4.", ["QuadNet", "AnyText"]),
        (b"300. 01.", ["AnyText", "AnyText"]),
    ],
)
def test_runs_of_address_words_become_one(words: bytes, wanted: list[str]) -> None:
    assert kinds(words) == wanted


@pytest.mark.parametrize("words", [b"10.1.2.3 192.0.2.1 10.1.2.3", b"192.0.2.1 10.1.2.3 10. [::1]"])
def test_words_are_gathered_as_patterns_are(words: bytes) -> None:
    listed = [parse_host_pattern(word, READING) for word in words.split()]
    by_word = gather_words(words.split(), lambda word: parse_host_pattern(word, READING))
    assert addresses_of_any(by_word) == addresses_of_any(gather(listed))


def test_words_that_need_more_part_the_runs() -> None:
    words = [b"10.1.2.3", b"alpha", b"[::1]", b"10.1.2.4"]
    gathered = gather_words(words, lambda word: parse_host_pattern(word, READING))
    assert [type(pattern) for pattern in gathered] == [OneOf, AnyText, OneOf]


@pytest.mark.parametrize(
    ("word", "quads", "sixes"),
    [
        (b"10.1.2.3", [(0x0A010203, 0x0A010203)], []),
        (b"10.", [(0x0A000000, 0x0AFFFFFF)], []),
        (b"10.1.2.", [(0x0A010200, 0x0A0102FF)], []),
        (b"255.255.255.254/31", [(0xFFFFFFFE, 0xFFFFFFFE)], []),
        (b"0.0.0.0/0.0.0.0", [(0, 0xFFFFFFFE)], []),
        (b"[::1]", [], [(1, 1)]),
        (b"[::]/127", [], [(0, 1)]),
        (b"[x]", [], []),
        (b"10.1.2.3/8", [], []),
        (b"10.1", [], []),
        (b"ALL", [(0, 0xFFFFFFFF)], [(0, (1 << 128) - 1)]),
    ],
)
def test_an_address_word_has_its_addresses(
    word: bytes, quads: list[tuple[int, int]], sixes: list[tuple[int, int]]
) -> None:
    addresses = addresses_of(parse_host_pattern(word, READING))
    assert addresses is not None
    assert ([*addresses.quads], [*addresses.sixes]) == (quads, sixes)


@pytest.mark.parametrize(
    "word", [b"alpha", b"KNOWN", b"@lab", b".2.3", b"10.0.0.0/255.0.255.0", b"dns:a.b"]
)
def test_other_words_have_none(word: bytes) -> None:
    assert addresses_of(parse_host_pattern(word, READING)) is None


def test_a_set_has_the_addresses_of_its_words_and_nets() -> None:
    patterns = [
        parse_host_pattern(word, READING) for word in (b"10.1.2.3", b"10.1.2.2/31", b"[::1]")
    ]
    [joined] = gather(patterns)
    assert isinstance(joined, OneOf)
    addresses = addresses_of(joined)
    assert addresses is not None
    assert [*addresses.quads, *addresses.sixes] == [(0x0A010202, 0x0A010203), (1, 1)]


@pytest.mark.parametrize(
    ("contents", "goes_by_address"),
    [
        ((parse_host_pattern(b"10.", READING),), True),
        ((), True),
        ((parse_host_pattern(b"alpha", READING),), False),
        (Unopenable("Permission denied"), False),
    ],
)
def test_a_host_file_goes_by_address_if_all_its_words_do(
    contents: Contents, goes_by_address: bool
) -> None:
    found = addresses_of(HostFile(b"/list", {b"/list": contents}))
    assert (found is not None) == goes_by_address


def test_a_host_file_within_itself_does_not() -> None:
    library: dict[bytes, Contents] = {}
    itself = HostFile(b"/a", library)
    library[b"/a"] = (itself,)
    assert addresses_of(itself) is None


def test_host_files_that_are_not_read_any_more_do_not() -> None:
    library: dict[bytes, Contents] = {b"/2000": ()}
    for depth in range(2000):
        library[b"/%d" % depth] = (HostFile(b"/%d" % (depth + 1), library),)
    assert addresses_of(HostFile(b"/0", library)) is None
