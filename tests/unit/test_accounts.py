# SPDX-License-Identifier: MIT
import pytest

from socketgate.accounts import look_up_account, name_of_user


@pytest.mark.parametrize(
    ("name", "is_group", "expected"),
    [
        pytest.param(b"root", False, True, id="user"),
        pytest.param(b"root", True, True, id="group"),
        pytest.param(b"no such user", False, False, id="no-user"),
        pytest.param(b"no such group", True, False, id="no-group"),
        pytest.param(b"0", False, False, id="a-number-is-no-name"),
        pytest.param(b"", False, False, id="empty"),
        pytest.param(b"root\0x", False, False, id="nul"),
        pytest.param(b"\xff", False, False, id="not-utf-8"),
    ],
)
def test_an_account_exists_when_the_system_knows_its_name(
    name: bytes, is_group: bool, expected: bool
) -> None:
    assert look_up_account(name, is_group=is_group).answer is expected


@pytest.mark.parametrize(("uid", "name"), [(0, b"root"), (2**32 - 2, b"4294967294")])
def test_a_user_has_a_name_or_goes_by_the_number(uid: int, name: bytes) -> None:
    assert name_of_user(uid).answer == name
