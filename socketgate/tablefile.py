# SPDX-License-Identifier: MIT
"""Compiled tables on disk: made once for a large rule set, mapped by every gate that has it.

    FOLDER/DIGEST-DAEMON.json     which sources it is of, what is left of them, the layout of
    FOLDER/HASH.arrays            the spans as plain arrays; named by their own hash, so that gates
                                  whose tables are alike share one file, and its memory

All gates of a machine have the same folder, and write to it one at a time.
A file that is damaged, cut short, of another version or of another owner is never believed: what
doesn't check out isn't there.
"""

import contextlib
import fcntl
import hashlib
import json
import mmap
import os
import re
import stat
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from socketgate.config import OnError
from socketgate.rules.flat import QuadTable, SixTable
from socketgate.rules.policy import Compiled, Segment
from socketgate.rules.source import Sources
from socketgate.rules.table import PolicyKey
from socketgate.tablesources import (
    FileState,
    decode_sources,
    decode_state,
    encode_sources,
    encode_state,
)
from socketgate.wholefile import DRAFT, replacing

#: Rises with every change of what is written here or of what it means.
VERSION = 4

#: How many tables of one daemon are kept: the one in use, and one to go back to.
MAX_KEPT = 2

#: The arrays of a segment, in this order: QuadTable's and SixTable's.
TYPECODES = "IIIIQQQQII"

ALIGNMENT = 8

#: What names of arrays are like.
ARRAYS = re.compile(r"[0-9a-f]{64}\.arrays")

#: What comes of taking a JSON value for another kind of value.
OF_ANOTHER_SHAPE = (LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


class NotUsable(Exception):
    """No compiled table here that can be believed; the text says why."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A large table made ready: excerpts of its sources, and the rest compiled."""

    digest: str
    #: What mistakes in the rules meant when it was compiled.
    on_error: OnError
    sources: Sources
    compiled: Mapping[PolicyKey, Compiled]
    files: Mapping[str, FileState]


def write_table(folder: Path, prepared: Prepared) -> Path:
    """Write a table; the answer is its index file. Raises OSError."""
    with _alone_in(folder):
        path = _write(folder, prepared)
        _forget_old(folder, path)
    return path


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """One gate's child at a time: none takes away what another's table is about to name."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _write(folder: Path, prepared: Prepared) -> Path:
    policies = [
        {
            "daemon": daemon.decode("latin-1"),
            "port": port,
            "allow_until": compiled.allow_until,
            "deny_until": compiled.deny_until,
            "segments": [_write_arrays(folder, segment) for segment in compiled.segments],
        }
        for (daemon, port), compiled in prepared.compiled.items()
    ]
    body = {
        "digest": prepared.digest,
        "on_error": prepared.on_error.value,
        "policies": policies,
        "sources": encode_sources(prepared.sources),
        "files": {name: encode_state(state) for name, state in prepared.files.items()},
    }
    text = json.dumps(body)
    head = {"version": VERSION, "byteorder": sys.byteorder, "sha256": _sha256(text.encode())}
    path = index_path(folder, prepared.digest, prepared.compiled)
    with replacing(path, 0o600) as file:
        file.write(f"{json.dumps(head)}\n{text}".encode())
    return path


def index_path(folder: Path, digest: str, keys: Iterable[PolicyKey]) -> Path:
    """Where the table of these sources for these daemons is."""
    return folder / f"{_names(keys)}-{digest[:32]}.json"


def indexes(folder: Path, keys: Iterable[PolicyKey]) -> list[Path]:
    """The tables for these daemons, first the one that was written last."""
    return _newest_first(folder.glob(f"{_names(keys)}-*.json"))


def _names(keys: Iterable[PolicyKey]) -> str:
    return hashlib.sha256(repr(sorted(keys, key=repr)).encode()).hexdigest()[:16]


def map_table(path: Path, *, is_own: bool = False) -> Prepared:
    """Map a table; raises NotUsable.

    With `is_own`, for the process that has just had it written, arrays aren't read to check them.
    """
    try:
        head, _, text = _read_ours(path).partition(b"\n")
        about = json.loads(head)
        if (about["version"], about["byteorder"]) != (VERSION, sys.byteorder):
            raise NotUsable(f"{path}: of another version")
        if about["sha256"] != _sha256(text):
            raise NotUsable(f"{path}: damaged")
        body = json.loads(text)
        compiled = {
            (entry["daemon"].encode("latin-1"), entry["port"]): Compiled(
                tuple(_map_arrays(path.parent, one, is_own) for one in entry["segments"]),
                entry["allow_until"],
                entry["deny_until"],
            )
            for entry in body["policies"]
        }
        states = {name: decode_state(state) for name, state in body["files"].items()}
        return Prepared(
            digest=body["digest"],
            on_error=OnError(body["on_error"]),
            sources=decode_sources(body["sources"]),
            compiled=compiled,
            files=states,
        )
    except (OSError, ValueError, *OF_ANOTHER_SHAPE) as error:
        raise NotUsable(f"{path}: {error}") from error


def _write_arrays(folder: Path, segment: Segment) -> dict[str, object]:
    arrays = list(_arrays_of(segment))
    digest = hashlib.sha256()
    for piece in _pieces(arrays):
        digest.update(piece)
    path = folder / f"{digest.hexdigest()}.arrays"
    if not _is_whole(path):
        with replacing(path, 0o600) as file:
            file.writelines(_pieces(arrays))
    return {"file": path.name, "lengths": [len(one) for one in arrays]}


def _is_whole(path: Path) -> bool:
    """Whether these arrays are there already, and as they were written."""
    try:
        return _sha256(_read_ours(path)) == path.stem
    except (OSError, NotUsable):
        return False


def _arrays_of(segment: Segment) -> "Iterator[array[int]]":
    quads, sixes = segment.quads, segment.sixes
    parts = (
        quads.firsts, quads.lasts, quads.owners, quads.index,
        sixes.highs, sixes.lows, sixes.last_highs, sixes.last_lows, sixes.owners, sixes.index,
    )  # fmt: skip
    for typecode, part in zip(TYPECODES, parts, strict=True):
        yield part if isinstance(part, array) else array(typecode, part)


def _pieces(arrays: "Sequence[array[int]]") -> Iterator[bytes]:
    for one in arrays:
        data = one.tobytes()
        yield data
        yield bytes(-len(data) % ALIGNMENT)


def _map_arrays(folder: Path, entry: Mapping[str, object], is_own: bool) -> Segment:  # noqa: FBT001  # private
    name, lengths = entry["file"], entry["lengths"]
    if not isinstance(name, str) or not ARRAYS.fullmatch(name):
        raise NotUsable(f"{folder}: {name!r} is no name of arrays")
    if not isinstance(lengths, list) or len(lengths) != len(TYPECODES):
        raise NotUsable(f"{folder / name}: another layout")
    fd = _open_ours(folder / name)
    try:
        size = os.fstat(fd).st_size
        mapped = mmap.mmap(fd, size, prot=mmap.PROT_READ)
    finally:
        os.close(fd)
    whole = memoryview(mapped)
    if not is_own and _sha256(whole) != name.removesuffix(".arrays"):
        raise NotUsable(f"{folder / name}: damaged")
    views, offset = [], 0
    for typecode, length in zip(TYPECODES, lengths, strict=True):
        bytes_used = length * array(typecode).itemsize
        if offset + bytes_used > size:
            raise NotUsable(f"{folder / name}: cut short")
        views.append(_cast(whole[offset : offset + bytes_used], typecode))
        offset += bytes_used + -bytes_used % ALIGNMENT
    return Segment(QuadTable(*views[:4]), SixTable(*views[4:]))


def _cast(data: memoryview, typecode: str) -> "memoryview[int]":
    return data.cast("I") if typecode == "I" else data.cast("Q")


def _read_ours(path: Path) -> bytes:
    fd = _open_ours(path)
    with os.fdopen(fd, "rb") as file:
        return file.read()


def _open_ours(path: Path) -> int:
    """Open a file that nobody but us, or root, can have written. Raises NotUsable, OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    status = os.fstat(fd)
    is_ours = status.st_uid in (0, os.geteuid())
    if not is_ours or not stat.S_ISREG(status.st_mode) or status.st_mode & 0o022:
        os.close(fd)
        raise NotUsable(f"{path}: not a file that only we could have written")
    return fd


def _forget_old(folder: Path, path: Path) -> None:
    """Remove the older tables of the same daemons, arrays that no table has any more, and drafts.

    The table just written stays, though the clock went back and the others look newer. A draft that
    is left was the work of a child that was killed.
    """
    others = set(folder.glob(f"{path.name.partition('-')[0]}-*.json")) - {path}
    for old in _newest_first(others)[MAX_KEPT - 1 :]:
        old.unlink(missing_ok=True)
    used: set[str] = set()
    for index in folder.glob("*.json"):
        with contextlib.suppress(OSError, NotUsable):  # another's, which no gate of ours believes
            used.update(ARRAYS.findall(_read_ours(index).decode("latin-1")))
    for file in (*folder.glob("*.arrays"), *folder.glob(f"*{DRAFT}")):
        if file.name not in used:
            file.unlink(missing_ok=True)


def _newest_first(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=_time_written, reverse=True)


def _time_written(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0  # another gate has just removed it


def _sha256(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()
