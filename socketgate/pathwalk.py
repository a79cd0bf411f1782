# SPDX-License-Identifier: MIT
"""The way to a file, step by step, as the kernel goes it (path_resolution(7)), links followed."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

#: path_resolution(7): how many symbolic links the kernel follows.
MAX_LINKS = 40


class TooManyLinks(OSError):
    """The way leads through more symbolic links than the kernel follows."""


@dataclass(frozen=True, slots=True)
class Step:
    """One name looked up in one folder.

    The status is None when nothing is there, or it can't be seen.
    """

    folder: str
    name: str
    status: os.stat_result | None
    is_last: bool

    @property
    def path(self) -> str:
        """The step's own path, without any link before it."""
        return join(self.folder, self.name)


def walk(path: str) -> Iterator[Step]:
    """Every step to an absolute path, and on from each link; ends early where there is nothing.

    Raises TooManyLinks, and OSError when a link vanishes while it is read.
    """
    folder, rest = "/", _names(path)
    links = 0
    while rest:
        name = rest.pop(0)
        if name == "..":
            folder = folder.rpartition("/")[0] or "/"
            continue
        entry = join(folder, name)
        try:
            status = os.lstat(entry)
        except OSError:
            yield Step(folder, name, None, not rest)
            return
        yield Step(folder, name, status, not rest)
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > MAX_LINKS:
                raise TooManyLinks(f"{path}: too many symbolic links")
            target = os.readlink(entry)  # noqa: PTH115  # plain texts: this runs for each connect
            folder = "/" if target.startswith("/") else folder
            rest = _names(target) + rest
        elif stat.S_ISDIR(status.st_mode):
            folder = entry
        else:
            return


def join(folder: str, name: str) -> str:
    """A name in a folder."""
    return f"/{name}" if folder == "/" else f"{folder}/{name}"


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]
