# SPDX-License-Identifier: MIT
import socket
import struct

import pytest

from socketgate import libc


def test_nobody_is_in_a_group_that_is_not_there() -> None:
    assert not libc.is_in_netgroup(b"no-such-group", b"a.example")


@pytest.mark.parametrize(
    ("address", "start", "size"),
    [
        pytest.param("192.0.2.7", 4, 16, id="ipv4"),
        pytest.param("2001:db8::1", 8, 28, id="ipv6"),
    ],
)
def test_an_address_is_laid_out_as_ip7_and_ipv67_say(address: str, start: int, size: int) -> None:
    info = socket.getaddrinfo(address, 0, flags=socket.AI_NUMERICHOST)[0]
    packed = libc._packed(info[4])
    (family,) = struct.unpack_from("=H", packed)
    text = socket.inet_pton(info[0], address)
    assert (family, packed.find(text), len(packed)) == (info[0], start, size)


def test_a_zone_is_passed_on() -> None:
    assert struct.unpack_from("=I", libc._packed(("fe80::1%lo", 0, 0, 7)), 24) == (7,)
