# SPDX-License-Identifier: MIT
"""Whether a host is in a netgroup: innetgr(3), which the standard library lacks.

    innetgr(GROUP, HOST, NULL, the NIS domain)      docs/language.md 12

glibc's innetgr is not safe in several threads at once: one thread asks at a time.
"""

import ctypes

from socketgate.lookup_values import Found

#: Where `files` in nsswitch.conf's netgroup line reads.
FILES = ("/etc/netgroup",)

#: getdomainname(2): the kernel's limit, __NEW_UTS_LEN, and the NUL.
_DOMAIN_BYTES = 65
#: What the kernel says when nobody has set a NIS domain.
_NO_DOMAIN = frozenset({b"", b"(none)"})


def look_up_netgroup(group: bytes, host: bytes) -> Found:
    """Ask the netgroup sources of nsswitch.conf. Blocks. Not to be called by two threads at once.

    What can't be a C string is in no group.
    """
    if b"\0" in group or b"\0" in host:
        return Found(answer=False)
    libc = ctypes.CDLL(None)
    try:
        innetgr = libc.innetgr
    except AttributeError:  # musl has no netgroups
        return Found(answer=False, note="netgroup: this system's C library has none")
    innetgr.argtypes = [ctypes.c_char_p] * 4
    innetgr.restype = ctypes.c_int
    return Found(answer=bool(innetgr(group, host, None, _nis_domain(libc))))


def _nis_domain(libc: ctypes.CDLL) -> bytes | None:
    """The NIS domain; with none, a triple's domain doesn't matter (NULL)."""
    buffer = ctypes.create_string_buffer(_DOMAIN_BYTES)
    if libc.getdomainname(buffer, ctypes.c_size_t(_DOMAIN_BYTES)) != 0:
        return None
    return None if buffer.value in _NO_DOMAIN else buffer.value
