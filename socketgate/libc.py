# SPDX-License-Identifier: MIT
"""C library calls that the standard library lacks, or makes holding the interpreter lock.

`socket.getnameinfo` keeps the lock until Python 3.11.4 (gh-104308): one dead reverse zone would
stop the loop for as long as the resolver waits. ctypes lets go of it.
"""

import ctypes
import errno
import os
import socket
import struct

#: What getaddrinfo(3) in Python gives for an address.
SocketAddress = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]

_NI_MAXHOST = 1025
#: getdomainname(2): the kernel's limit, __NEW_UTS_LEN, and the NUL.
_DOMAIN_BYTES = 65
#: What the kernel says when nobody has set a NIS domain.
_NO_DOMAIN = frozenset({b"", b"(none)"})


def name_of_address(address: SocketAddress) -> bytes:
    """getnameinfo(3) with NI_NAMEREQD: the name of an address. Raises gaierror. Blocks."""
    packed = _packed(address)
    host = ctypes.create_string_buffer(_NI_MAXHOST)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.getnameinfo.argtypes = [
        ctypes.c_char_p,
        ctypes.c_uint32,
        ctypes.c_char_p,
        ctypes.c_uint32,
        ctypes.c_char_p,
        ctypes.c_uint32,
        ctypes.c_int,
    ]
    status = libc.getnameinfo(packed, len(packed), host, _NI_MAXHOST, None, 0, socket.NI_NAMEREQD)
    if status == 0:
        return host.value
    if status == socket.EAI_SYSTEM:
        raise socket.gaierror(status, os.strerror(ctypes.get_errno()))
    libc.gai_strerror.restype = ctypes.c_char_p
    raise socket.gaierror(status, libc.gai_strerror(status).decode(errors="replace"))


def is_in_netgroup(group: bytes, host: bytes) -> bool:
    """innetgr(3) by host alone, in our NIS domain if there is one. Blocks.

    Not to be called by two threads at once. Raises OSError on a system without netgroups (musl).
    """
    libc = ctypes.CDLL(None)
    try:
        innetgr = libc.innetgr
    except AttributeError:
        raise OSError(errno.ENOSYS, "this C library has no netgroups") from None
    innetgr.argtypes = [ctypes.c_char_p] * 4
    return bool(innetgr(group, host, None, _nis_domain(libc)))


def _nis_domain(libc: ctypes.CDLL) -> bytes | None:
    """The NIS domain; with none, a triple's domain doesn't matter (NULL)."""
    buffer = ctypes.create_string_buffer(_DOMAIN_BYTES)
    if libc.getdomainname(buffer, ctypes.c_size_t(_DOMAIN_BYTES)) != 0:
        return None
    return None if buffer.value in _NO_DOMAIN else buffer.value


def _packed(address: SocketAddress) -> bytes:
    """struct sockaddr_in or sockaddr_in6, ip(7) and ipv6(7), with port 0."""
    host = str(address[0]).partition("%")[0]
    if len(address) == 4:
        parts = socket.AF_INET6, b"", socket.inet_pton(socket.AF_INET6, host), address[3]
        return struct.pack("=H6s16sI", *parts)
    return struct.pack("=H2s4s8s", socket.AF_INET, b"", socket.inet_pton(socket.AF_INET, host), b"")
