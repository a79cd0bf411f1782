# SPDX-License-Identifier: MIT
"""What may be wrong on this machine with names: daemons that no socket has, groups not there.

What the rules say by themselves is the business of rules/lint.py, what must be looked up of
namecheck.py, files of filecheck.py; here names are held against socket units and groups.
"""

import difflib
import os
from collections.abc import Collection, Iterable, Iterator

from socketgate.accounts import look_up_account
from socketgate.config import Config, Place
from socketgate.control import EVERYBODY
from socketgate.daemonname import name_problem
from socketgate.rules.diagnostic import Diagnostic, Severity
from socketgate.rules.names import NameKind, NameUse, first_uses
from socketgate.rules.text import shown

#: Words that rules/lint.py has its own say about.
_NO_DAEMONS = frozenset({"known", "unknown", "local", "paranoid", "fail"})


def daemon_diagnostics(
    uses: Iterable[NameUse], config: Config, sockets: Collection[str]
) -> Iterator[Diagnostic]:
    """Daemon names that no socket has. `uses` are all names of the rules."""
    known = {name.lower() for name in sockets}
    for name in config.daemons:
        if name.lower() not in known:
            place = next(one for key, one in config.places.items() if key[:2] == ("daemon", name))
            message = f"no socket unit has the name {name}: these settings are nobody's"
            yield _at(place, "no-such-socket", message, _which_socket(name, known))
    known |= {name.lower() for name in config.daemons}
    for use in first_uses(use for use in uses if use.kind is NameKind.DAEMON):
        name = shown(use.name)
        if name.lower() in known | _NO_DAEMONS or name_problem(name):
            continue
        message = f"no socket unit has the name {name}"
        hint = _which_socket(name, known)
        yield use.diagnostic(Severity.WARNING, "no-such-socket", message, hint)


def _which_socket(name: str, known: Collection[str]) -> str:
    near = nearest_socket(name, known)
    return f"did you mean {near}?" if near else f"FileDescriptorName={name} gives a socket it"


def nearest_socket(name: str, known: Collection[str]) -> str:
    """The one of these sockets' names that was probably meant; empty if there is none."""
    names = sorted(socket.lower() for socket in known)
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.7)
    return near[0] if near else ""


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
                message = f'there is no group "{name}": nobody is in it'
                hint = "create the group and start the gates again, or name another"
                yield _at(place, "unknown-group", message, hint)


def _at(place: Place, code: str, message: str, hint: str) -> Diagnostic:
    """A warning about a key of the configuration."""
    return Diagnostic(
        severity=Severity.WARNING,
        code=code,
        origin=str(place.path),
        line=place.line,
        column=1,
        message=f"{'.'.join(place.key)}: {message}",
        hint=hint,
        source_line=b"",
    )
