# SPDX-License-Identifier: MIT
import errno
import fcntl
import itertools
import os
import resource
import select
import socket
import struct
from pathlib import Path

import pytest

from socketgate.accept import CLIENT_GONE, CannotAccept, Connection, accept_burst, queue_length
from socketgate.activation import Listener
from tests.support.clients import client_of, connected, listening, listening_locally
from tests.support.descriptors import no_free_descriptor
from tests.support.waiting import PATIENCE_SECONDS, open_descriptors

#: unix(7), socket(7): SO_LINGER with time 0 makes close(2) reset the connection.
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


def accepted(listener: Listener, most: int, *, first: int = 1) -> list[Connection]:
    """So many at most, numbered from the first on."""
    taken: list[Connection] = []
    accept_burst(listener, itertools.count(first), most, taken)
    return taken


def test_nobody_waiting_is_no_connection() -> None:
    with listening() as listener:
        assert accepted(listener, 64) == []


def test_those_who_wait_are_taken_in_order_with_numbers_that_rise() -> None:
    with listening() as listener, client_of(listener) as one, client_of(listener) as other:
        connections = accepted(listener, 64, first=7)
        found = [(each.id, each.peer) for each in connections]
        for each in connections:
            each.close()
        assert found == [(7, one.getsockname()), (8, other.getsockname())]


def test_no_more_are_taken_than_there_is_room_for() -> None:
    with listening() as listener, client_of(listener), client_of(listener):
        (first,) = accepted(listener, 1)
        (second,) = accepted(listener, 1)
        first.close()
        second.close()


def test_with_no_room_the_queue_keeps_everybody() -> None:
    with listening() as listener, client_of(listener):
        assert accepted(listener, -1) == []
        (connection,) = accepted(listener, 1)
        connection.close()


def test_a_client_s_socket_is_never_non_blocking() -> None:
    with listening() as listener, connected(listener) as (connection, _):
        assert not fcntl.fcntl(connection.fd, fcntl.F_GETFL) & os.O_NONBLOCK


def test_no_program_we_start_inherits_a_client() -> None:
    with listening() as listener, connected(listener) as (connection, _):
        assert not os.get_inheritable(connection.fd)


def test_what_the_client_sent_is_left_for_the_backend() -> None:
    with listening() as listener, connected(listener) as (connection, client):
        client.sendall(b"SSH-2.0")
        assert not connection.is_gone()
        assert os.read(connection.fd, 100) == b"SSH-2.0"


def test_closing_twice_closes_nobody_else_s_descriptor() -> None:
    with listening() as listener, connected(listener) as (connection, _):
        fd = connection.fd
        connection.close()
        reused = os.open("/", os.O_RDONLY)
        connection.close()
        assert reused == fd
        os.fstat(reused)
        os.close(reused)


def test_a_connection_that_was_lent_as_a_socket_stays_open() -> None:
    with listening() as listener, connected(listener) as (connection, client):
        with connection.lent() as sock:
            name = sock.getpeername()
        os.write(connection.fd, b"x")
        assert (name, client.recv(1)) == (connection.peer, b"x")


def test_a_connection_closes_with_its_with() -> None:
    with listening() as listener, client_of(listener) as client:
        (connection,) = accepted(listener, 1)
        with connection:
            pass
        assert client.recv(1) == b""


def test_a_client_that_reset_is_gone() -> None:
    with listening() as listener, connected(listener) as (connection, client):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        client.close()
        poller = select.poll()
        poller.register(connection.fd, select.POLLIN)
        poller.poll(PATIENCE_SECONDS * 1000)
        assert connection.is_gone()


def test_a_client_that_only_ended_its_sending_is_not_gone() -> None:
    with listening() as listener, connected(listener) as (connection, client):
        client.shutdown(socket.SHUT_WR)
        poller = select.poll()
        poller.register(connection.fd, select.POLLIN)
        poller.poll(PATIENCE_SECONDS * 1000)
        assert not connection.is_gone()


def test_a_local_client_has_no_address(tmp_path: Path) -> None:
    with listening_locally(tmp_path) as listener, connected(listener) as (connection, _):
        assert not connection.peer


def test_out_of_descriptors_the_queue_keeps_the_client() -> None:
    with listening() as listener, client_of(listener):
        with no_free_descriptor(), pytest.raises(CannotAccept, match="LimitNOFILE="):
            accepted(listener, 1)
        (connection,) = accepted(listener, 1)
        connection.close()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.EMFILE, "Too many open files (raise LimitNOFILE= in the gate's unit)"),
        (errno.ENFILE, "Too many open files in system (raise fs.file-max"),
        (errno.ENOMEM, "Cannot allocate memory (the machine, or MemoryMax="),
        (errno.EBADF, "Bad file descriptor"),
    ],
)
def test_who_can_t_accept_says_what_to_change(number: int, text: str) -> None:
    assert str(CannotAccept(OSError(number, os.strerror(number)))).startswith(text)


def test_out_of_descriptors_those_taken_before_are_not_lost() -> None:
    with listening() as listener, client_of(listener) as one, client_of(listener):
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest_free = os.dup(listener.sock.fileno())
        os.close(lowest_free)
        taken: list[Connection] = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + 1, limits[1]))
        try:
            with pytest.raises(CannotAccept):
                accept_burst(listener, itertools.count(1), 2, taken)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        with taken[0]:
            assert [each.peer for each in taken] == [one.getsockname()]


def test_a_burst_leaves_no_descriptor_behind() -> None:
    with listening() as listener:
        before = open_descriptors()
        for _ in range(100):
            with connected(listener):
                pass
        assert open_descriptors() == before


@pytest.mark.parametrize(
    "number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EBADF, errno.EINVAL]
)
def test_an_error_that_is_not_the_client_s_is_not_passed_over(number: int) -> None:
    assert number not in CLIENT_GONE


def test_a_listener_says_how_many_wait() -> None:
    with listening() as listener, client_of(listener), client_of(listener):
        assert queue_length(listener.sock) == 2


def test_of_a_socket_that_is_no_tcp_listener_it_can_t_be_told_how_many_wait() -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        assert queue_length(sock) == 0
