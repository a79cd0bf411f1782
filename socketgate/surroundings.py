# SPDX-License-Identifier: MIT
"""What may be wrong on this machine: daemons that no socket has, groups not there, open files.

What the rules say by themselves is the business of rules/lint.py, and what must be looked up of
namecheck.py; here they are held against the socket units and the file modes.
"""

import difflib
import os
import stat
from collections.abc import Collection, Iterable, Iterator

from socketgate.accounts import look_up_account
from socketgate.config import Config
from socketgate.control import EVERYBODY
from socketgate.daemonname import name_problem
from socketgate.pathwalk import TooManyLinks, walk
from socketgate.rules.diagnostic import Diagnostic, Severity
from socketgate.rules.names import NameKind, NameUse, first_uses
from socketgate.rules.text import shown

#: Words that rules/lint.py has its own say about.
_NO_DAEMONS = frozenset({"known", "unknown", "local", "paranoid", "fail"})


def daemon_diagnostics(uses: Iterable[NameUse], sockets: Collection[str]) -> Iterator[Diagnostic]:
    """Daemon names that no socket has. `uses` are all names of the rules."""
    known = {name.lower() for name in sockets}
    for use in first_uses(use for use in uses if use.kind is NameKind.DAEMON):
        name = shown(use.name)
        if name.lower() in known | _NO_DAEMONS or name_problem(name):
            continue
        near = difflib.get_close_matches(name.lower(), sorted(known), n=1, cutoff=0.7)
        yield use.diagnostic(
            Severity.WARNING,
            "no-such-socket",
            f"no socket unit has the name {name}",
            f"did you mean {near[0]}?" if near else f"FileDescriptorName={name} gives a socket it",
        )


def group_diagnostics(config: Config) -> Iterator[Diagnostic]:
    """Groups that the configuration gives a right to, and that don't exist. Blocks (getgrnam(3)).

    The groups that are the default needn't be there.
    """
    control = config.control
    named = {
        "admin-groups": control.admin_groups,
        "viewer-groups": [name for name in control.viewer_groups if name != EVERYBODY],
    }
    for key, names in named.items():
        place = config.places.get(("control", key))
        if place is None:
            continue
        for name in names:
            if look_up_account(os.fsencode(name), is_group=True).answer is not True:
                yield Diagnostic(
                    severity=Severity.WARNING,
                    code="unknown-group",
                    origin=str(place.path),
                    line=place.line,
                    column=1,
                    message=f'control.{key}: there is no group "{name}": nobody is in it',
                    hint="create the group and start the gates again, or name another",
                    source_line=b"",
                )


def file_diagnostics(paths: Iterable[str]) -> Iterator[Diagnostic]:
    """Files, and folders on the way to them, that everybody may write to."""
    reported: set[str] = set()
    for path in paths:
        for open_path in _open_paths(os.path.abspath(path)):  # noqa: PTH100  # links stay
            if open_path not in reported:
                reported.add(open_path)
                yield _world_writable(open_path)


def _open_paths(path: str) -> Iterator[str]:
    try:
        steps = list(walk(path))
    except (TooManyLinks, OSError):
        return
    for step in steps:
        if step.status is not None and is_open(step.status):
            yield step.path


def is_open(status: os.stat_result) -> bool:
    """Whether anybody can change what is there; in a sticky folder only their own files."""
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return False
    is_sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    return bool(status.st_mode & stat.S_IWOTH) and not is_sticky


def _world_writable(path: str) -> Diagnostic:
    return Diagnostic(
        severity=Severity.WARNING,
        code="world-writable",
        origin=path,
        line=1,
        column=1,
        message="everybody may write here, and so change the rules",
        hint=f"chmod o-w {path}",
        source_line=b"",
    )
