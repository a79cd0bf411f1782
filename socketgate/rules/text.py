# SPDX-License-Identifier: MIT
"""Bytes read the way libwrap and the C library read them: separators, brackets, numbers."""

import re

#: What libwrap strips around options and takes for a blank line.
BLANKS = b" \t\r\n"
#: isspace(3): what is taken off both ends of an option and of an expanded text.
SPACES = b" \t\n\v\f\r"

_BRACKETS_OR = {wanted: re.compile(rb"[][" + wanted + rb"]") for wanted in (b":", b"@", b"/", b".")}
_SPACE = rb"[ \t\n\v\f\r]*"
_DECIMAL = re.compile(_SPACE + rb"([+-]?)([0-9]+)")
_OCTAL = re.compile(_SPACE + rb"([+-]?)([0-7]+)")
#: No 64-bit number has more digits than this, in base 8 or 10.
_MAX_DIGITS = 22


def shown(text: bytes) -> str:
    """Bytes in a message: those that are no UTF-8 escaped."""
    return text.decode("utf-8", "backslashreplace")


def find_outside(text: bytes, wanted: bytes, start: int = 0) -> int:
    """Where `wanted` first stands outside brackets, or -1.

    A closing bracket too many hides everything up to an opening one, as in libwrap.
    """
    if b"[" not in text and b"]" not in text:
        return text.find(wanted, start)
    depth = 0
    for found in _BRACKETS_OR[wanted].finditer(text, start):
        match found.group():
            case b"[":
                depth += 1
            case b"]":
                depth -= 1
            case _ if depth == 0:
                return found.start()
            case _:
                pass
    return -1


def leading_number(text: bytes) -> int:
    """What strtol(3) makes of the start of a text, as a C int. No number is 0."""
    found = _DECIMAL.match(text)
    return _as_int(_signed(found, 10)) if found else 0


def begins_with_number(text: bytes) -> bool:
    """Whether strtol(3) finds a number at the start."""
    return _DECIMAL.match(text) is not None


def whole_number(text: bytes) -> int | None:
    """The C int that `sscanf("%d%c")` finds when it finds nothing after it."""
    found = _DECIMAL.fullmatch(text)
    return _as_int(_signed(found, 10)) if found else None


def whole_unsigned(text: bytes) -> int | None:
    """The C unsigned that `sscanf("%u%c")` finds when it finds nothing after it."""
    found = _DECIMAL.fullmatch(text)
    return _unsigned(found, 10) if found else None


def whole_octal(text: bytes) -> int | None:
    """The C unsigned that `sscanf("%o%c")` finds when it finds nothing after it."""
    found = _OCTAL.fullmatch(text)
    return _unsigned(found, 8) if found else None


def _magnitude(found: re.Match[bytes], base: int) -> int:
    """The digits' value; a value that can't fit into 64 bits is only known to be too large."""
    digits = found[2].lstrip(b"0") or b"0"
    return int(digits, base) if len(digits) <= _MAX_DIGITS else 1 << 64


def _signed(found: re.Match[bytes], base: int) -> int:
    value = _magnitude(found, base)
    return max(-value, -(1 << 63)) if found[1] == b"-" else min(value, (1 << 63) - 1)


def _as_int(value: int) -> int:
    low = value & 0xFFFFFFFF
    return low - (1 << 32) if low >> 31 else low


def _unsigned(found: re.Match[bytes], base: int) -> int:
    value = _magnitude(found, base)
    if value >> 64:
        return 0xFFFFFFFF
    return (-value if found[1] == b"-" else value) & 0xFFFFFFFF
