# SPDX-License-Identifier: MIT
"""Writing a file so that whoever reads it finds the old one or the whole new one."""

import contextlib
import fcntl
import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

#: What the name of a file ends in that isn't complete yet: left only by who was killed.
DRAFT = ".new"


@contextlib.contextmanager
def replacing(path: Path, mode: int) -> Iterator[BinaryIO]:
    """The new file, which is in the old one's place once the block has ended.

    Whatever goes wrong leaves the old one as it was, and nothing else; what a process has left that
    was killed goes with the next. Raises OSError.
    """
    _forget_drafts(path)
    draft = path.with_name(f".{path.name}.{os.urandom(6).hex()}{DRAFT}")
    fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            with contextlib.suppress(OSError):  # where there are no locks, drafts stay
                fcntl.flock(fd, fcntl.LOCK_EX)
            yield file
            file.flush()
            os.fchmod(fd, mode)  # whatever the umask
            draft.replace(path)
    except BaseException:  # nothing stays behind, whatever it was; it is raised on
        draft.unlink(missing_ok=True)
        raise


def _forget_drafts(path: Path) -> None:
    """Remove the drafts of this file that nobody has locked: they are of who was killed.

    An empty one may be somebody's who is about to lock it.
    """
    for draft in path.parent.glob(f".{glob.escape(path.name)}.*{DRAFT}"):
        with contextlib.suppress(OSError), open(draft, "rb", opener=_open_there) as left:
            fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(left.fileno()).st_size:
                draft.unlink()


def _open_there(path: str, flags: int) -> int:
    """Without following a link, or waiting for a FIFO."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
