# SPDX-License-Identifier: MIT
"""What the admin should know about a rule file: the one list of what is an error, line by line.

An error is what libwrap skips, refuses on or never matches, most of it in silence. A warning is
legal and probably not meant. Words are looked at in lintword.py, whole tables in shadow.py.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from socketgate.rules.diagnostic import Findings, Severity
from socketgate.rules.fault import Fault
from socketgate.rules.keyword import Field, Step
from socketgate.rules.lines import MAX_LINE_BYTES, LogicalLine, Places, Spot
from socketgate.rules.lintaddress import bare_six_at
from socketgate.rules.lintoption import COMMENT_HINT, option_faults
from socketgate.rules.lintword import LAST_BACKSLASH_HINT, client_word_faults, daemon_word_faults
from socketgate.rules.split import Fields, Word, segments
from socketgate.rules.text import BLANKS, shown
from socketgate.rules.word import Reading

_BOM = b"\xef\xbb\xbf"
_BOMS_OF_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_NUL_LINE = re.compile(rb"\0[^\n]*")
_SEPARATORS = (b",", b" ", b"\t", b"\r", b"\n")
_EMPTY = {"daemon": "empty-daemon-list", "client": "empty-client-list"}
_LAST_BACKSLASH = re.compile(rb"\\[ \t\r]+\n\Z")
#: What is left of a `dns:NAME` that is none.
_DNS = re.compile(rb"(?:.*@)?dns", re.IGNORECASE | re.DOTALL)
_BRACKET = re.compile(rb"[][]")


def lint_unreadable(findings: Findings, reason: str) -> None:
    """The file itself can't be read."""
    findings.error(
        "unreadable-file",
        Spot(1, 1, b""),
        f"the file can't be read: {reason}",
        "make it readable for socketgate, or remove it",
    )


def lint_nul_bytes(findings: Findings, data: bytes, physical: int) -> None:
    """Physical lines with a NUL, which logical ones don't show. `data` begins behind so many."""
    places = Places(data, physical)
    is_wide = data.startswith(_BOMS_OF_UTF_16)
    for found in _NUL_LINE.finditer(data):
        findings.error(
            "nul-byte",
            places.spot(found.start()),
            "a NUL byte hides the rest of the line, and the next line is joined on",
            "save the file as UTF-8" if is_wide else "remove the NUL byte",
        )


def lint_line(findings: Findings, line: LogicalLine) -> None:
    """A logical line as such, comments and blank lines included."""
    start = line.spot(0)
    if not line.is_complete and not line.has_nul:
        _lint_incomplete(findings, line)
    if line.text.startswith(_BOM):
        findings.error(
            "byte-order-mark",
            start,
            "a byte order mark is taken for a part of the first word",
            "save the file without a byte order mark",
        )
    if line.is_comment and len(line.pieces) > 1:
        findings.warning(
            "comment-continues",
            line.spot(line.pieces[1].offset),
            "the comment above ends in a backslash, so this line belongs to it",
            "remove the backslash",
        )


def _lint_incomplete(findings: Findings, line: LogicalLine) -> None:
    rest = "libwrap takes neither this line nor any below it"
    if len(line.text) >= MAX_LINE_BYTES:
        message = f"the line is longer than {MAX_LINE_BYTES - 1} bytes: {rest}"
        findings.error("line-too-long", line.spot(0), message, "split it into several rules")
        return
    findings.error(
        "missing-newline",
        line.spot(len(line.text)),
        f"the file doesn't end in a newline: {rest}",
        "end the last line with a newline",
    )


def _lint_last_backslash(findings: Findings, line: LogicalLine, start: int) -> None:
    """In the lists such a backslash is a word, or the end of one, and lintword.py's."""
    if found := _LAST_BACKSLASH.search(line.text, start):
        findings.warning(
            "backslash-not-last",
            line.spot(found.start()),
            "blanks behind the backslash: the line does not continue",
            LAST_BACKSLASH_HINT,
        )


def lint_no_fields(findings: Findings, line: LogicalLine) -> None:
    """A line that is no rule: no colon, or one that brackets hide."""
    _lint_last_backslash(findings, line, 0)
    start = line.spot(_first_column(line.text))
    if b":" in line.text:
        findings.error(
            "unbalanced-bracket",
            line.spot(_bracket(line.text, 0, len(line.text))),
            "brackets that don't match hide the colon: libwrap skips the line",
            "put brackets around IPv6 addresses and nowhere else",
        )
        return
    is_comment = line.text.lstrip(BLANKS).startswith(b"#")
    hint = COMMENT_HINT if is_comment else "write DAEMONS : CLIENTS"
    findings.error("no-colon", start, 'missing ":" separator: libwrap skips the line', hint)


@dataclass(frozen=True, slots=True)
class Parts:
    """The words and options of a rule."""

    daemons: list[Word]
    clients: list[Word]
    options: tuple[tuple[Field, Step], ...]


def lint_rule(
    findings: Findings, line: LogicalLine, fields: Fields, parts: Parts, reading: Reading
) -> None:
    """A line that has both lists."""
    if _lint_bare_six(findings, line, fields):
        return
    _lint_brackets(findings, line, 0, fields.daemons_end)
    _lint_brackets(findings, line, fields.daemons_end + 1, fields.clients_end)
    _lint_list(findings, line, parts.daemons, "daemon", 0)
    _lint_list(findings, line, parts.clients, "client", fields.daemons_end)
    _lint_words(findings, line, parts.daemons, daemon_word_faults, reading)
    _lint_words(findings, line, parts.clients, client_word_faults, reading)
    _lint_options(findings, line, fields, parts)


def _lint_bare_six(findings: Findings, line: LogicalLine, fields: Fields) -> bool:
    """An IPv6 address without brackets: its first colon ends a list."""
    if fields.options_start is None:
        return False
    lists = (
        ("daemon", 0, fields.daemons_end),
        ("client", fields.daemons_end + 1, fields.clients_end),
    )
    for kind, start, end in lists:
        word = max(start, *(line.text.rfind(byte, start, end) + 1 for byte in _SEPARATORS))
        at = max(word, line.text.rfind(b"@", word, end) + 1)
        bare = bare_six_at(line.text, at)
        if bare is not None:
            before = "DAEMONS : " if kind == "daemon" and at == word else shown(line.text[word:at])
            findings.error(
                "ipv6-without-brackets",
                line.spot(at),
                f"the colon ends the {kind} list: {shown(bare.address)} is not seen as an address",
                f"write {before}{bare.right}",
            )
            return True
    return False


def _lint_brackets(findings: Findings, line: LogicalLine, start: int, end: int) -> None:
    text = line.text[start:end]
    if text.count(b"[") != text.count(b"]"):
        findings.error(
            "unbalanced-bracket",
            line.spot(_bracket(line.text, start, end)),
            "brackets that don't match hide the colons behind them",
            "put brackets around IPv6 addresses and nowhere else",
        )


def _lint_list(
    findings: Findings, line: LogicalLine, words: list[Word], kind: str, start: int
) -> None:
    parts = segments(words)
    if not parts[0]:
        message = f"the {kind} list is empty: the rule never matches"
        hint = f"write the {kind}s, or ALL"
        findings.error(_EMPTY[kind], line.spot(words[0].start if words else start), message, hint)
    elif not all(parts):
        place = next(word for word in reversed(words) if word.is_except)
        message = "nothing is named behind EXCEPT: nothing is excepted"
        findings.error(
            "empty-except", line.spot(place.start), message, "name it, or leave EXCEPT out"
        )


def _lint_words(
    findings: Findings,
    line: LogicalLine,
    words: list[Word],
    faults: Callable[[bytes, Reading], Iterator[Fault]],
    reading: Reading,
) -> None:
    """Each word; of the warnings that many words of a list have in common only the first."""
    seen: set[str] = set()
    for word in words:
        for fault in faults(word.text, reading) if not word.is_except else ():
            if fault.severity is Severity.WARNING and fault.code in seen:
                continue
            seen.add(fault.code)
            spot = line.spot(word.start + fault.offset)
            findings.add(fault.severity, fault.code, spot, fault.message, fault.hint)


def _lint_options(findings: Findings, line: LogicalLine, fields: Fields, parts: Parts) -> None:
    if fields.options_start is None:
        return
    start = fields.options_start
    _lint_last_backslash(findings, line, start)
    behind_comment = any(word.text[:1] == b"#" for word in parts.daemons + parts.clients)
    behind_dns = _DNS.fullmatch(parts.clients[-1].text) is not None if parts.clients else False
    for fault in option_faults(parts.options, behind_comment=behind_comment, behind_dns=behind_dns):
        spot = line.spot(min(start + fault.offset, len(line.text) - 1))
        findings.add(fault.severity, fault.code, spot, fault.message, fault.hint)


def _first_column(text: bytes) -> int:
    return len(text) - len(text.lstrip(BLANKS))


def _bracket(text: bytes, start: int, end: int) -> int:
    """Where the first bracket stands."""
    found = _BRACKET.search(text, start, end)
    return found.start() if found else start
