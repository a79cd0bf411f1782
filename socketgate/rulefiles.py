# SPDX-License-Identifier: MIT
"""Reading the rule files: hosts.allow, hosts.deny, and the host files they name, nested too."""

import errno
import io
import os
import socket
import stat
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from socketgate.config import OnError, RulesConfig
from socketgate.rules.source import Absent, Directory, Source, Sources, Text, Unreadable
from socketgate.rules.syntax import host_files_named
from socketgate.wholefile import replacing

#: A larger rule file is a mistake: ten million addresses take half of it.
MAX_FILE_BYTES = 256 * 1024 * 1024

#: open(2), read(2), socket(2): the machine is short of something. It passes, and it says nothing
#: about the file.
SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})

#: The one device that is a rule file: null(4) is empty, and admins link to it.
NULL_DEVICE = os.makedev(1, 3)


def is_shortage(error: BaseException) -> bool:
    """Whether the machine is short of descriptors or memory."""
    return isinstance(error, MemoryError) or (
        isinstance(error, OSError) and error.errno in SHORTAGE
    )


def paths_of(config: RulesConfig, host_files: Iterable[bytes]) -> set[str]:
    """Every file the rules come from, whether it exists or not."""
    return {str(config.allow), str(config.deny), *map(os.fsdecode, host_files)}


def read_source(path: str | bytes) -> Source:
    """What is at a path now. Never blocks on a FIFO or device.

    Raises OSError and MemoryError only for want of descriptors or memory: `is_shortage`.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            return _read(fd)
        finally:
            os.close(fd)
    except FileNotFoundError:
        return Absent()
    except ValueError as error:
        return Unreadable(str(error))
    except OSError as error:
        if is_shortage(error):
            raise
        return Unreadable(error.strerror or os.strerror(errno.EIO))


def _read(fd: int) -> Source:
    status = os.fstat(fd)
    if stat.S_ISDIR(status.st_mode):
        return Directory()
    if stat.S_ISCHR(status.st_mode) and status.st_rdev == NULL_DEVICE:
        return Text(b"")
    if not stat.S_ISREG(status.st_mode):
        return Unreadable("not a regular file")
    if status.st_size > MAX_FILE_BYTES:
        return Unreadable(f"larger than {MAX_FILE_BYTES // 1024 // 1024} MiB")
    with os.fdopen(fd, "rb", closefd=False) as file:
        return Text(file.read())  # with a limit it would ask for as much memory first


def interfaces() -> frozenset[bytes]:
    """The network interfaces there are now: an IPv6 zone must be one of them. Raises OSError."""
    return frozenset(name.encode() for _, name in socket.if_nameindex())


def read_sources(config: RulesConfig, *, extensions: bool = True) -> Sources:
    """Everything the rules come from, as it is now. Raises OSError as `read_source` does."""
    rules = Sources(
        allow=_read_rules(config.allow, config.on_error),
        deny=_read_rules(config.deny, config.on_error),
        allow_origin=str(config.allow),
        deny_origin=str(config.deny),
        interfaces=interfaces(),
        extensions=extensions,
    )
    return with_host_files(rules)


def _read_rules(path: Path, on_error: OnError) -> Source:
    """libwrap finds no rules in a folder; one in the place of a rule file is nobody's intent."""
    source = read_source(str(path))
    if isinstance(source, Directory) and on_error is OnError.KEEP:
        return Unreadable(os.strerror(errno.EISDIR))
    return source


def with_host_files(sources: Sources, read: Callable[[bytes], Source] = read_source) -> Sources:
    """These sources, and the host files they name, nested ones too, as `read` finds them."""
    missing = host_files_named(sources) - sources.host_files.keys()
    while missing:
        found = {path: read(path) for path in missing}
        sources = replace(sources, host_files={**sources.host_files, **found})
        nested = Sources(
            host_files=found, interfaces=sources.interfaces, extensions=sources.extensions
        )
        missing = host_files_named(nested) - sources.host_files.keys()
    return sources


def save_sources(sources: Sources, path: Path) -> None:
    """Keep these rules for a start with broken files: a tar archive an admin can look into.

    Replaces the file in one step; raises OSError.
    """
    contents: dict[bytes, Source] = {
        sources.allow_origin.encode(): sources.allow,
        sources.deny_origin.encode(): sources.deny,
        **sources.host_files,
    }
    texts = {name: source for name, source in contents.items() if isinstance(source, Text)}
    label = _label(sources.allow_origin, sources.deny_origin, len(texts))
    with replacing(path, 0o600) as file:  # what rules say of people is for the gate only
        with tarfile.open(fileobj=file, mode="w", pax_headers=label) as archive:
            for name, source in texts.items():
                entry = tarfile.TarInfo(os.fsdecode(name))
                entry.size = len(source.data)
                archive.addfile(entry, io.BytesIO(source.data))
        file.flush()
        os.fsync(file.fileno())


def _label(allow: str, deny: str, count: int) -> dict[str, str]:
    """What an archive is the copy of: a file missing in it was absent, and not lost or another."""
    return {
        "SOCKETGATE.allow": allow,
        "SOCKETGATE.deny": deny,
        "SOCKETGATE.files": str(count),
    }


def load_saved_sources(
    path: Path, config: RulesConfig, *, extensions: bool = True
) -> Sources | None:
    """The rules kept by `save_sources`, if they are the ones of these files and whole.

    Else None.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            label = archive.pax_headers
            files = {os.fsencode(entry.name): archive.extractfile(entry) for entry in archive}
            texts = {name: Text(file.read()) for name, file in files.items() if file is not None}
    except (OSError, tarfile.TarError):
        return None
    if label != _label(str(config.allow), str(config.deny), len(texts)):
        return None
    allow, deny = str(config.allow).encode(), str(config.deny).encode()
    return Sources(
        allow=texts.pop(allow, Absent()),
        deny=texts.pop(deny, Absent()),
        allow_origin=str(config.allow),
        deny_origin=str(config.deny),
        host_files=texts,
        interfaces=interfaces(),
        extensions=extensions,
    )
