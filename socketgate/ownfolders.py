# SPDX-License-Identifier: MIT
"""The folders of a gate: those that systemd has made for its unit, else the same by hand.

RuntimeDirectory=, StateDirectory= and CacheDirectory= of systemd.exec(5), of which it says the
paths; for a gate run by hand root's are where the units' are, a user's in his home.
"""

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from socketgate.answers import GATES


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """One of the three: systemd's variable for it, and by hand where root has it, or a user.

    `home` is for a user without the `home_variable`; empty: then he has none.
    """

    variable: str
    system: Path
    home_variable: str
    home: str
    mode: int


RUNTIME = Folder(
    variable="RUNTIME_DIRECTORY",
    system=GATES,
    home_variable="XDG_RUNTIME_DIR",
    home="",
    mode=0o755,
)
STATE = Folder(
    variable="STATE_DIRECTORY",
    system=Path("/var/lib/socketgate"),
    home_variable="XDG_STATE_HOME",
    home="~/.local/state",
    mode=0o750,
)
CACHE = Folder(
    variable="CACHE_DIRECTORY",
    system=Path("/var/cache/socketgate"),
    home_variable="XDG_CACHE_HOME",
    home="~/.cache",
    mode=0o750,
)


def own_folder(folder: Folder, environ: Mapping[str, str], name: str) -> Path | None:
    """The folder, which is there; by hand it has this name. None for a user who has none.

    Raises OSError, with the path, where it can't be made.
    """
    if given := environ.get(folder.variable):
        return Path(given.split(":")[0])
    if os.geteuid() == 0:
        path = folder.system / name
    elif home := environ.get(folder.home_variable) or folder.home:
        path = _expanded(Path(home, "socketgate", name))
    else:
        return None
    path.mkdir(mode=folder.mode, parents=True, exist_ok=True)
    return path


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:  # neither HOME nor an account
        raise FileNotFoundError(errno.ENOENT, "there is no home", str(path)) from error
