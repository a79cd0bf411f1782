# SPDX-License-Identifier: MIT
from socketgate.repetition import ELSEWHERE, MAX_NAMED, MAX_NETWORKS, Repetition


def admitted(repetition: Repetition, network: str, times: int) -> int:
    return sum(repetition.admit(network) for _ in range(times))


def test_a_network_s_first_events_are_written_and_no_more() -> None:
    assert admitted(Repetition(20, 1000), "192.0.2.0/24", 100) == 20


def test_what_was_left_out_is_counted_exactly() -> None:
    repetition = Repetition(20, 1000)
    admitted(repetition, "192.0.2.0/24", 100)
    admitted(repetition, "2001:db8::/48", 21)
    assert repetition.close_window() == {"192.0.2.0/24": 80, "2001:db8::/48": 1}


def test_another_network_has_a_limit_of_its_own() -> None:
    repetition = Repetition(1, 1000)
    repetition.admit("192.0.2.0/24")
    assert repetition.admit("192.0.3.0/24")


def test_all_networks_together_have_a_limit_too() -> None:
    repetition = Repetition(20, 30)
    assert sum(admitted(repetition, f"192.0.{net}.0/24", 10) for net in range(10)) == 30


def test_a_new_window_begins_afresh() -> None:
    repetition = Repetition(1, 1)
    admitted(repetition, "192.0.2.0/24", 5)
    repetition.close_window()
    assert (repetition.admit("192.0.2.0/24"), repetition.close_window()) == (True, {})


def test_a_stranger_with_many_networks_can_t_grow_the_counts() -> None:
    repetition = Repetition(1, 1)
    for number in range(MAX_NETWORKS + 4):
        repetition.admit(f"2001:db8:{number:x}::/48")
    assert len(repetition._left_out) == MAX_NETWORKS + 1


def test_a_window_s_end_names_those_that_repeat_the_most_and_sums_up_the_others() -> None:
    repetition = Repetition(1, 1)
    for number in range(1 + MAX_NETWORKS + 3):
        repetition.admit(f"2001:db8:{number:x}::/48")
    busy = f"2001:db8:{MAX_NETWORKS:x}::/48"
    repetition.admit(busy)
    left_out = repetition.close_window()
    assert (len(left_out), left_out[busy]) == (MAX_NAMED + 1, 2)
    assert left_out[ELSEWHERE] == MAX_NETWORKS + 3 - MAX_NAMED


def test_the_sum_of_what_is_written_and_left_out_is_exact() -> None:
    repetition = Repetition(3, 50)
    events = [f"2001:db8:{n % 5000:x}::/48" for n in range(9000)]
    written = sum(map(repetition.admit, events))
    assert written + sum(repetition.close_window().values()) == 9000
