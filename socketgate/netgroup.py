# SPDX-License-Identifier: MIT
"""Whether a host is in a netgroup, by innetgr(3) (docs/language.md 12)."""

from socketgate import libc
from socketgate.lookup_values import Found

#: Where `files` in nsswitch.conf's netgroup line reads.
FILES = ("/etc/netgroup",)


def look_up_netgroup(group: bytes, host: bytes) -> Found:
    """Ask the netgroup sources of nsswitch.conf. Blocks. Not to be called by two threads at once.

    What can't be a C string is in no group.
    """
    if b"\0" in group or b"\0" in host:
        return Found(answer=False)
    try:
        return Found(answer=libc.is_in_netgroup(group, host))
    except OSError as error:
        return Found(answer=False, note=f"netgroup: {error.strerror}")
