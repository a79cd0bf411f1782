# SPDX-License-Identifier: MIT
"""Any number of gates' channels behind one descriptor that can be polled."""

import logging
import os
import pwd
import select
import socket
import time
import weakref
from collections import deque
from collections.abc import Iterable

from .channel import ChannelEnded, ChannelReceiver, Offer, peer_credentials

log = logging.getLogger("socketgate.backend")

#: The user gates run as where nothing else is said; allowed besides root and our own.
GATE_USER = "socketgate"


class Receiver:
    """Takes clients from any number of gates. Owns the listening socket given.

    Not for several processes: after os.fork() the child's copy is closed, so that one process only
    holds a client, and gates see it when the parent ends.
    """

    def __init__(
        self,
        listening: socket.socket,
        *,
        allowed_users: Iterable[str | int] = (),
        batch: int = 1,
    ) -> None:
        self._listening = listening
        self._allowed = {0, os.geteuid(), *map(user_id, (GATE_USER, *allowed_users))}
        self._batch = batch
        self._channels: dict[int, ChannelReceiver] = {}
        self._offers: deque[Offer] = deque()
        #: Offers whose acknowledgement waits for room in their channel, by its descriptor.
        self._held: dict[int, list[Offer]] = {}
        #: Readable while more than the offer about to be given waits in `_offers`.
        self._waiting = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._is_told = False
        self._epoll = select.epoll()
        self._epoll.register(self._waiting, select.EPOLLIN)
        listening.settimeout(0)
        self._epoll.register(listening, select.EPOLLIN)
        _receivers.add(self)

    def fileno(self) -> int:
        """An epoll descriptor: readable when a client may be there. -1 when closed."""
        return -1 if self._epoll.closed else self._epoll.fileno()

    def next_offer(self, timeout_seconds: float | None = None) -> Offer | None:
        """The next client; None when none came in time (0: now, None: waits on).

        Raises OSError when the process has no descriptor left; the client stays with the gate.
        """
        deadline = time.monotonic() + timeout_seconds if timeout_seconds else 0.0
        while not self._offers:
            left = max(0.0, deadline - time.monotonic()) if timeout_seconds else timeout_seconds
            events = self._epoll.poll(left, 1)  # one: another message would wait in our hands
            if not events:
                return None
            self._on_event(events[0][0])
        offer = self._offers.popleft()
        if not self._offers:
            self._clear_waiting()
        return offer

    def hold(self, offer: Offer) -> None:
        """Its acknowledgement met BlockingIOError: offer it again when its channel has room."""
        fd = offer.channel.fileno()
        later = [other for other in self._offers if other.channel is offer.channel]
        self._offers = deque(other for other in self._offers if other.channel is not offer.channel)
        self._held[fd] = [offer, *later]  # kept in order: acknowledgements are cumulative
        self._epoll.modify(fd, select.EPOLLOUT)
        if not self._offers:
            self._clear_waiting()

    def close(self) -> None:
        """What was not acknowledged goes to another backend."""
        if self._epoll.closed:
            return
        _receivers.discard(self)
        for offer in (*self._offers, *(offer for held in self._held.values() for offer in held)):
            offer.close()
        self._offers.clear()
        self._held.clear()
        for channel in self._channels.values():
            channel.close()
        self._channels.clear()
        self._epoll.close()
        os.close(self._waiting)
        self._listening.close()

    def _on_event(self, fd: int) -> None:
        channel = self._channels.get(fd)
        if channel is None:
            if fd == self._listening.fileno():
                self._open_channel()
        elif fd in self._held:
            self._epoll.modify(fd, select.EPOLLIN)
            self._offers.extendleft(reversed(self._held.pop(fd)))
        else:
            self._read(channel)
        if len(self._offers) > 1 and not self._is_told:
            os.eventfd_write(self._waiting, 1)
            self._is_told = True

    def _open_channel(self) -> None:
        try:
            sock, _ = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        pid, uid, _ = peer_credentials(sock)
        if uid not in self._allowed:
            log.warning("process %d of user %d may not hand over connections, closing", pid, uid)
            sock.close()
            return
        self._channels[sock.fileno()] = ChannelReceiver(sock, batch=self._batch)
        self._epoll.register(sock, select.EPOLLIN)

    def _read(self, channel: ChannelReceiver) -> None:
        try:
            offers = channel.receive_offers()
        except ChannelEnded:
            self._drop(channel)
        except OSError:
            self._drop(channel)
            raise
        else:
            self._offers.extend(offers)

    def _drop(self, channel: ChannelReceiver) -> None:
        self._epoll.unregister(channel)
        del self._channels[channel.fileno()]
        channel.close()

    def _clear_waiting(self) -> None:
        if self._is_told:
            os.eventfd_read(self._waiting)
            self._is_told = False


def user_id(user: str | int) -> int:
    """The number of a user; -1, nobody's, when there is none of that name."""
    if isinstance(user, int):
        return user
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return -1


_receivers: weakref.WeakSet[Receiver] = weakref.WeakSet()


def _close_in_child() -> None:
    for receiver in list(_receivers):
        receiver.close()


os.register_at_fork(after_in_child=_close_in_child)
