# SPDX-License-Identifier: MIT
import ipaddress

import pytest

from socketgate.limits import ELSEWHERE, MAX_NETWORKS, Repetition


def admitted(repetition: Repetition, address: str, times: int) -> int:
    return sum(repetition.admit(address) for _ in range(times))


def test_a_network_s_first_events_are_written_and_no_more() -> None:
    assert admitted(Repetition(20, 1000), "192.0.2.7", 100) == 20


def test_what_was_left_out_is_counted_exactly() -> None:
    repetition = Repetition(20, 1000)
    admitted(repetition, "192.0.2.7", 100)
    admitted(repetition, "2001:db8::1", 21)
    assert repetition.close_window() == {"192.0.2.0/24": 80, "2001:db8::/48": 1}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("192.0.2.7", "192.0.2.250", id="same-24"),
        pytest.param("192.0.2.7", "::ffff:192.0.2.8", id="mapped"),
        pytest.param("2001:db8:0:1::1", "2001:db8:0:2::1", id="same-48"),
        pytest.param("fe80::1%eth0", "fe80::2%eth1", id="zone"),
        pytest.param("", "", id="no-address"),
    ],
)
def test_a_network_s_clients_share_its_limit(one: str, other: str) -> None:
    repetition = Repetition(1, 1000)
    repetition.admit(one)
    assert not repetition.admit(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("192.0.2.7", "192.0.3.7"), ("2001:db8:1::1", "2001:db8:2::1")],
    ids=["another-24", "another-48"],
)
def test_another_network_has_a_limit_of_its_own(one: str, other: str) -> None:
    repetition = Repetition(1, 1000)
    repetition.admit(one)
    assert repetition.admit(other)


def test_all_networks_together_have_a_limit_too() -> None:
    repetition = Repetition(20, 30)
    assert sum(admitted(repetition, f"192.0.{net}.7", 10) for net in range(10)) == 30


def test_a_new_window_begins_afresh() -> None:
    repetition = Repetition(1, 1)
    admitted(repetition, "192.0.2.7", 5)
    repetition.close_window()
    assert (repetition.admit("192.0.2.7"), repetition.close_window()) == (True, {})


def test_a_stranger_with_many_networks_can_t_grow_the_counts() -> None:
    repetition = Repetition(1, 1)
    base = int(ipaddress.IPv6Address("2001:db8::")) >> 80
    more = 3
    for number in range(1 + MAX_NETWORKS + more):
        repetition.admit(str(ipaddress.IPv6Address((base + number) << 80)))
    left_out = repetition.close_window()
    assert (len(left_out), left_out[ELSEWHERE]) == (MAX_NETWORKS + 1, more)


def test_the_sum_of_what_is_written_and_left_out_is_exact() -> None:
    repetition = Repetition(3, 50)
    base = int(ipaddress.IPv6Address("2001:db8::")) >> 80
    events = [str(ipaddress.IPv6Address((base + n % 5000) << 80)) for n in range(9000)]
    written = sum(map(repetition.admit, events))
    assert written + sum(repetition.close_window().values()) == 9000
