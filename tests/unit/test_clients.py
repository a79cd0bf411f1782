# SPDX-License-Identifier: MIT
import socket

import pytest

from socketgate.clients import MAX_IN_HALF, Client, Clients, PeerAddress, ip_text, unmapped
from socketgate.rules.option import KeepAlive
from socketgate.rules.request import Access
from socketgate.rules.verdict import Verdict

DENIED = Verdict(Access.DENY)


@pytest.mark.parametrize(
    ("peer", "text"),
    [
        pytest.param(("192.0.2.7", 1), "192.0.2.7", id="ipv4"),
        pytest.param(("2001:db8::1", 1, 0, 0), "2001:db8::1", id="ipv6"),
        pytest.param(("::ffff:192.0.2.7", 1, 0, 0), "::ffff:192.0.2.7", id="mapped"),
        pytest.param(("fe80::1", 1, 0, socket.if_nametoindex("lo")), "fe80::1%lo", id="zone"),
        pytest.param(("fe80::1", 1, 0, 2**31 - 1), "fe80::1%2147483647", id="zone-that-went"),
    ],
)
def test_an_address_is_written_as_getnameinfo_writes_it(peer: PeerAddress, text: str) -> None:
    assert ip_text(peer) == text


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:0:1", "::ffff:0:1"),
        ("", ""),
    ],
)
def test_an_ipv4_client_of_a_dual_stack_socket_has_its_ipv4_address(
    address: str, text: str
) -> None:
    assert unmapped(address) == text


@pytest.mark.parametrize(
    ("address", "bare", "network"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2::7", "2001:db8:1:2::7", "2001:db8:1::/48"),
        ("fe80::7%eth0", "fe80::7", "fe80::/48"),
        ("", "", ""),
    ],
    ids=["ipv4", "mapped", "ipv6", "zone", "no-address"],
)
def test_a_client_has_an_address_for_programs_and_a_network(
    address: str, bare: str, network: str
) -> None:
    client = Client(address, None)
    assert (client.bare_address, client.network) == (bare, network)


@pytest.mark.parametrize(
    ("verdict", "access"),
    [
        pytest.param(DENIED, Access.DENY, id="nothing-else"),
        pytest.param(Verdict(Access.DENY, actions=(KeepAlive(),)), None, id="options"),
        pytest.param(Verdict(Access.DENY, messages=("no such file",)), None, id="messages"),
        pytest.param(None, None, id="no-verdict"),
    ],
)
def test_the_access_is_there_if_nothing_else_is_to_be_done(
    verdict: Verdict | None, access: Access | None
) -> None:
    assert Client("192.0.2.7", verdict).access is access


def asked(clients: int) -> tuple[Clients, list[str]]:
    """So many clients have come; for whom the rules were asked since."""
    questions: list[str] = []

    def verdict(address: str) -> Verdict:
        questions.append(address)
        return DENIED

    known = Clients(verdict)
    for number in range(clients):
        known.of((f"192.0.2.{number}", 1))
    questions.clear()
    return known, questions


def test_the_rules_are_asked_once_for_a_client() -> None:
    clients, questions = asked(1)
    clients.of(("192.0.2.0", 2))
    assert questions == []


def test_the_same_address_by_another_interface_is_another_client() -> None:
    clients, _ = asked(0)
    one, other = (clients.of(("fe80::1", 1, 0, zone)) for zone in (2**31 - 1, 2**31 - 2))
    assert one is not other


def test_who_comes_now_and_then_is_not_forgotten() -> None:
    clients, questions = asked(MAX_IN_HALF)
    clients.of(("203.0.113.1", 1))
    clients.of(("192.0.2.0", 1))
    assert questions == ["203.0.113.1"]


def test_no_more_clients_than_so_many_are_kept() -> None:
    clients, questions = asked(2 * MAX_IN_HALF + 1)
    clients.of(("192.0.2.0", 1))
    assert questions == ["192.0.2.0"]
