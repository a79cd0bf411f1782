# SPDX-License-Identifier: MIT
import pytest

from socketgate.cli.times import span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1s"), (0.5, "1s"), (59.9, "59s"), (60, "1min"), (61, "1min 1s"), (3599, "59min 59s"),
        (3600, "1h"), (3661, "1h 1min"), (86400, "1d"), (90061, "1d 1h"), (14 * 86400, "2w"),
        (15 * 86400 + 3600, "2w 1d"),
    ],
)  # fmt: skip
def test_a_span_is_written_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert span(seconds) == text
