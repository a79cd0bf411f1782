# SPDX-License-Identifier: MIT
"""A finding without a place: what is wrong with a part of a line, and from which byte on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from socketgate.rules.diagnostic import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong, and what to write instead. The offset is from the part's first byte."""

    severity: Severity
    code: str
    offset: int
    message: str
    hint: str


def error(code: str, message: str, hint: str, offset: int = 0) -> Fault:
    """What libwrap never matches or refuses on, or takes otherwise than it is meant."""
    return Fault(severity=Severity.ERROR, code=code, offset=offset, message=message, hint=hint)


def warning(code: str, message: str, hint: str, offset: int = 0) -> Fault:
    """What is probably not meant."""
    return Fault(severity=Severity.WARNING, code=code, offset=offset, message=message, hint=hint)


def shifted(faults: Iterable[Fault], by: int) -> Iterator[Fault]:
    """The same faults, of a part that begins so many bytes later."""
    return (replace(fault, offset=fault.offset + by) for fault in faults)
