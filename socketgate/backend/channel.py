# SPDX-License-Identifier: MIT
"""One gate's channel: clients in, acknowledgements out (docs/protocol.md)."""

import errno
import logging
import os
import select
import socket
import stat
import struct
from array import array
from collections.abc import Iterator
from contextlib import suppress

from .message import (
    MAX_BATCH,
    MAX_MESSAGE_BYTES,
    Handoff,
    MalformedMessage,
    ids_in,
    parse_block,
)

log = logging.getLogger("socketgate.backend")

#: Between a process's sockets being closed and its end being seen.
ENDING_PROCESS_SECONDS = 0.2
#: Plain numbers: reckoning with the enums of `socket` takes longer than recvmsg(2).
LEVEL, RIGHTS = int(socket.SOL_SOCKET), int(socket.SCM_RIGHTS)
RIGHTS_CUT = int(socket.MSG_CTRUNC)
CUT = int(socket.MSG_TRUNC | socket.MSG_CTRUNC)
CLOSE_ON_EXEC = int(socket.MSG_CMSG_CLOEXEC)
NO_SIGNAL = int(socket.MSG_NOSIGNAL)
DESCRIPTOR_BYTES = struct.calcsize("i")
#: unix(7), struct ucred: users' and groups' numbers have no sign.
CREDENTIALS = "iII"


class ChannelEnded(Exception):
    """The gate closed its end, or can't be understood, and all it sent has been read."""


class Client(socket.socket):
    """An ordinary connected socket, with what the gate knows of it."""

    handoff: Handoff


class ChannelReceiver:
    """One gate's channel. Owns the socket given and makes it non-blocking."""

    def __init__(self, sock: socket.socket, *, batch: int = 1) -> None:
        self._sock = sock
        sock.settimeout(0)
        self._gate_pid, _, _ = peer_credentials(sock)
        self._batch = 1
        self._room = socket.CMSG_LEN(DESCRIPTOR_BYTES)
        if batch > 1:
            self.request_batch(batch)

    def fileno(self) -> int:
        """Readable when `receive` has something to do; -1 when closed."""
        return self._sock.fileno()

    def close(self) -> None:
        """Clients not acknowledged yet go to another backend."""
        self._sock.close()

    def __iter__(self) -> Iterator[tuple[Client, Handoff]]:
        """Waits for clients until the channel ends. The caller acknowledges, and closes, each."""
        with suppress(ChannelEnded):
            while True:
                self._poll(select.POLLIN, None)
                for client in self.receive():
                    yield client, client.handoff

    def receive(self) -> list[Client]:
        """The next message's clients, as sockets; otherwise as `receive_offers`."""
        offers = self.receive_offers()
        try:
            return [offer.client() for offer in offers]
        finally:
            for offer in offers:  # those that are sockets by now have nothing left to close
                offer.close()

    def receive_offers(self) -> "list[Offer]":
        """The next message's clients, in order; none when no good message is there now.

        Each is close-on-exec and the caller's to close. A message that breaks the protocol is
        refused. Raises ChannelEnded; OSError (EMFILE) when there is no descriptor left: then the
        channel must be closed, and the gate sends the client again.
        """
        try:
            text, descriptors, flags = self._read()
        except BlockingIOError:
            return []
        if not text and not descriptors:
            raise ChannelEnded
        blocks = text.removesuffix(b"\n").split(b"\n\n")
        if flags & RIGHTS_CUT and len(descriptors) < len(blocks):
            # unix(7): what found no room in our table of descriptors was closed, here only.
            _close_all(descriptors)
            raise OSError(errno.EMFILE, "no descriptor left for a client")
        try:
            handoffs = _match(blocks, descriptors, flags)
        except MalformedMessage as error:
            _close_all(descriptors)
            log.warning("process %d sent what no gate sends: %s, refusing", self._gate_pid, error)
            self._refuse_all(text)
            return []
        return [Offer(fd, handoff, self) for fd, handoff in zip(descriptors, handoffs, strict=True)]

    def acknowledge(self, id_: int) -> bool:
        """Tell the gate that this client, and all sent before it, are taken over.

        False: the gate gave this channel up and the client goes elsewhere: close it unread. (A gate
        that ended has no copy to send, so the client is ours.) Raises BlockingIOError when the
        channel is full: try again when it is writable.
        """
        try:
            self._send(b"ACK=%d\n" % id_)
        except BlockingIOError:
            raise
        except OSError:
            return process_ended(self._gate_pid)
        return True

    def refuse(self, id_: int) -> None:
        """This one can't be taken: the gate tries the next backend. Acknowledges no other.

        A gate that can't be told now is told by the channel's end: the next acknowledgement would
        be for this client too.
        """
        try:
            self._send(b"REFUSE=%d\n" % id_)
        except OSError:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)

    def is_writable(self) -> bool:
        """Whether an acknowledgement would find room, or the channel's end."""
        return bool(self._poll(select.POLLOUT, 0))

    def request_batch(self, count: int) -> None:
        """From now on a message may carry up to so many clients."""
        if not 1 <= count <= MAX_BATCH:
            raise ValueError(f"a batch is 1 to {MAX_BATCH} clients, not {count}")
        self._batch = max(count, self._batch)
        self._room = socket.CMSG_LEN(self._batch * DESCRIPTOR_BYTES)
        with suppress(OSError):  # then it has ended: receive() says so
            self._send(b"BATCH=%d\n" % count)

    def _read(self) -> tuple[bytes, list[int], int]:
        try:
            message = self._sock.recvmsg(MAX_MESSAGE_BYTES, self._room, CLOSE_ON_EXEC)
        except ConnectionResetError:  # told once, ahead of messages that are still queued
            message = self._sock.recvmsg(MAX_MESSAGE_BYTES, self._room, CLOSE_ON_EXEC)
        text, ancillary, flags, _ = message
        descriptors = array("i")
        for level, kind, data in ancillary:
            if level == LEVEL and kind == RIGHTS:
                descriptors.frombytes(data)
        return text, descriptors.tolist(), flags

    def _refuse_all(self, text: bytes) -> None:
        ids = ids_in(text)
        if not ids:
            raise ChannelEnded  # nothing to call it by: the gate is told by the channel's end
        for id_ in ids:
            self.refuse(id_)

    def _send(self, text: bytes) -> None:
        self._sock.send(text, NO_SIGNAL)

    def _poll(self, event: int, timeout_ms: int | None) -> list[tuple[int, int]]:
        poll = select.poll()
        poll.register(self._sock, event)
        return poll.poll(timeout_ms)


class Offer:
    """A client that a gate has sent and nobody has taken over yet; owns its descriptor."""

    __slots__ = ("channel", "fd", "handoff")

    def __init__(self, fd: int, handoff: Handoff, channel: ChannelReceiver) -> None:
        self.fd, self.handoff, self.channel = fd, handoff, channel

    def client(self) -> Client:
        """As a socket, which owns the descriptor from now on."""
        client = Client(fileno=self.fd)
        client.handoff = self.handoff
        self.fd = -1
        return client

    def take(self) -> bool:
        """Acknowledge. False: it went elsewhere, and is closed. Raises BlockingIOError."""
        taken = self.channel.acknowledge(self.handoff.id)
        if not taken:
            self.close()
        return taken

    def refuse(self) -> None:
        """Leave it to another backend and close our copy."""
        self.channel.refuse(self.handoff.id)
        self.close()

    def close(self) -> None:
        """Close our copy, if it is still ours."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


def peer_credentials(sock: socket.socket) -> tuple[int, int, int]:
    """Process, user and group of whoever connected (SO_PEERCRED, unix(7))."""
    size = struct.calcsize(CREDENTIALS)
    packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    pid, uid, gid = struct.unpack(CREDENTIALS, packed)
    return pid, uid, gid


def process_ended(pid: int) -> bool:
    """Whether a process is gone; waits the moment between its sockets' end and its own.

    False for 0, which stands for a process of a foreign PID namespace: it can't be seen.
    """
    if pid <= 0:
        return False
    try:
        fd = os.pidfd_open(pid)
    except OSError as error:
        return error.errno == errno.ESRCH
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(ENDING_PROCESS_SECONDS * 1000))
    finally:
        os.close(fd)


def _match(blocks: list[bytes], descriptors: list[int], flags: int) -> list[Handoff]:
    """What a message says of each client. Raises MalformedMessage."""
    if flags & CUT or len(blocks) != len(descriptors):
        raise MalformedMessage(f"{len(descriptors)} descriptors for {len(blocks)} clients")
    for fd in descriptors:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            raise MalformedMessage("a descriptor that is no socket")
    return [parse_block(block) for block in blocks]


def _close_all(descriptors: list[int]) -> None:
    for fd in descriptors:
        os.close(fd)
