# SPDX-License-Identifier: MIT
import pytest

from socketgate.netgroup import look_up_netgroup


@pytest.mark.parametrize(
    ("group", "host"),
    [
        pytest.param(b"no-such-group", b"a.example", id="no-such-group"),
        pytest.param(b"gro\0up", b"a.example", id="nul-in-group"),
        pytest.param(b"group", b"a\0.example", id="nul-in-host"),
        pytest.param(b"\xff", b"\xff", id="not-utf-8"),
    ],
)
def test_nobody_is_in_a_group_that_is_not_there(group: bytes, host: bytes) -> None:
    assert look_up_netgroup(group, host).answer is False
