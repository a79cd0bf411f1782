# SPDX-License-Identifier: MIT
import pytest

from socketgate.lookup_source import plain, prefixes_of
from socketgate.lookup_values import Prefixes


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param(b"::ffff:192.0.2.7", b"192.0.2.7", id="mapped"),
        pytest.param(b"192.0.2.7", b"192.0.2.7", id="ipv4"),
        pytest.param(b"2001:db8::7", b"2001:db8::7", id="ipv6"),
        pytest.param(b"::ffff:102:304", b"::ffff:102:304", id="mapped-as-nobody-prints-it"),
        pytest.param(b"unknown", b"unknown", id="unknown"),
    ],
)
def test_a_mapped_address_is_an_ipv4_address(address: bytes, expected: bytes) -> None:
    assert plain(address) == expected


@pytest.mark.parametrize(
    ("address", "source", "network"),
    [
        pytest.param(b"192.0.2.7", "192.0.2.7/32", "192.0.2.0/24", id="ipv4"),
        pytest.param(b"::ffff:192.0.2.7", "192.0.2.7/32", "192.0.2.0/24", id="mapped"),
        pytest.param(b"2001:db8:1:2:3::7", "2001:db8:1:2::/64", "2001:db8:1::/48", id="ipv6"),
        pytest.param(b"fe80::7%eth0", "fe80::/64", "fe80::/48", id="zone"),
        pytest.param(b"unknown", "unknown", "unknown", id="no-address"),
        pytest.param(b"\xff\xfe", "\ufffd\ufffd", "\ufffd\ufffd", id="no-text"),
    ],
)
def test_limits_count_by_prefix(address: bytes, source: str, network: str) -> None:
    assert prefixes_of(address) == Prefixes(source, network)
