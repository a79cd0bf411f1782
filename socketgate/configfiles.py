# SPDX-License-Identifier: MIT
"""The configuration's files: socketgate.toml, then socketgate.d/*.toml in the order of their names.

What may stand in them is config.py's affair, whose import takes longer than `socketgate ban`, which
reads what it needs by itself.
"""

from pathlib import Path

from socketgate.errors import ConfigError

DEFAULT_PATH = Path("/etc/socketgate/socketgate.toml")


def read_files(path: Path | None = None) -> list[tuple[Path, str]]:
    """All that there are, each with its text. A named file must exist, the default one need not.

    Raises ConfigError.
    """
    main = path or DEFAULT_PATH
    files = [main] if path is not None or _is_there(main) else []
    return [(one, _read(one)) for one in (*files, *_parts(main.with_suffix(".d")))]


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # it may be, and reading it says why that can't be told
    return True


def _parts(folder: Path) -> list[Path]:
    """The files of the folder in the order of their names; a folder that isn't there has none."""
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError(f"{folder}: can't be read: {error.strerror}") from error
    return [folder / name for name in names if name.endswith(".toml") and name[0] != "."]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 (byte {error.start}): save it as UTF-8") from error
