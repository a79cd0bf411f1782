# SPDX-License-Identifier: MIT
"""The names that socket units give their sockets, read from the unit files: no systemd needed.

A socket's name is its FileDescriptorName=, and without one the unit's own (systemd.socket(5)).
Drop-ins count; of a template, the instances that a file, a link or a drop-in folder speaks of.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

#: Where systemd looks for units, the strongest folder first: systemd.unit(5).
UNIT_FOLDERS = tuple(
    Path(folder)
    for folder in (
        "/etc/systemd/system",
        "/run/systemd/system",
        "/run/systemd/generator",
        "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
    )
)
SUFFIX = ".socket"
_SETTING = re.compile(r"^\s*FileDescriptorName\s*=\s*(.*?)\s*$", re.MULTILINE)
_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")
_SPECIFIER = re.compile(r"%(.)")


def socket_names(folders: Sequence[Path] = UNIT_FOLDERS) -> frozenset[str]:
    """The names of all sockets of this system. What can't be read has none."""
    entries = [entry for folder in folders for entry in _entries(folder)]
    units = set(filter(_is_instance, map(_unit_of, entries)))
    return frozenset(_name_of(unit, folders) for unit in units)


def _entries(folder: Path) -> Iterator[Path]:
    """Units, drop-in folders, and what `systemctl enable` links."""
    for entry in _children(folder):
        if entry.name.endswith((".wants", ".requires", ".upholds")):
            yield from _children(entry)
        else:
            yield entry


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _unit_of(entry: Path) -> str:
    return entry.name.removesuffix(".d")


def _is_instance(unit: str) -> bool:
    """A socket unit that can be started: not a template, and not a folder for all of a kind."""
    return unit.endswith(SUFFIX) and not unit.endswith("@" + SUFFIX) and unit != SUFFIX


def _name_of(unit: str, folders: Sequence[Path]) -> str:
    prefix, at, _ = unit.removesuffix(SUFFIX).partition("@")
    names = [unit, f"{prefix}@{SUFFIX}"] if at else [unit]
    texts = [_first_text([folder / name for name in names for folder in folders])]
    texts += [
        _text(part)
        for name in reversed(names)
        for folder in reversed(folders)
        for part in sorted(_children(folder / f"{name}.d"))
        if part.name.endswith(".conf")
    ]
    values = [found[1] for text in texts for found in _SETTING.finditer(text)]
    # An empty value resets to the default, as all settings do.
    return _expanded(values[-1], unit) if values and values[-1] else unit


def _first_text(paths: Sequence[Path]) -> str:
    return next((_text(path) for path in paths if path.is_file()), "")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _expanded(value: str, unit: str) -> str:
    """The specifiers of systemd.unit(5) that make sense in a name."""
    bare = unit.removesuffix(SUFFIX)
    prefix, _, instance = bare.partition("@")
    last = prefix.rpartition("-")[2]
    meanings = {
        "i": instance, "I": _unescaped(instance), "p": prefix, "P": _unescaped(prefix),
        "n": unit, "N": bare, "j": last, "J": _unescaped(last), "%": "%",
    }  # fmt: skip
    return _SPECIFIER.sub(lambda found: meanings.get(found[1], found[0]), value)


def _unescaped(text: str) -> str:
    """systemd-escape(1), the other way round."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text.replace("-", "/"))
