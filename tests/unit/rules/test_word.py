# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.facts import FactNeeded, Facts
from socketgate.rules.host import (
    AnyText,
    Forward,
    HostFile,
    HostPattern,
    KnownHost,
    LocalHost,
    Netgroup,
    Nothing,
    QuadNet,
    SixNet,
)
from socketgate.rules.pattern import Equals, SameSix, StartsWith
from socketgate.rules.request import Endpoint, Fact, Request
from socketgate.rules.word import (
    DaemonPort,
    Reading,
    parse_client_word,
    parse_daemon_word,
    parse_host_pattern,
)

READING = Reading()


@pytest.mark.parametrize(
    ("word", "pattern"),
    [
        (b"@lab", Netgroup(b"lab")),
        (b"/list", HostFile(b"/list", {})),
        (b"Known", KnownHost()),
        (b"local", LocalHost()),
        (b"dns:Home.example.org", Forward(b"home.example.org")),
        (b"10.0.0.0/8", QuadNet(0x0A000000, 0xFF000000)),
        (b"10.0.0.0/255.0.255.0", QuadNet(0x0A000000, 0xFF00FF00)),
        (b"10.0.0.0/8x", QuadNet(0x0A000000, 0xFF000000)),
        (b"0.0.0.0/0.0.0.0", QuadNet(0, 0)),
        (b"10.1.2.3/8", Nothing()),
        (b"0.0.0.0/0", Nothing()),
        (b"10.0.0/8", Nothing()),
        (b"10.0.0.0/33", Nothing()),
        (b"[2001:db8::]/32", SixNet(0x20010DB8 << 96, 32)),
        (b"[2001:db8::]/", SixNet(0x20010DB8 << 96, 0)),
        (b"[2001:db8::]/129", Nothing()),
        (b"[x]/32", Nothing()),
        (b"[::1]", AnyText(SameSix(1), by_address=True)),
        (b"10.", AnyText(StartsWith(b"10."), by_address=True)),
        (b"10.1.2.3", AnyText(Equals(b"10.1.2.3"), by_address=True)),
        (b"Alpha", AnyText(Equals(b"alpha"), by_address=False)),
        (b"UNKNOWN", AnyText(Equals(b"unknown"), by_address=False)),
    ],
)
def test_a_host_word_is_known_by_its_form(word: bytes, pattern: HostPattern) -> None:
    assert parse_host_pattern(word, READING) == pattern


def test_without_extensions_dns_is_a_text() -> None:
    pattern = parse_host_pattern(b"dns:a.b", Reading(extensions=False))
    assert pattern == AnyText(Equals(b"dns:a.b"), by_address=False)


@pytest.mark.parametrize(
    ("word", "daemon", "port", "matches"),
    [
        (b"sshd", b"SSHD", None, True),
        (b"22", b"22", None, False),
        (b"22", b"sshd", 22, True),
        (b"+022", b"sshd", 22, True),
        (b"65536", b"65536", 22, True),
        (b"@x", b"@x", None, True),
        (b"sshd@192.0.2.1", b"sshd", None, True),
        (b"sshd@192.0.2.2", b"sshd", None, False),
        (b"ftpd@192.0.2.1", b"sshd", None, False),
        (b"22@192.0.2.1", b"sshd", 22, True),
    ],
)
def test_a_daemon_word_matches(word: bytes, daemon: bytes, port: int | None, matches: bool) -> None:
    facts = Facts(Request(daemon=daemon, server=Endpoint(b"192.0.2.1", port)))
    assert parse_daemon_word(word, READING).matches(facts) == matches


def test_a_small_number_is_a_port() -> None:
    assert parse_daemon_word(b"4294967318", READING).daemon == DaemonPort(22)


@pytest.mark.parametrize(
    ("word", "matches"),
    [
        (b"bob@10.", True),
        (b"root@10.", False),
        (b"bob@11.", False),
        (b"ALL@@lab", False),
        (b"10.", True),
        (b"bob@", False),
    ],
)
def test_a_client_word_matches(word: bytes, matches: bool) -> None:
    request = Request(daemon=b"sshd", client=Endpoint(b"10.1.2.3"))
    request = request.with_fact(Fact.CLIENT_USER, b"bob").with_fact(Fact.CLIENT_NAME, b"alpha")
    from socketgate.rules.request import InNetgroup

    facts = Facts(request.with_fact(InNetgroup(b"lab", b"alpha"), False))
    assert parse_client_word(word, READING).matches(facts) == matches


def test_the_user_is_looked_up_only_for_a_host_that_matched() -> None:
    facts = Facts(Request(daemon=b"sshd", client=Endpoint(b"10.1.2.3")))
    assert not parse_client_word(b"bob@11.", READING).matches(facts)
    with pytest.raises(FactNeeded):
        parse_client_word(b"bob@10.", READING).matches(facts)
