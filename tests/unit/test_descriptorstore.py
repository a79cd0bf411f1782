# SPDX-License-Identifier: MIT
import asyncio
import itertools
import os
import select
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from socketgate.accept import Connection
from socketgate.activation import Listener
from socketgate.clients import PeerAddress
from socketgate.descriptorstore import MAX_STORED, DescriptorStore, most_stored, take_stored
from socketgate.notify import Notifier
from tests.support.clients import client_of, listening, listening_locally
from tests.support.descriptors import full_inbox
from tests.support.waiting import PATIENCE_SECONDS, environment, play

SECOND_NS = 10**9


class Manager:
    """PID 1's end: each message, and the file a descriptor with it stands for."""

    def __init__(self, path: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.sock.bind(str(path))

    def messages(self) -> list[tuple[str, str]]:
        """All that came, but empty ones: the text, and the link of /proc/self/fd."""
        found: list[tuple[str, str]] = []
        while True:
            try:
                text, fds, _, _ = socket.recv_fds(self.sock, 4096, 4)
            except BlockingIOError:
                return found
            links = [os.readlink(f"/proc/self/fd/{fd}") for fd in fds]  # noqa: PTH115  # no path
            for fd in fds:
                os.close(fd)
            if text:
                found.append((text.decode(), "".join(links)))


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify.sock")
    with manager.sock, environment(NOTIFY_SOCKET=str(tmp_path / "notify.sock"), FDSTORE=None):
        yield manager


def accepted(listener: Listener) -> tuple[socket.socket, PeerAddress]:
    listener.sock.settimeout(PATIENCE_SECONDS)
    return listener.sock.accept()


@pytest.fixture
def connection() -> Iterator[Connection]:
    with listening() as listener, client_of(listener) as client:
        sock, peer = accepted(listener)
        with client, Connection(sock.detach(), peer, listener, 1) as connection:
            yield connection


def name_of(connection: Connection) -> str:
    return f"client-{connection.listener.name}-{connection.accepted_ns}"


def test_a_client_is_kept_by_its_listener_and_its_time(
    manager: Manager, connection: Connection
) -> None:
    store = DescriptorStore(Notifier(print))
    store.keep(connection)
    link = os.readlink(f"/proc/self/fd/{connection.fd}")  # noqa: PTH115  # no path
    assert manager.messages() == [(f"FDSTORE=1\nFDNAME={name_of(connection)}", link)]


def test_a_client_is_kept_once(manager: Manager, connection: Connection) -> None:
    store = DescriptorStore(Notifier(print))
    store.keep(connection)
    store.keep(connection)
    assert len(manager.messages()) == store.count == 1


def test_a_client_that_goes_on_is_kept_no_longer(manager: Manager, connection: Connection) -> None:
    store = DescriptorStore(Notifier(print))
    store.keep(connection)
    store.let_go(connection)
    assert manager.messages()[1:] == [(f"FDSTOREREMOVE=1\nFDNAME={name_of(connection)}", "")]
    assert store.count == 0


@pytest.mark.parametrize(("seconds", "kept"), [(0, 0), (1, 1)], ids=["short", "long"])
def test_only_who_waits_for_long_is_kept(
    manager: Manager, connection: Connection, seconds: int, kept: int
) -> None:
    connection.accepted_ns -= seconds * SECOND_NS
    store = DescriptorStore(Notifier(print))
    store.keep_if_late(connection)
    assert len(manager.messages()) == kept


def test_no_more_are_kept_than_the_unit_allows(manager: Manager, connection: Connection) -> None:
    with environment(FDSTORE="0"):
        store = DescriptorStore(Notifier(print))
    store.keep(connection)
    assert manager.messages() == []


@pytest.mark.parametrize(
    ("variables", "most"),
    [
        pytest.param({}, 0, id="no-service-manager"),
        pytest.param({"NOTIFY_SOCKET": "/x"}, MAX_STORED, id="systemd-before-254-does-not-say"),
        pytest.param({"NOTIFY_SOCKET": "/x", "FDSTORE": "7"}, 7, id="fewer"),
        pytest.param({"NOTIFY_SOCKET": "/x", "FDSTORE": "9999"}, MAX_STORED, id="more"),
    ],
)
def test_how_many_are_kept(variables: dict[str, str | None], most: int) -> None:
    with environment(**({"NOTIFY_SOCKET": None, "FDSTORE": None} | variables)):
        assert most_stored() == most


def test_a_store_without_a_manager_keeps_nobody(connection: Connection) -> None:
    store = DescriptorStore()
    store.keep(connection)
    assert (connection.stored, store.count) == ("", 0)


def test_a_manager_that_is_not_there_keeps_nobody(tmp_path: Path, connection: Connection) -> None:
    with environment(NOTIFY_SOCKET=str(tmp_path / "nobody.sock")):
        store = DescriptorStore(Notifier(print))
        store.keep(connection)
    assert (connection.stored, store.count) == ("", 0)


def test_clients_are_taken_out_of_what_systemd_passed(connection: Connection) -> None:
    listener = connection.listener.sock.fileno()
    passed = {listener: "sshd", connection.fd: "client-sshd-12"}
    assert take_stored(passed) == {connection.fd: "client-sshd-12"}
    assert passed == {listener: "sshd"}


def test_a_listener_by_a_clients_name_is_a_listener(connection: Connection) -> None:
    passed = {connection.listener.sock.fileno(): "client-sshd-12"}
    assert take_stored(passed) == {}


def test_an_accepted_socket_by_another_name_is_none_of_ours(connection: Connection) -> None:
    assert take_stored({connection.fd: "sshd"}) == {}


def stored_copy(connection: Connection, listener: str, at: int) -> dict[int, str]:
    return {os.dup(connection.fd): f"client-{listener}-{at}"}


def test_a_client_comes_back_as_it_was(manager: Manager, connection: Connection) -> None:
    listener = connection.listener
    store = DescriptorStore(Notifier(print), stored_copy(connection, listener.name, 12))
    (again,) = store.take_back(listener, itertools.count(7))
    with again:
        assert (again.peer, again.accepted_ns, again.id) == (connection.peer, 12, 7)
        store.let_go(again)
    assert manager.messages() == [(f"FDSTOREREMOVE=1\nFDNAME=client-{listener.name}-12", "")]


def test_who_has_waited_longest_comes_first(manager: Manager, connection: Connection) -> None:
    listener = connection.listener
    stored = [stored_copy(connection, listener.name, at) for at in (100, 9)]
    store = DescriptorStore(Notifier(print), stored[0] | stored[1])
    found = store.take_back(listener, itertools.count(1))
    assert [one.accepted_ns for one in found] == [9, 100]
    for one in found:
        one.close()
    assert manager.messages() == []


def test_a_client_of_no_listener_is_let_go(manager: Manager, connection: Connection) -> None:
    store = DescriptorStore(Notifier(print), stored_copy(connection, "gone", 12))
    assert store.take_back(connection.listener, itertools.count(1)) == []
    assert store.forget_the_rest() == 1
    assert manager.messages() == [("FDSTOREREMOVE=1\nFDNAME=client-gone-12", "")]


def test_a_client_comes_back_to_the_port_it_came_by(
    manager: Manager, connection: Connection
) -> None:
    store = DescriptorStore(Notifier(print), stored_copy(connection, "sshd", 12))
    with listening() as other:
        assert store.take_back(other, itertools.count(1)) == []
    assert store.forget_the_rest() == 1
    assert len(manager.messages()) == 1


def test_a_client_that_reset_meanwhile_does_not_come_back() -> None:
    with listening() as listener:
        with client_of(listener) as client:
            sock, _ = accepted(listener)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        select.select([sock], [], [], PATIENCE_SECONDS)
        store = DescriptorStore(None, {sock.detach(): "client-sshd-12"})
        assert store.take_back(listener, itertools.count(1)) == []
        assert store.forget_the_rest() == 1


def test_a_local_client_comes_back_too(tmp_path: Path) -> None:
    with listening_locally(tmp_path) as listener, client_of(listener):
        sock, _ = accepted(listener)
        store = DescriptorStore(None, {sock.detach(): "client-sshd-12"})
        (again,) = store.take_back(listener, itertools.count(1))
        again.close()


def test_at_a_stop_all_who_wait_are_kept_at_once(manager: Manager, connection: Connection) -> None:
    async def scene() -> None:
        store = DescriptorStore(Notifier(print))
        with store.while_looking_up(connection):
            store.keep_all(())
            assert len(manager.messages()) == 1
        assert len(manager.messages()) == 1, "who has an answer goes on"

    asyncio.run(scene())


def test_a_lookup_that_is_cut_off_leaves_its_client_kept(
    manager: Manager, connection: Connection
) -> None:
    async def scene(store: DescriptorStore) -> None:
        with store.while_looking_up(connection):
            store.keep_all(())
            raise asyncio.CancelledError

    store = DescriptorStore(Notifier(print))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(scene(store))
    assert (len(manager.messages()), store.count_of(connection.listener)) == (1, 1)


def removal(connection: Connection) -> tuple[str, str]:
    return f"FDSTOREREMOVE=1\nFDNAME={name_of(connection)}", ""


async def unheard(store: DescriptorStore, connection: Connection) -> None:
    """It was kept, and is to be kept no longer, while the manager has no room for messages."""
    store.keep(connection)
    with full_inbox(os.environ["NOTIFY_SOCKET"]):
        store.let_go(connection)


def test_a_manager_that_could_not_be_told_is_told_later(
    manager: Manager, connection: Connection
) -> None:
    """Or the next start would serve a client again whom others have."""

    async def scene(store: DescriptorStore) -> None:
        await unheard(store, connection)
        assert (removal(connection) in manager.messages(), store.count) == (False, 1)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while removal(connection) not in manager.messages():
                await asyncio.sleep(0)
        assert store.count == 0

    play(scene(DescriptorStore(Notifier(print))))


def test_who_is_kept_again_before_the_manager_was_told_stays_kept(
    manager: Manager, connection: Connection
) -> None:
    async def scene(store: DescriptorStore) -> None:
        await unheard(store, connection)
        store.keep(connection)
        manager.messages()
        store.close()
        assert (manager.messages(), connection.stored) == ([], name_of(connection))

    play(scene(DescriptorStore(Notifier(print))))


def test_at_the_end_the_manager_is_told_what_it_was_not_told(
    manager: Manager, connection: Connection
) -> None:
    async def scene(store: DescriptorStore) -> None:
        await unheard(store, connection)
        manager.messages()
        store.close()
        assert manager.messages() == [removal(connection)]

    play(scene(DescriptorStore(Notifier(print))))
