# SPDX-License-Identifier: MIT
"""What is wrong with rules, as `check` and `explain` show it: as compilers do, and as JSON."""

from collections.abc import Iterable, Sequence

from socketgate.cli.output import Paint, Tone, printable, width
from socketgate.rules.diagnostic import Diagnostic, Severity
from socketgate.rules.source import Sources

#: A longer line is cut to what is near the column.
MAX_LINE = 120
TONES = {Severity.ERROR: Tone.BAD, Severity.WARNING: Tone.WARNING}


def in_order(found: Iterable[Diagnostic], sources: Sources) -> list[Diagnostic]:
    """Errors before warnings, each in the order of files, lines and columns."""
    files = {sources.allow_origin: 0, sources.deny_origin: 1}

    def key(one: Diagnostic) -> tuple[bool, int, str, int, int]:
        is_warning = one.severity is Severity.WARNING
        return is_warning, files.get(one.origin, 2), one.origin, one.line, one.column

    return sorted(found, key=key)


def as_text(one: Diagnostic, paint: Paint) -> str:
    """A finding as compilers show them: place, message, the line with a caret, a hint.

    Of a very long line only the beginning is known: then there is no caret.
    """
    kind = paint(TONES[one.severity], f"[{one.severity.value}: {one.code}]")
    lines = [f"{paint(Tone.STRONG, printable(one.brief))} {kind}"]
    if one.source_line and one.column <= len(one.source_line) + 1:
        source, caret = excerpt(one.source_line, one.column)
        lines += ["    " + source, "    " + paint(TONES[one.severity], caret)]
    lines.append(f"    hint: {printable(one.hint)}")
    return "".join(line + "\n" for line in lines)


def excerpt(source: bytes, column: int) -> tuple[str, str]:
    """The line, of a long one what is near, and a caret below the column (counted in bytes)."""
    source = source.rstrip(b"\r\n")
    before, after = printable(source[: column - 1]), printable(source[column - 1 :])
    if len(before + after) > MAX_LINE:
        half = MAX_LINE // 2
        before = before if len(before) <= half else "..." + before[-half:]
        after = after if len(after) <= half else after[:half] + "..."
    indent = "".join(letter if letter == "\t" else " " * width(letter) for letter in before)
    return before + after, indent + "^"


def as_json(found: Sequence[Diagnostic], left_out: int) -> dict[str, object]:
    """All findings, and how many there are."""
    errors = sum(one.severity is Severity.ERROR for one in found)
    return {
        "errors": errors,
        "warnings": len(found) - errors,
        "left_out": left_out,
        "diagnostics": [
            {
                "severity": one.severity.value,
                "code": one.code,
                "file": one.origin,
                "line": one.line,
                "column": one.column,
                "message": one.message,
                "hint": one.hint,
                "source": one.source_line.decode("utf-8", "surrogateescape"),
            }
            for one in found
        ],
    }
