# SPDX-License-Identifier: MIT
from socketgate.rules.fault import error, shifted, warning


def test_faults_of_a_part_that_begins_later_keep_all_but_the_offset() -> None:
    moved = list(shifted([error("a-b", "x", "y", 2), warning("c-d", "z", "w")], 5))
    assert moved == [error("a-b", "x", "y", 7), warning("c-d", "z", "w", 5)]
