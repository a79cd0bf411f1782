# SPDX-License-Identifier: MIT
import pytest

from socketgate.errors import (
    ActivationError,
    BackendUnavailable,
    BansUnreadable,
    ConfigError,
    GateUnreachable,
    LimitReached,
    NotPermitted,
    RuleError,
    SocketgateError,
)

CLASSES = [
    ConfigError, RuleError, BansUnreadable, ActivationError, LimitReached, BackendUnavailable,
    GateUnreachable, NotPermitted,
]  # fmt: skip


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_for_the_admin_is_caught_in_one_place(kind: type[SocketgateError]) -> None:
    with pytest.raises(SocketgateError, match="what is wrong"):
        raise kind("what is wrong")


@pytest.mark.parametrize("kind", CLASSES)
def test_each_error_is_for_one_person_only(kind: type[SocketgateError]) -> None:
    assert [one for one in CLASSES if issubclass(kind, one)] == [kind]
