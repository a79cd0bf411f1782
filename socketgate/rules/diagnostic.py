# SPDX-License-Identifier: MIT
"""Something the admin should fix, with the place and what to write instead."""

from dataclasses import dataclass
from enum import Enum

from socketgate.rules.lines import Spot

#: Of one file so many errors are kept, and so many warnings; the rest is only counted.
MAX_KEPT = 1000


class Severity(Enum):
    """An error keeps a reload from taking effect; a warning is legal and probably wrong."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One finding. Line and column count from 1 and mean the file as it is, not joined lines."""

    severity: Severity
    code: str
    origin: str
    line: int
    column: int
    message: str
    hint: str
    source_line: bytes

    @property
    def brief(self) -> str:
        """Place and message in one line."""
        return f"{self.origin}:{self.line}:{self.column}: {self.message}"

    @property
    def advice(self) -> str:
        """The same, with what to write instead."""
        return f"{self.brief} ({self.hint})"


class Findings:
    """Collects the diagnostics of one file."""

    __slots__ = ("counts", "kept", "origin")

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.kept: list[Diagnostic] = []
        #: How many there were, kept or not.
        self.counts = dict.fromkeys(Severity, 0)

    @property
    def dropped_count(self) -> int:
        """How many there were beyond what is kept."""
        return sum(self.counts.values()) - len(self.kept)

    def error(self, code: str, spot: Spot, message: str, hint: str) -> None:
        """Something libwrap skips, refuses or never matches."""
        self.add(Severity.ERROR, code, spot, message, hint)

    def warning(self, code: str, spot: Spot, message: str, hint: str) -> None:
        """Something legal that is probably not meant."""
        self.add(Severity.WARNING, code, spot, message, hint)

    def add(self, severity: Severity, code: str, spot: Spot, message: str, hint: str) -> None:
        """Either of the two."""
        self.counts[severity] += 1
        if self.counts[severity] > MAX_KEPT:
            return
        self.kept.append(
            Diagnostic(
                severity=severity,
                code=code,
                origin=self.origin,
                line=spot.line,
                column=spot.column,
                message=message,
                hint=hint,
                source_line=spot.source,
            )
        )
