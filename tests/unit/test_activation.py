# SPDX-License-Identifier: MIT
import ast
import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from socketgate.activation import (
    _passed_by_hand,
    close_all,
    describe_address,
    passed_fds,
    passed_listeners,
)
from socketgate.errors import ActivationError
from tests.support.child import Child, Sockets
from tests.support.waiting import PATIENCE_SECONDS, environment

PROJECT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def bound(
    kind: socket.SocketKind = socket.SOCK_STREAM,
    family: socket.AddressFamily = socket.AF_INET,
    address: object = ("127.0.0.1", 0),
    *,
    listens: bool = True,
) -> Iterator[socket.socket]:
    with socket.socket(family, kind) as sock:
        sock.bind(address)  # type: ignore[arg-type]  # of any family
        if listens:
            sock.listen()
        yield sock


def passed(sock: socket.socket, name: str) -> dict[int, str]:
    """A copy of the socket, as systemd's: what is made of it is the gate's to close."""
    return {os.dup(sock.fileno()): name}


def error_for(sock: socket.socket, name: str = "sshd") -> str:
    with pytest.raises(ActivationError) as caught:
        passed_listeners(lambda: passed(sock, name))
    return str(caught.value)


def unit_of(sock: socket.socket, name: str = "sshd") -> str:
    host, port = sock.getsockname()
    return f"the .socket unit that listens on {host}:{port} (name {name!r})"


def test_no_socket_says_which_unit_to_start() -> None:
    with pytest.raises(ActivationError) as caught:
        passed_listeners(dict)
    assert str(caught.value) == (
        "systemd passed no sockets: start the .socket unit instead of the service, as in "
        "'systemctl enable --now socketgate@sshd.socket' (or by hand: "
        "systemd-socket-activate -l 2222 --fdname=sshd socketgate run)"
    )


def test_a_listening_stream_socket_is_a_listener_by_its_name() -> None:
    with bound() as sock:
        (listener,) = passed_listeners(lambda: passed(sock, "sshd"))
        with listener.sock:
            assert (listener.name, listener.sock.getsockname()) == ("sshd", sock.getsockname())


def test_accept_on_a_listener_never_waits() -> None:
    with bound() as sock:
        (listener,) = passed_listeners(lambda: passed(sock, "sshd"))
        with listener.sock, pytest.raises(BlockingIOError):
            listener.sock.accept()


def test_several_sockets_keep_their_order() -> None:
    with bound() as one, bound() as other:
        listeners = passed_listeners(lambda: passed(one, "a") | passed(other, "b"))
        assert [listener.name for listener in listeners] == ["a", "b"]
        close_all(listeners)


def test_a_datagram_socket_is_told_to_be_a_stream() -> None:
    with bound(socket.SOCK_DGRAM, listens=False) as sock:
        assert error_for(sock) == (
            f"{unit_of(sock)}: not a stream socket: "
            "use ListenStream= instead of ListenDatagram= or ListenSequentialPacket="
        )


def test_a_sequential_packet_socket_is_told_to_be_a_stream(tmp_path: Path) -> None:
    path = str(tmp_path / "x.sock")
    with bound(socket.SOCK_SEQPACKET, socket.AF_UNIX, path) as sock:
        assert error_for(sock) == (
            f"the .socket unit that listens on {path} (name 'sshd'): not a stream socket: "
            "use ListenStream= instead of ListenDatagram= or ListenSequentialPacket="
        )


def test_a_netlink_socket_is_told_to_be_a_stream() -> None:
    with bound(socket.SOCK_RAW, socket.AF_NETLINK, (0, 0), listens=False) as sock:
        assert error_for(sock) == (
            "the .socket unit that listens on an address of family 16 (name 'sshd'): "
            "not a stream socket: use ListenStream= instead of ListenDatagram= or "
            "ListenSequentialPacket="
        )


def test_an_accepted_connection_is_told_to_remove_accept_yes() -> None:
    with (
        bound() as sock,
        socket.create_connection(sock.getsockname()),
        sock.accept()[0] as accepted,
    ):
        assert error_for(accepted, "connection") == (
            f"{unit_of(accepted, 'connection')}: an accepted connection, not a listening socket: "
            "remove Accept=yes from the .socket unit"
        )


@pytest.mark.parametrize("name", ["", "unknown", "stored", "connection"])
def test_a_socket_without_a_name_is_told_to_have_one(name: str) -> None:
    with bound() as sock:
        assert error_for(sock, name) == (
            f"{unit_of(sock, name)}: it has no name: add FileDescriptorName=NAME, "
            "with the daemon's name in hosts.allow and hosts.deny"
        )


def test_a_socket_named_by_its_unit_is_told_which_name_to_add_to_which_unit() -> None:
    with bound() as sock:
        assert error_for(sock, "ssh.socket") == (
            f"{unit_of(sock, 'ssh.socket')}: it has no name of its own: "
            "add FileDescriptorName=ssh to ssh.socket"
        )


@pytest.mark.parametrize("name", ["a/b", "..", "a b", "a,b", "sshd@x"])
def test_a_name_that_can_t_be_a_daemon_s_is_told_what_it_may_be(name: str) -> None:
    with bound() as sock:
        assert error_for(sock, name) == (
            f"{unit_of(sock, name)}: its name can't be a daemon's: "
            "in FileDescriptorName=, letters, digits, '_', '-' and inner '.' only, "
            "as in sshd or in.ftpd"
        )


@pytest.mark.parametrize("name", ["ALL", "EXCEPT", "Local"])
def test_a_word_of_the_rules_is_no_daemon_s_name(name: str) -> None:
    with bound() as sock:
        assert "this word means something else in the rules" in error_for(sock, name)


def test_a_socket_that_neither_listens_nor_is_connected_is_no_accepted_one() -> None:
    with bound(listens=False) as sock:
        assert error_for(sock) == (
            f"{unit_of(sock)}: it neither listens nor is connected: "
            "pass sockets by a .socket unit's ListenStream= or by systemd-socket-activate"
        )


def test_what_is_no_socket_is_told_to_be_one() -> None:
    read_end, write_end = os.pipe()
    with pytest.raises(ActivationError) as caught:
        passed_listeners(lambda: {read_end: "fifo"})
    os.close(read_end)
    os.close(write_end)
    assert str(caught.value) == (
        f"the .socket unit of descriptor {read_end} (name 'fifo'): not a socket: "
        "pass nothing but ListenStream= sockets to socketgate"
    )


def test_one_bad_socket_of_several_is_the_one_that_is_named() -> None:
    with bound() as good, bound(socket.SOCK_DGRAM, listens=False) as bad:
        with pytest.raises(ActivationError) as caught:
            passed_listeners(lambda: passed(good, "good") | passed(bad, "bad"))
        assert str(caught.value).startswith(unit_of(bad, "bad"))


@pytest.mark.parametrize(
    ("family", "address", "shown"),
    [
        pytest.param(socket.AF_INET, ("127.0.0.1", 0), "127.0.0.1:{}", id="ipv4"),
        pytest.param(socket.AF_INET6, ("::1", 0), "[::1]:{}", id="ipv6"),
        pytest.param(socket.AF_INET6, ("::", 0), "[::]:{}", id="every-address"),
    ],
)
def test_an_address_is_shown_as_ss_shows_it(
    family: socket.AddressFamily, address: object, shown: str
) -> None:
    with bound(family=family, address=address) as sock:
        assert describe_address(sock) == shown.format(sock.getsockname()[1])


def test_a_local_address_is_shown_by_its_path_or_with_an_at(tmp_path: Path) -> None:
    path = str(tmp_path / "x.sock")
    abstract = f"\0socketgate-test-{os.getpid()}"
    with (
        bound(family=socket.AF_UNIX, address=path) as one,
        bound(family=socket.AF_UNIX, address=abstract) as other,
        socket.socket(socket.AF_UNIX) as unnamed,
    ):
        assert [describe_address(sock) for sock in (one, other, unnamed)] == [
            path,
            f"@socketgate-test-{os.getpid()}",
            "(unnamed)",
        ]


def test_sockets_are_let_go_of_at_the_end() -> None:
    with bound() as sock:
        listeners = passed_listeners(lambda: passed(sock, "sshd"))
        close_all(listeners)
        assert listeners[0].sock.fileno() == -1


#: What a process that systemd started sees: names, close-on-exec, and what is left in the
#: environment.
REPORT = """
import os
from socketgate.activation import {function}
passed = {function}()
print([
    passed,
    [os.get_inheritable(fd) for fd in passed],
    sorted(name for name in os.environ if name.startswith("LISTEN_")),
])
"""

WAYS = pytest.mark.parametrize("function", ["passed_fds", "_passed_by_hand"])


def reported(function: str, sockets: Sockets) -> list[object]:
    """What the way to the passed sockets answers in a process of its own."""
    words = [sys.executable, "-c", REPORT.format(function=function)]
    environ = {"PATH": os.defpath, "PYTHONPATH": str(PROJECT)}
    with tempfile.TemporaryFile() as output:
        child = Child(words, sockets, environ, output)
        try:
            child.wait(PATIENCE_SECONDS)
        finally:
            child.close()
        output.seek(0)
        text = output.read().decode()
    answer: list[object] = ast.literal_eval(text)
    return answer


@WAYS
def test_passed_sockets_come_by_descriptor_and_name_and_no_child_inherits_them(
    function: str,
) -> None:
    with bound() as one, bound() as other:
        answer = reported(function, [("sshd", one), ("in.ftpd", other)])
    assert answer == [{3: "sshd", 4: "in.ftpd"}, [False, False], []]


@WAYS
def test_no_passed_sockets_are_none(function: str) -> None:
    assert reported(function, []) == [{}, [], []]


@pytest.mark.parametrize("find", [passed_fds, _passed_by_hand])
def test_sockets_passed_to_another_process_are_not_ours(
    find: Callable[[], dict[int, str]],
) -> None:
    with environment(LISTEN_FDS="1", LISTEN_PID="1", LISTEN_FDNAMES="sshd"):
        assert find() == {}


@pytest.mark.parametrize("find", [passed_fds, _passed_by_hand])
def test_a_count_of_descriptors_that_are_not_open_says_who_should_set_it(
    find: Callable[[], dict[int, str]],
) -> None:
    counted = {"LISTEN_FDS": "9999", "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": ""}
    with environment(**counted), pytest.raises(ActivationError) as caught:
        find()
    assert str(caught.value).startswith("LISTEN_FDS= counts descriptors that are not open")


@pytest.mark.parametrize("count", ["", "x", "-1"])
def test_by_hand_a_count_that_is_no_number_is_no_socket(count: str) -> None:
    with environment(LISTEN_FDS=count, LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=""):
        assert _passed_by_hand() == {}


def test_by_hand_a_socket_that_has_no_name_in_the_list_has_the_empty_one() -> None:
    with bound() as one, bound() as other:
        assert reported("_passed_by_hand", [("a", one), ("", other)])[0] == {3: "a", 4: ""}
