# SPDX-License-Identifier: MIT
import pytest

from socketgate.lookup_values import Found
from socketgate.resolver import look_up_name
from socketgate.rules.request import UNKNOWN


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        pytest.param(b"not an address", "not an address", id="words"),
        pytest.param(b"192.0.2.256", "192.0.2.256", id="out-of-range"),
        pytest.param(b"fe80::1%nowhere", "fe80::1%nowhere", id="unknown-zone"),
        pytest.param(b"192.0.2.7\0", "192.0.2.7\\x00", id="nul"),
        pytest.param(b"\xff", "\\xff", id="not-utf-8"),
    ],
)
def test_what_is_no_address_has_no_name(address: bytes, shown: str) -> None:
    assert look_up_name(address, "name") == Found(UNKNOWN, f"name: {shown} is no address")
