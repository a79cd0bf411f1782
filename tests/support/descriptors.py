# SPDX-License-Identifier: MIT
"""A process that has no descriptor left (EMFILE), and somebody who has no room for messages."""

import contextlib
import os
import resource
import socket
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def no_free_descriptor() -> Iterator[None]:
    """What is open stays open; nothing more can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def unwatchable(sock: socket.socket) -> Iterator[None]:
    """epoll_ctl(2) fails for this socket: a regular file has its descriptor meanwhile."""
    kept = os.dup(sock.fileno())
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), sock.fileno(), inheritable=False)
    try:
        yield
    finally:
        os.dup2(kept, sock.fileno(), inheritable=False)
        os.close(kept)


@contextlib.contextmanager
def full_inbox(address: str) -> Iterator[None]:
    """Who reads this datagram socket has left so many messages that there is room for none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        with contextlib.suppress(BlockingIOError):
            while True:
                sender.sendto(b"", address)
        yield
