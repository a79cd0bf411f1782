# SPDX-License-Identifier: MIT
"""Accounts of this machine: whether one exists (hosts_options(5), `user`, `group`), and names."""

import grp
import os
import pwd

from socketgate.lookup_values import Found

#: Where `files` in nsswitch.conf's passwd and group lines reads.
FILES = ("/etc/passwd", "/etc/group")


def look_up_account(name: bytes, *, is_group: bool) -> Found:
    """Ask getpwnam(3) or getgrnam(3). Blocks. A number is a name like any other, as in libwrap."""
    if b"\0" in name:
        return Found(answer=False)
    find = grp.getgrnam if is_group else pwd.getpwnam
    try:
        find(os.fsdecode(name))
    except KeyError:
        return Found(answer=False)
    return Found(answer=True)


def name_of_user(uid: int) -> Found:
    """Ask getpwuid(3). Blocks. Who has no name goes by the number."""
    try:
        return Found(os.fsencode(pwd.getpwuid(uid).pw_name))
    except KeyError:
        return Found(b"%d" % uid)
