# SPDX-License-Identifier: MIT
"""Writes the files of `socketgate unit`, and takes away again exactly those.

A file begins with a line that says who wrote it and has a checksum of the rest. A file without that
line, or with another checksum, is the admin's: nothing here touches it unless told to. All files
are looked at before the first one is changed.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from socketgate.errors import ConfigError
from socketgate.unitfile import UnitFile
from socketgate.wholefile import replacing

MARK = re.compile(
    r'# Written by "socketgate unit", which leaves it alone once it is changed \(([0-9a-f]{16})\)\n'
)


class Owner(Enum):
    """Whose file stands at a path."""

    NOBODY = "nobody"
    OURS = "ours"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Changes:
    """What was done, by path from the root."""

    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def replaced(self) -> bool:
        """Whether something else stood there before, so that units in use may have changed."""
        return bool(self.removed or self.kept)


def install(
    root: Path, files: Sequence[UnitFile], possible: Sequence[str], *, force: bool
) -> Changes:
    """Write the files, and remove those of an earlier, different call for the same daemon.

    Raises ConfigError, with nothing done, if that would cost the admin's own work; OSError.
    """
    wanted = {file.path: marked(file.text) for file in files}
    stale = [path for path in possible if path not in wanted]
    ours = _ours(root, [*wanted, *stale], force=force)
    kept = tuple(path for path in ours if path in wanted and _at(root, path).is_file())
    written = []
    for path, text in wanted.items():
        if not _has(_at(root, path), text):
            _write(_at(root, path), text)
            written.append(path)
    removed = _remove(root, [path for path in stale if path in ours])
    return Changes(tuple(written), removed, kept)


def remove(root: Path, possible: Sequence[str], *, force: bool) -> Changes:
    """Remove what `install` wrote. Raises as `install` does."""
    return Changes(removed=_remove(root, _ours(root, possible, force=force)))


def marked(text: str) -> str:
    """The text with the line in front that says it is ours."""
    return (
        '# Written by "socketgate unit", which leaves it alone once it is changed'
        f" ({_checksum(text)})\n{text}"
    )


def owner_of(path: Path) -> Owner:
    """Whose file this is. A symbolic link is the admin's, wherever it leads."""
    if path.is_symlink():
        return Owner.ADMIN
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Owner.NOBODY
    except (IsADirectoryError, UnicodeDecodeError):
        return Owner.ADMIN
    mark = MARK.match(text)
    is_ours = mark is not None and mark[1] == _checksum(text[mark.end() :])
    return Owner.OURS if is_ours else Owner.ADMIN


def _ours(root: Path, paths: Iterable[str], *, force: bool) -> list[str]:
    """The paths that have a file which may go."""
    owners = {path: owner_of(_at(root, path)) for path in paths}
    admins = [path for path, owner in owners.items() if owner is Owner.ADMIN]
    if admins and not force:
        raise ConfigError(
            f"{', '.join(admins)}: not written by `socketgate unit`, or changed since;"
            " nothing done (--force overrides)"
        )
    return [path for path, owner in owners.items() if owner is not Owner.NOBODY]


def _at(root: Path, path: str) -> Path:
    return root / path.removeprefix("/")


def _has(path: Path, text: str) -> bool:
    return not path.is_symlink() and path.is_file() and path.read_bytes() == text.encode()


def _write(path: Path, text: str) -> None:
    _make_folder(path.parent)
    with replacing(path, 0o644) as file:
        file.write(text.encode())


def _make_folder(folder: Path) -> None:
    """And those it is in. Gates read there, whatever our umask is."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)  # another who installs may be first
        folder.chmod(0o755)


def _remove(root: Path, paths: Sequence[str]) -> tuple[str, ...]:
    """Remove files, and the drop-in folders that are empty then."""
    for path in paths:
        file = _at(root, path)
        file.unlink()
        if file.parent.suffix == ".d" and file.parent.name.endswith(".socket.d"):
            _remove_if_empty(file.parent)
    return tuple(paths)


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
