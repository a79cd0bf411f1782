# SPDX-License-Identifier: MIT
"""What a compiled table was made from, as JSON for its index and back: sources, states of files.

Bytes are texts of Latin-1 there, a letter for each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from socketgate.rules.source import Absent, Directory, Excerpt, Part, Source, Sources, Text

#: Of a file: inode, size and the times of change.
Status = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class FileState:
    """What a rule file was when it was read: to see what it became.

    `number` and `physical` count its lines. Lines can be appended if `is_open`.
    """

    status: Status | None
    size: int
    sha256: str
    number: int
    physical: int
    is_open: bool


def encode_state(state: FileState) -> list[object]:
    """For JSON."""
    return [
        state.status, state.size, state.sha256, state.number, state.physical, state.is_open
    ]  # fmt: skip


def decode_state(values: Sequence[object]) -> FileState:
    """From JSON; raises ValueError."""
    match values:
        case [status, int(size), str(sha256), int(number), int(physical), bool(is_open)]:
            return FileState(_status(status), size, sha256, number, physical, is_open)
        case _:
            raise ValueError(f"{values!r} is no state of a file")


def _status(values: object) -> Status | None:
    match values:
        case [int(a), int(b), int(c), int(d)]:
            return a, b, c, d
        case _:
            return None


def encode_sources(sources: Sources) -> dict[str, object]:
    """For JSON. Raises ValueError for a file that could not be read."""
    return {
        "allow": _encode_source(sources.allow),
        "deny": _encode_source(sources.deny),
        "allow_origin": sources.allow_origin,
        "deny_origin": sources.deny_origin,
        "host_files": {
            path.decode("latin-1"): _encode_source(source)
            for path, source in sources.host_files.items()
        },
        "interfaces": [name.decode("latin-1") for name in sorted(sources.interfaces)],
        "extensions": sources.extensions,
    }


def decode_sources(body: Mapping[str, object]) -> Sources:
    """From JSON; raises ValueError, and what comes of parts of another shape."""
    match body:
        case {
            "allow": allow,
            "deny": deny,
            "allow_origin": str(allow_origin),
            "deny_origin": str(deny_origin),
            "host_files": dict(host_files),
            "interfaces": list(interfaces),
            "extensions": bool(extensions),
        }:
            return Sources(
                allow=_decode_source(allow),
                deny=_decode_source(deny),
                allow_origin=allow_origin,
                deny_origin=deny_origin,
                host_files={
                    path.encode("latin-1"): _decode_source(source)
                    for path, source in host_files.items()
                },
                interfaces=frozenset(name.encode("latin-1") for name in interfaces),
                extensions=extensions,
            )
        case _:
            raise ValueError("no sources")


def _encode_source(source: Source) -> list[object]:
    match source:
        case Text(data):
            return ["text", data.decode("latin-1")]
        case Excerpt(parts, count, whole):
            shown = [[one.data.decode("latin-1"), one.number, one.physical] for one in parts]
            return ["excerpt", shown, count, whole]
        case Absent():
            return ["absent"]
        case Directory():
            return ["directory"]
        case _:
            raise ValueError("an unreadable file is not compiled")


def _decode_source(values: object) -> Source:
    match values:
        case ["text", str(data)]:
            return Text(data.encode("latin-1"))
        case ["excerpt", list(parts), int(count), str(whole)]:
            read = (Part(data.encode("latin-1"), number, line) for data, number, line in parts)
            return Excerpt(tuple(read), count, whole)
        case ["absent"]:
            return Absent()
        case ["directory"]:
            return Directory()
        case _:
            raise ValueError("no source")
