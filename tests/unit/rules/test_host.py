# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.facts import FactNeeded, Facts
from socketgate.rules.gather import gather
from socketgate.rules.host import (
    MAX_DEPTH,
    AnyText,
    Contents,
    Forward,
    HostFile,
    Netgroup,
    Unopenable,
)
from socketgate.rules.pattern import Anything
from socketgate.rules.request import (
    Answer,
    Endpoint,
    Fact,
    ForwardAddresses,
    InNetgroup,
    Lookup,
    Request,
)
from socketgate.rules.word import Reading, parse_host_pattern

EVERYBODY = AnyText(Anything(), by_address=False)


def facts(
    address: bytes, name: bytes | None = None, answers: dict[Lookup, Answer] | None = None
) -> Facts:
    known: dict[Lookup, Answer] = {} if name is None else {Fact.CLIENT_NAME: name}
    request = Request(daemon=b"sshd", client=Endpoint(address), facts={**known, **(answers or {})})
    return Facts(request, frozenset({b"lo"}))


def matches(word: bytes, facts: Facts) -> bool:
    return parse_host_pattern(word, Reading(frozenset({b"lo"}))).matches(facts.client)


@pytest.mark.parametrize(
    ("word", "address", "name", "wanted"),
    [
        (b"KNOWN", b"10.1.2.3", b"alpha", True),
        (b"KNOWN", b"10.1.2.3", b"paranoid", False),
        (b"KNOWN", b"unknown", b"alpha", False),
        (b"LOCAL", b"10.1.2.3", b"alpha", True),
        (b"LOCAL", b"10.1.2.3", b"alpha.org", False),
        (b"LOCAL", b"10.1.2.3", b"unknown", False),
        (b"UNKNOWN", b"10.1.2.3", b"unknown", True),
        (b"UNKNOWN", b"unknown", b"alpha", True),
        (b"PARANOID", b"10.1.2.3", b"paranoid", True),
        (b"10.0.0.0/8", b"::ffff:10.1.2.3", b"x", True),
        (b"10.0.0.0/8", b"012.1.2.3", b"x", True),
        (b"10.0.0.0/8", b"unknown", b"x", False),
        (b"[::]/0", b"2001:db8::1", b"x", True),
        (b"[::]/0", b"::ffff:10.1.2.3", b"x", False),
        (b"[fe80::]/10", b"fe80::1%lo", b"x", True),
        (b"[::1]", b"10.1.2.3", b"x", False),
        (b".2.3", b"10.1.2.3", b"x", True),
        (b"*.org", b"10.1.2.3", b"a.org", True),
        (b"1.", b"10.1.2.3", b"1.2.3.4.org", False),
        (b"0.0.0.0/33", b"10.1.2.3", b"x", False),
    ],
)
def test_a_host_pattern_matches(word: bytes, address: bytes, name: bytes, wanted: bool) -> None:
    assert matches(word, facts(address, name)) == wanted


@pytest.mark.parametrize("word", [b"10.", b"10.1.2.3", b"[::1]", b"192.0.2.0/24", b"192.", b"ALL"])
def test_an_address_pattern_asks_for_no_name(word: bytes) -> None:
    assert isinstance(matches(word, facts(b"10.1.2.3")), bool)


@pytest.mark.parametrize(
    "word", [b"alpha", b".org", b"KNOWN", b"LOCAL", b"@lab", b"19*", b"UNKNOWN"]
)
def test_a_name_pattern_asks_for_the_name(word: bytes) -> None:
    with pytest.raises(FactNeeded) as raised:
        matches(word, facts(b"10.1.2.3"))
    assert raised.value.fact is Fact.CLIENT_NAME


@pytest.mark.parametrize("answer", [True, False])
def test_a_netgroup_is_asked_about(answer: bool) -> None:
    known = facts(b"10.1.2.3", b"alpha", {InNetgroup(b"lab", b"alpha"): answer})
    assert Netgroup(b"lab").matches(known.client) == answer


@pytest.mark.parametrize(
    ("addresses", "wanted"),
    [(frozenset({b"10.1.2.3"}), True), (frozenset({b"10.1.2.4"}), False), (None, False)],
)
def test_a_forward_name_matches_its_addresses(addresses: Answer, wanted: bool) -> None:
    known = facts(b"::ffff:10.1.2.3", None, {ForwardAddresses(b"home.example.org"): addresses})
    assert Forward(b"home.example.org").matches(known.client) == wanted


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        (b"10.1.2.3", True),
        (b"10.1.2.4", False),
        (b"172.16.9.9", True),
        (b"192.0.2.77", True),
        (b"255.255.255.255", False),
        (b"2001:db8::1", True),
        (b"2001:db9::1", False),
        (b"0xc0.0.2.77", True),
        (b"012.1.2.3", False),
        (b"10.1", True),
        (b"172.16", False),
        (b"172.16.9", True),
        (b"unknown", False),
    ],
)
def test_words_joined_into_a_set_match_as_they_did_alone(address: bytes, wanted: bool) -> None:
    words = b"10.1.2.3 172.16. 192.0.2.0/24 200.0.0.0/3 [2001:db8::]/32 [::1] 10.1 10.0.0.0/99 [x]"
    patterns = [parse_host_pattern(word, Reading()) for word in words.split()]
    [joined] = gather(patterns)
    known = facts(address)
    assert joined.matches(known.client) == wanted
    assert any(pattern.matches(known.client) for pattern in patterns) == wanted


def test_a_host_file_that_is_not_there_matches_nothing_in_silence() -> None:
    known = facts(b"10.1.2.3")
    assert (HostFile(b"/gone", {}).matches(known.client), known.messages) == (False, [])


def test_a_host_file_that_cant_be_read_matches_nothing_with_a_warning() -> None:
    known = facts(b"10.1.2.3")
    library: dict[bytes, Contents] = {b"/list": Unopenable("Permission denied")}
    assert not HostFile(b"/list", library).matches(known.client)
    assert known.messages == ["warning: open /list: Permission denied"]


def test_a_host_file_within_itself_matches_nothing_with_an_error() -> None:
    known = facts(b"10.1.2.3")
    library: dict[bytes, Contents] = {}
    library[b"/a"] = (HostFile(b"/b", library),)
    library[b"/b"] = (HostFile(b"/a", library),)
    assert not HostFile(b"/a", library).matches(known.client)
    assert known.messages == ["error: host file /a names itself"]


def test_host_files_are_read_only_so_deep() -> None:
    known = facts(b"10.1.2.3")
    library: dict[bytes, Contents] = {}
    for depth in range(MAX_DEPTH + 1):
        library[b"/%d" % depth] = (HostFile(b"/%d" % (depth + 1), library),)
    library[b"/%d" % (MAX_DEPTH + 1)] = (EVERYBODY,)
    assert HostFile(b"/5", library).matches(facts(b"10.1.2.3").client)
    assert not HostFile(b"/0", library).matches(known.client)
    assert known.messages == ["error: host file within 32 others: /32 is not read"]


def test_a_host_file_may_be_named_twice() -> None:
    library: dict[bytes, Contents] = {b"/c": (EVERYBODY,), b"/b": ()}
    library[b"/a"] = (HostFile(b"/b", library), HostFile(b"/b", library), HostFile(b"/c", library))
    assert HostFile(b"/a", library).matches(facts(b"10.1.2.3").client)
