# SPDX-License-Identifier: MIT
import ipaddress
import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketgate.bans import NEVER, SLACK_ENDS, Ban, Bans, Net, Unban, parse_address, parse_net

NOW = 1000


def ban(net: str, *, daemon: str = "ALL", until: int = NEVER, origin: str = "") -> Ban:
    return Ban(net=parse_net(net), daemon=daemon, made=NOW, until=until, origin=origin)


def bans_of(*found: Ban, spared: Sequence[str] = ()) -> Bans:
    bans = Bans(map(parse_net, spared))
    for one in found:
        bans.apply(one)
    return bans


def is_banned(bans: Bans, address: str, daemon: str = "sshd", now: float = NOW) -> bool:
    return bans.find(address, daemon, now) is not None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("192.0.2.7", "192.0.2.7/32", id="address"),
        pytest.param("192.0.2.7/24", "192.0.2.0/24", id="bits-after-the-length-do-not-matter"),
        pytest.param("2001:DB8::7", "2001:db8::7/128", id="six"),
        pytest.param("2001:db8::7/64", "2001:db8::/64", id="six-net"),
        pytest.param("::ffff:192.0.2.7", "192.0.2.7/32", id="mapped"),
        pytest.param("::ffff:192.0.2.7/120", "192.0.2.0/24", id="mapped-net"),
    ],
)
def test_a_net_is_read(text: str, shown: str) -> None:
    assert str(parse_net(text)) == shown


def test_an_ipv6_address_without_a_length_has_the_one_that_was_asked_for() -> None:
    assert str(parse_net("2001:db8::7", 64)) == "2001:db8::/64"


def test_an_ipv4_address_without_a_length_is_one_address() -> None:
    assert str(parse_net("192.0.2.7", 64)) == "192.0.2.7/32"


@pytest.mark.parametrize(
    "text",
    [
        "", "host.example.org", "192.0.2", "192.0.2.256", "192.0.2.7/", "192.0.2.7/33",
        "192.0.2.7/-1", "192.0.2.7/0", "::/0", "2001:db8::/129", "fe80::1%eth0", "192.0.2.0/x",
        "192.0.2.0/255.255.255.0", "::ffff:192.0.2.7/96", "192.0.2.7\0", "192.0.2.7 ", "1/२४",
    ],
)  # fmt: skip
def test_what_is_no_net_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"no IPv4 or IPv6 address|a number from 1 to"):
        parse_net(text)


@given(st.ip_addresses(), st.integers(1, 128))
def test_a_net_has_the_addresses_that_the_standard_library_says(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, length: int
) -> None:
    length = min(length, address.max_prefixlen)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return
    net = parse_net(f"{address}/{length}")
    assert str(net) == str(ipaddress.ip_network((address, length), strict=False))


@given(st.text())
def test_any_text_is_a_net_or_a_value_error(text: str) -> None:
    try:
        net = parse_net(text)
    except ValueError:
        return
    assert isinstance(net, Net)


def test_a_single_address_is_named_without_its_length() -> None:
    assert (parse_net("192.0.2.7").name, parse_net("192.0.2.0/24").name) == (
        "192.0.2.7",
        "192.0.2.0/24",
    )


@pytest.mark.parametrize(
    ("net", "address", "expected"),
    [
        pytest.param("192.0.2.7", "192.0.2.7", True, id="address"),
        pytest.param("192.0.2.7", "192.0.2.8", False, id="neighbour"),
        pytest.param("192.0.2.0/24", "192.0.2.255", True, id="last-of-a-net"),
        pytest.param("192.0.2.0/24", "192.0.3.0", False, id="first-after-a-net"),
        pytest.param("192.0.2.7", "::ffff:192.0.2.7", True, id="client-of-a-dual-stack-socket"),
        pytest.param("2001:db8::/64", "2001:db8::ffff", True, id="six"),
        pytest.param("2001:db8::/64", "2001:db8:0:1::", False, id="six-outside"),
        pytest.param("128.0.0.0/1", "200.0.0.1", True, id="half-of-them"),
    ],
)
def test_a_ban_concerns_the_addresses_of_its_net(net: str, address: str, expected: bool) -> None:
    assert is_banned(bans_of(ban(net)), address) is expected


def test_a_ban_for_one_daemon_concerns_no_other() -> None:
    bans = bans_of(ban("192.0.2.7", daemon="sshd"))
    assert [is_banned(bans, "192.0.2.7", name) for name in ("sshd", "smtp")] == [True, False]


def test_a_ban_ends_at_its_second() -> None:
    bans = bans_of(ban("192.0.2.7", until=NOW + 10))
    assert [is_banned(bans, "192.0.2.7", now=NOW + later) for later in (9.9, 10)] == [True, False]


def test_a_later_ban_takes_the_place_of_an_earlier_one() -> None:
    bans = bans_of(ban("192.0.2.7", until=NOW + 10), ban("192.0.2.7", until=NOW + 99))
    assert (bans.count, is_banned(bans, "192.0.2.7", now=NOW + 50)) == (1, True)


def test_a_shorter_ban_that_comes_later_counts() -> None:
    bans = bans_of(ban("192.0.2.7"), ban("192.0.2.7", until=NOW + 10))
    assert not is_banned(bans, "192.0.2.7", now=NOW + 50)


def test_an_unban_ends_the_ban_of_its_daemon_only() -> None:
    bans = bans_of(ban("192.0.2.7", daemon="sshd"), ban("192.0.2.7"))
    bans.apply(Unban(parse_net("192.0.2.7"), "ALL"))
    assert [is_banned(bans, "192.0.2.7", name) for name in ("sshd", "smtp")] == [True, False]


def test_each_origin_has_bans_of_its_own() -> None:
    """A jail's short ban is no end of another's long one."""
    bans = bans_of(ban("192.0.2.7", origin="a"), ban("192.0.2.7", until=NOW + 10, origin="b"))
    assert (bans.count, is_banned(bans, "192.0.2.7", now=NOW + 50)) == (2, True)


def test_an_unban_ends_the_ban_of_its_origin_only() -> None:
    bans = bans_of(ban("192.0.2.7", origin="a"), ban("192.0.2.7", origin="b"))
    bans.apply(Unban(parse_net("192.0.2.7"), "ALL", "a"))
    assert [one.origin for one in bans] == ["b"]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("192.0.2.0/24", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.0/24", True),
        ("192.0.2.0/25", "192.0.2.128/25", False),
        ("::/1", "0.0.0.0/1", False),
    ],
)
def test_nets_meet_where_one_is_within_the_other(one: str, other: str, expected: bool) -> None:
    assert parse_net(one).meets(parse_net(other)) is expected


def test_an_unban_of_what_is_not_banned_changes_nothing() -> None:
    bans = bans_of(ban("192.0.2.7"))
    bans.apply(Unban(parse_net("192.0.2.8"), "ALL"))
    assert [one.net.name for one in bans] == ["192.0.2.7"]


def test_no_ban_concerns_who_is_spared() -> None:
    bans = bans_of(ban("192.0.2.0/24"), spared=["192.0.2.4/30"])
    assert [is_banned(bans, f"192.0.2.{last}") for last in (3, 4, 7, 8)] == [
        True,
        False,
        False,
        True,
    ]


def test_a_ban_that_does_not_count_is_still_told() -> None:
    bans = bans_of(ban("192.0.2.0/24"), spared=["192.0.2.7"])
    assert [one.net.name for one in bans.matching("192.0.2.7", "sshd", NOW)] == ["192.0.2.0/24"]


def test_bans_that_have_run_out_are_forgotten() -> None:
    bans = bans_of(ban("192.0.2.7", until=NOW + 10), ban("192.0.2.8"))
    bans.expire(NOW + 10)
    assert ([one.net.name for one in bans], bans.count) == (["192.0.2.8"], 1)


def test_a_ban_that_was_made_longer_is_not_forgotten_at_its_first_end() -> None:
    bans = bans_of(ban("192.0.2.7", until=NOW + 10), ban("192.0.2.7", until=NOW + 99))
    bans.expire(NOW + 50)
    assert bans.count == 1


def test_what_a_ban_that_is_renewed_takes_up_has_an_end() -> None:
    bans = bans_of(ban("192.0.2.8", until=NOW + 2))
    tracemalloc.start()
    try:
        for seconds in range(20 * SLACK_ENDS):
            bans.apply(ban("192.0.2.7", until=NOW + 3 + seconds))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 1000 * SLACK_ENDS
    bans.expire(NOW + 2)
    assert [str(one.net) for one in bans] == ["192.0.2.7/32"]


def test_clear_forgets_all() -> None:
    bans = bans_of(ban("192.0.2.7"), ban("2001:db8::/32"))
    bans.clear()
    assert (list(bans), bans.count) == ([], 0)


NETS = st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "10.1.1.1", "10.1.1.2", "::1", "fd00::/8"])
ORIGINS = st.sampled_from(["", "a"])
EVENTS = st.lists(
    st.one_of(
        st.builds(
            ban,
            NETS,
            daemon=st.sampled_from(["ALL", "sshd"]),
            origin=ORIGINS,
            until=st.one_of(st.just(NEVER), st.integers(NOW, NOW + 5)),
        ),
        st.builds(
            lambda net, name, origin: Unban(parse_net(net), name, origin),
            NETS,
            st.sampled_from(["ALL", "sshd"]),
            ORIGINS,
        ),
    )
)


@given(EVENTS, st.sampled_from(["10.1.1.1", "10.2.0.1", "::1", "fd00::2"]), st.integers(0, 6))
def test_the_index_answers_as_a_plain_list_does(
    events: list[Ban | Unban], address: str, later: int
) -> None:
    """The last word about a net, daemon and origin counts, whatever was forgotten meanwhile."""
    bans = Bans()
    last: dict[tuple[Net, str, str], Ban | Unban] = {}
    for event in events:
        bans.apply(event)
        last[event.net, event.daemon, event.origin] = event
    bans.expire(NOW + later - 1)
    expected = any(
        isinstance(one, Ban)
        and one.until > NOW + later
        and one.daemon in ("ALL", "sshd")
        and one.net.has(*parse_address(address))
        for one in last.values()
    )
    assert is_banned(bans, address, now=NOW + later) is expected
