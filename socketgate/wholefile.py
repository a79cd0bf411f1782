# SPDX-License-Identifier: MIT
"""Writing a file so that whoever reads it finds the old one or the whole new one."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

#: What the name of a file ends in that isn't complete yet: left only by who was killed.
DRAFT = ".new"


@contextlib.contextmanager
def replacing(path: Path, mode: int) -> Iterator[BinaryIO]:
    """The new file, which is in the old one's place once the block has ended.

    Whatever goes wrong leaves the old one as it was, and nothing else. Raises OSError.
    """
    draft = path.with_name(f".{path.name}.{os.urandom(6).hex()}{DRAFT}")
    fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            yield file
            file.flush()
            os.fchmod(fd, mode)  # whatever the umask
        draft.replace(path)
    except BaseException:  # nothing stays behind, whatever it was; it is raised on
        draft.unlink(missing_ok=True)
        raise
