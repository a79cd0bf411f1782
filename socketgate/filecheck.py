# SPDX-License-Identifier: MIT
"""What may be wrong with the files of rules, configuration and bans: missing, open, unreadable."""

import contextlib
import os
import pwd
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from socketgate.bans import Bans
from socketgate.banstore import REMEDY, StoreReader
from socketgate.config import Config, RulesConfig
from socketgate.pathwalk import Step, TooManyLinks, walk
from socketgate.rules.diagnostic import Diagnostic, Severity
from socketgate.rules.source import Absent, Sources
from socketgate.socketunits import UNIT_FOLDERS

#: Whom gates run as: units/socketgate@.service.
GATE_USER = "socketgate"
#: What makes it another, or gives it more: systemd.exec(5).
GATE_DROP_INS = ("socketgate.service.d/*.conf", "socketgate@*.service.d/*.conf")
RIGHTS = re.compile(rb"^\s*(User|Group|SupplementaryGroups|DynamicUser)\s*=", re.MULTILINE)
#: Where a file has an acl(5).
ACL = "system.posix_acl_access"


def missing_diagnostics(config: Config, sources: Sources) -> Iterator[Diagnostic]:
    """Rule files that somebody named and that aren't there; the default ones needn't be."""
    default = RulesConfig()
    for key, path, source in (
        ("allow", config.rules.allow, sources.allow),
        ("deny", config.rules.deny, sources.deny),
    ):
        if isinstance(source, Absent) and path not in (default.allow, default.deny):
            place = config.places.get(("rules", key))
            yield _of_file(
                Severity.WARNING,
                "missing-file",
                str(path),
                "there is no such file: it has no rules",
                "create it, or name another" + (f": {place.named}" if place else ""),
            )


def file_diagnostics(paths: Iterable[str]) -> Iterator[Diagnostic]:
    """Files, and folders on the way to them, that everybody may write to."""
    reported: set[str] = set()
    for path in paths:
        for step in _steps(path):
            if step.status is not None and is_open(step.status) and step.path not in reported:
                reported.add(step.path)
                message = "everybody may write here, and so change the rules"
                hint = f"chmod o-w {step.path}"
                yield _of_file(Severity.WARNING, "world-writable", step.path, message, hint)


def _steps(path: str) -> list[Step]:
    """The way to a file as far as it can be gone."""
    try:
        return list(walk(os.path.abspath(path)))  # noqa: PTH100  # links stay
    except (TooManyLinks, OSError):
        return []


def is_open(status: os.stat_result) -> bool:
    """Whether anybody can change what is there; in a sticky folder only their own files."""
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return False
    is_sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    return bool(status.st_mode & stat.S_IWOTH) and not is_sticky


@dataclass(frozen=True, slots=True)
class Reader:
    """A user without privileges, by numbers."""

    uid: int
    gids: frozenset[int]

    def may(self, right: int, status: os.stat_result) -> bool:
        """Whether the mode gives it that right of others; the first class it is in decides."""
        if self.uid == status.st_uid:
            return bool(status.st_mode & right << 6)
        return bool(status.st_mode & (right << 3 if status.st_gid in self.gids else right))


def gates_reader() -> Reader | None:
    """Whom gates run as; None where there is no such user, or some gate may run as another."""
    if is_user_changed(UNIT_FOLDERS):
        return None
    try:
        account = pwd.getpwnam(GATE_USER)
    except KeyError:
        return None
    return Reader(account.pw_uid, frozenset(os.getgrouplist(GATE_USER, account.pw_gid)))


def is_user_changed(folders: Iterable[Path]) -> bool:
    """Whether a drop-in gives a gate's unit another user or groups. One we can't read doesn't."""
    for folder in folders:
        for pattern in GATE_DROP_INS:
            for part in folder.glob(pattern):
                with contextlib.suppress(OSError):
                    if RIGHTS.search(part.read_bytes()):
                        return True
    return False


def unreadable_diagnostics(paths: Iterable[str], reader: Reader) -> Iterator[Diagnostic]:
    """Files that gates can't read, though root, who checks them, can.

    The modes say so, of the file and of each folder on the way; where there is an acl(5), too, it
    is taken for readable.
    """
    reported: set[str] = set()
    for path in paths:
        for step in _steps(path):
            if step.status is None or stat.S_ISLNK(step.status.st_mode):
                continue
            right = stat.S_IXOTH if stat.S_ISDIR(step.status.st_mode) else stat.S_IROTH
            if reader.may(right, step.status) or _has_acl(step.path):
                continue
            if step.path not in reported:
                reported.add(step.path)
                yield _unreadable(step.path, "x" if right == stat.S_IXOTH else "r")
            break


def _has_acl(path: str) -> bool:
    try:
        return bool(os.getxattr(path, ACL))
    except OSError:
        return False


def _unreadable(path: str, letter: str) -> Diagnostic:
    message = f"gates, which run as {GATE_USER}, can't read what is here"
    hint = f"chmod o+{letter} {path}, or setfacl -m u:{GATE_USER}:{letter} {path}"
    return _of_file(Severity.ERROR, "unreadable-file", path, message, hint)


def ban_diagnostics(store: Path) -> Iterator[Diagnostic]:
    """What a gate that starts would say of the bans; without them it doesn't start."""
    reader = StoreReader(store, Bans())
    troubles = reader.refresh()
    reader.close()
    for trouble in troubles:
        message = trouble.removeprefix(f"{store}: ").removesuffix(f": {REMEDY}")
        if reader.is_behind:
            hint = "no gate starts without them: mend it; if only you can't read it, ask as root"
            yield _of_file(Severity.ERROR, "unreadable-bans", str(store), message, hint)
        else:
            yield _of_file(Severity.WARNING, "damaged-bans", str(store), message, REMEDY)


def _of_file(severity: Severity, code: str, path: str, message: str, hint: str) -> Diagnostic:
    """What is to be said of a file as a whole."""
    return Diagnostic(
        severity=severity,
        code=code,
        origin=path,
        line=1,
        column=1,
        message=message,
        hint=hint,
        source_line=b"",
    )
