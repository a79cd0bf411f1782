# SPDX-License-Identifier: MIT
"""The rules that were considered, with their texts: of what is compiled, from the files themselves.

A table that is compiled has no texts of rules that are only an address. The files have them, as
long as they are what they were; where they say something else by now, there is no text.
"""

import hashlib
import os
from dataclasses import replace

from socketgate.largerules import size_of
from socketgate.rulefiles import read_source
from socketgate.rules.request import Request
from socketgate.rules.source import Excerpt, Source, Sources, Text
from socketgate.rules.table import RuleTable
from socketgate.rules.trace import (
    PIECE_BYTES,
    Considered,
    deciding_number,
    is_address_rule,
    line_of,
    trace,
)
from socketgate.rules.verdict import Verdict

#: A file of so many bytes may be read whole for the texts of its rules.
MAX_SMALL_BYTES = 1 << 20


def story_of(
    table: RuleTable, sources: Sources, request: Request, verdict: Verdict
) -> tuple[Considered, ...]:
    """The rules that were considered, the one that decided with its text.

    Of a large file only the file itself has the text: if it says something else by now, no text.
    """
    story = trace(
        table,
        replace(
            sources,
            allow=_with_text(sources.allow, sources.allow_origin),
            deny=_with_text(sources.deny, sources.deny_origin),
        ),
        request,
        verdict,
        lacks_lists=isinstance(sources.allow, Excerpt) or isinstance(sources.deny, Excerpt),
    )
    *before, last = story or (None,)
    if last is None:
        return ()
    if verdict.place == last.place and not last.text:
        text = _line_of_file(last.place.origin, last.place.line)
        if is_address_rule(text, deciding_number(table, verdict), request):
            last = replace(last, text=text)
    return (*before, last)


def _with_text(source: Source, path: str) -> Source:
    """Of a compiled table's small file the text, if the file still is the same."""
    if not isinstance(source, Excerpt) or (size_of([path]) > MAX_SMALL_BYTES):
        return source
    text = read_source(path)
    is_same = isinstance(text, Text) and hashlib.sha256(text.data).hexdigest() == source.whole
    return text if is_same else source


def _line_of_file(path: str, number: int) -> bytes:
    """A line of a file as it is now; what follows it isn't read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError:
        return b""
    try:
        return line_of(iter(lambda: os.read(fd, PIECE_BYTES), b""), number)
    except OSError:  # a folder by now, or the disk
        return b""
    finally:
        os.close(fd)
