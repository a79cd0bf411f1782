# SPDX-License-Identifier: MIT
"""Host files: words between white space, each a host pattern and nothing else (hosts_access(5)).

No commas, no comments, no EXCEPT, no continuation; the last newline may be missing.
"""

from collections.abc import Iterator, Mapping

from socketgate.rules.gather import gather_words
from socketgate.rules.host import Contents, HostFile, Library, Unopenable
from socketgate.rules.source import Absent, Source, Text, Unreadable
from socketgate.rules.word import Reading, parse_host_pattern

#: A longer word overflows libwrap's stack; here it matches nothing.
MAX_WORD_BYTES = 8191


def words_of(data: bytes) -> Iterator[bytes]:
    """The words, each cut at a NUL, without those that are too long."""
    for word in data.split():
        if len(word) <= MAX_WORD_BYTES:
            yield word.partition(b"\0")[0] if b"\0" in word else word


def build_library(files: Mapping[bytes, Source], reading: Reading) -> Library:
    """The contents of all host files, as they refer to each other."""
    library: dict[bytes, Contents] = {}
    reading = Reading(reading.interfaces, library, reading.extensions)
    for path, source in files.items():
        if not isinstance(source, Absent):
            library[path] = _contents(source, reading)
    return library


def _contents(source: Source, reading: Reading) -> Contents:
    match source:
        case Text(data):
            return gather_words(words_of(data), lambda word: parse_host_pattern(word, reading))
        case Unreadable(reason):
            return Unopenable(reason)
        case _:
            return ()


def paths_in(contents: Contents) -> Iterator[bytes]:
    """The host files that a host file names."""
    if not isinstance(contents, Unopenable):
        yield from (pattern.path for pattern in contents if isinstance(pattern, HostFile))
