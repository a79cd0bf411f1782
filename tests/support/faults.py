# SPDX-License-Identifier: MIT
"""What the finders of mistakes say, for tables of tests."""

from collections.abc import Iterable

from socketgate.rules.diagnostic import Severity
from socketgate.rules.fault import Fault


def hint_of(faults: Iterable[Fault], severity: Severity, code: str, offset: int) -> str:
    """The hint of the fault of this kind at this place; else what there is instead."""
    found = {(one.severity, one.code, one.offset): one.hint for one in faults}
    return found.get((severity, code, offset), f"nothing of the kind: {found}")
