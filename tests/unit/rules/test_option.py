# SPDX-License-Identifier: MIT
from socketgate.rules.option import Severity, Spawn


def test_actions_are_values() -> None:
    assert (Spawn(b"x"), Severity(None, "info")) == (Spawn(b"x"), Severity(None, "info"))
