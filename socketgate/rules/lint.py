# SPDX-License-Identifier: MIT
"""What the admin should know about a rule file: the one list of what is an error."""

from socketgate.rules.diagnostic import Findings
from socketgate.rules.keyword import Field, Step
from socketgate.rules.lines import LogicalLine, Spot
from socketgate.rules.split import Fields, Word
from socketgate.rules.word import Reading


def unreadable(findings: Findings, reason: str) -> None:
    """The file itself can't be read."""
    findings.error(
        "unreadable-file", Spot(1, 1, b""), f"can't be read: {reason}", "make it readable"
    )


def line(findings: Findings, line: LogicalLine) -> None:
    """A logical line as such."""
    if not line.is_complete:
        findings.error(
            "missing-newline", line.spot(0), "the last line has no newline", "end the line"
        )


def fields(findings: Findings, line: LogicalLine, fields: Fields | None) -> None:
    """The fields."""
    if fields is None:
        findings.error("no-colon", line.spot(0), 'missing ":" separator', "write DAEMONS : CLIENTS")


def words(
    findings: Findings,
    line: LogicalLine,
    daemons: list[Word],
    clients: list[Word],
    reading: Reading,
) -> None:
    """The two lists."""


def options(
    findings: Findings,
    line: LogicalLine,
    fields: Fields,
    options: tuple[Field, ...],
    steps: tuple[Step, ...],
) -> None:
    """The options."""
