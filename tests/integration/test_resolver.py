# SPDX-License-Identifier: MIT
"""Names by the C library, from a hosts file and a real name server.

Each scene is played in a process with its own /etc and loopback (tests/support/own_etc.py), and
comes back as what the test compares.
"""

import pytest

from socketgate.lookups import Lookups
from socketgate.rules.request import Fact
from tests.support.dnsserver import DnsServer, reverse
from tests.support.lookups import (
    Answers,
    etc,
    names_of,
    request,
    text,
    with_lookups,
)
from tests.support.own_etc import in_own_etc

LABEL = "l" * 30
LONG = f"{LABEL}.{LABEL}.{LABEL}.{LABEL}.example.org."  # 136 bytes
CUT = LONG[:127]

ZONE = {
    **reverse("192.0.2.1", "good.example."),
    "good.example. A": ["192.0.2.250", "192.0.2.1"],
    **reverse("2001:db8::1", "good6.example."),
    "good6.example. AAAA": ["2001:db8::1"],
    **reverse("192.0.2.2", "liar.example."),
    "liar.example. A": ["192.0.2.200"],
    **reverse("192.0.2.3", "nowhere.example."),
    **reverse("192.0.2.4", "alias.example."),
    "alias.example. CNAME": ["real.example."],
    "real.example. A": ["192.0.2.4"],
    **reverse("192.0.2.5", "192.0.2.99."),
    **reverse("192.0.2.7", "Good7.Example."),
    "Good7.Example. A": ["192.0.2.7"],
    "good7.example. A": ["192.0.2.7"],
    **reverse("192.0.2.8", "v6only.example."),
    "v6only.example. AAAA": ["2001:db8::8"],
    **reverse("192.0.2.9", LONG),
    f"{LONG} A": ["192.0.2.9"],
    **reverse("192.0.2.11", "localhost."),
    "localhost. A": ["192.0.2.11"],
    **reverse("2001:db8::2", "liar6.example."),
    "liar6.example. AAAA": ["2001:db8::3"],
}

NAMES: list[tuple[str, str, str, str]] = [
    ("agrees", "192.0.2.1", "good.example", ""),
    ("agrees-by-ipv6", "2001:db8::1", "good6.example", ""),
    ("mapped", "::ffff:192.0.2.1", "good.example", ""),
    ("other-case", "192.0.2.7", "Good7.Example", ""),
    ("no-name", "192.0.2.6", "unknown", "name: not found"),
    (
        "other-address",
        "192.0.2.2",
        "paranoid",
        "name: host name/address mismatch: 192.0.2.2 != liar.example",
    ),
    (
        "other-address-by-ipv6",
        "2001:db8::2",
        "paranoid",
        "name: host name/address mismatch: 2001:db8::2 != liar6.example",
    ),
    (
        "no-such-name",
        "192.0.2.3",
        "paranoid",
        "name: can't verify hostname: getaddrinfo(nowhere.example, AF_INET) failed",
    ),
    (
        "other-family-only",
        "192.0.2.8",
        "paranoid",
        "name: can't verify hostname: getaddrinfo(v6only.example, AF_INET) failed",
    ),
    (
        "alias",
        "192.0.2.4",
        "paranoid",
        "name: host name/name mismatch: alias.example != real.example",
    ),
    (
        "reads-as-an-address",
        "192.0.2.5",
        "paranoid",
        "name: host name/name mismatch: reverse lookup results in non-FQDN 192.0.2.99",
    ),
    (
        "longer-than-a-fact",
        "192.0.2.9",
        "paranoid",
        f"name: can't verify hostname: getaddrinfo({CUT}, AF_INET) failed",
    ),
    (
        "localhost-elsewhere",
        "192.0.2.11",
        "paranoid",
        "name: host name/address mismatch: 192.0.2.11 != localhost",
    ),
]  # fmt: skip


def names_scene() -> object:
    with DnsServer(ZONE):
        return with_lookups(lambda lookups: names_of(lookups, (row[1] for row in NAMES)))


@pytest.fixture(scope="module")
def names() -> object:
    return in_own_etc(names_scene, etc())


@pytest.mark.parametrize(
    ("address", "answer", "note"), [pytest.param(*row[1:], id=row[0]) for row in NAMES]
)
def test_a_name_counts_only_when_it_leads_back(
    names: Answers, address: str, answer: str, note: str
) -> None:
    assert names[address] == [answer, note]


def hosts_file_scene() -> object:
    with DnsServer({}) as server:
        found = with_lookups(lambda lookups: names_of(lookups, ["192.0.2.1", "192.0.2.2"]))
        return [found, server.questions]


def test_a_name_in_the_hosts_file_needs_no_name_server() -> None:
    hosts = "192.0.2.1 one.example one\n192.0.2.2 two.example\n"
    names = {"192.0.2.1": ["one.example", ""], "192.0.2.2": ["two.example", ""]}
    assert in_own_etc(hosts_file_scene, etc(hosts=hosts)) == [names, []]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param(b"a\x1b[2J.example", "a\\x1b[2J.example", id="escape"),
        pytest.param(b"a\xff.example", "a\\xff.example", id="not-utf-8"),
        pytest.param("a\u202e.example".encode(), "a\\xe2\\x80\\xae.example", id="right-to-left"),
        pytest.param(b"n" * 256, "n" * 255, id="longer-than-a-name"),
    ],
)
def test_what_cannot_be_a_name_is_no_name(name: bytes, shown: str) -> None:
    hosts = b"192.0.2.1 " + name + b"\n192.0.2.2 two.example\n"
    found = in_own_etc(hosts_file_scene, etc(hosts=hosts))
    names = {
        "192.0.2.1": ["unknown", f"name: no host name, but {shown}"],
        "192.0.2.2": ["two.example", ""],
    }
    assert found == [names, []]


def server_name_scene() -> object:
    async def scene(lookups: Lookups) -> object:
        return text(await lookups.look_up(Fact.SERVER_NAME, request(server="192.0.2.99")))

    with DnsServer({}):
        return with_lookups(scene)


def test_a_servers_name_is_named_so_in_the_note() -> None:
    assert in_own_etc(server_name_scene, etc()) == ["unknown", "server name: not found"]
