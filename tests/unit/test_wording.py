# SPDX-License-Identifier: MIT
import pytest

from socketgate.wording import count


@pytest.mark.parametrize(("number", "text"), [(0, "0 errors"), (1, "1 error"), (2, "2 errors")])
def test_a_noun_agrees_with_its_number(number: int, text: str) -> None:
    assert count(number, "error") == text
