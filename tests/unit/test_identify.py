# SPDX-License-Identifier: MIT
import os
from pathlib import Path

from socketgate.accept import NOWHERE
from socketgate.clients import Client
from socketgate.identify import (
    ServerAddresses,
    build_request,
    fixed_server,
    is_ip,
    local_uid,
)
from socketgate.lane import Server
from socketgate.rules.request import UNKNOWN, Endpoint, Fact, Request
from tests.support.clients import connected, listening, listening_locally


def test_only_internet_clients_have_addresses(tmp_path: Path) -> None:
    with listening() as four, listening("::1") as six, listening_locally(tmp_path) as local:
        assert [is_ip(listener) for listener in (four, six, local)] == [True, True, False]


def test_a_listener_on_one_address_has_a_fixed_end() -> None:
    with listening() as listener:
        assert fixed_server(listener) == Server(*listener.sock.getsockname())


def test_a_listener_on_every_address_has_none() -> None:
    with listening("0.0.0.0") as four, listening("::") as six:  # noqa: S104  # the case itself
        assert [fixed_server(four), fixed_server(six)] == [None, None]


def test_a_local_listener_s_end_is_nowhere(tmp_path: Path) -> None:
    with listening_locally(tmp_path) as listener:
        assert fixed_server(listener) == NOWHERE


def test_our_end_is_asked_of_the_connection() -> None:
    with listening("::") as listener, connected(listener) as (connection, client):
        assert ServerAddresses(listener).of(connection) == Server("::1", client.getpeername()[1])


def test_asking_for_our_end_keeps_the_descriptor() -> None:
    with listening("::") as listener, connected(listener) as (connection, _):
        ServerAddresses(listener).of(connection)
        os.fstat(connection.fd)


def test_the_rules_see_both_ends() -> None:
    with listening() as listener, connected(listener) as (connection, client):
        connection.server = ServerAddresses(listener).of(connection)
        assert build_request(connection) == Request(
            daemon=b"sshd",
            client=Endpoint(b"127.0.0.1", client.getsockname()[1]),
            server=Endpoint(b"127.0.0.1", client.getpeername()[1]),
            pid=os.getpid(),
        )


def test_a_local_client_has_no_address_and_its_user_by_the_kernel(tmp_path: Path) -> None:
    with listening_locally(tmp_path) as listener, connected(listener) as (connection, _):
        assert build_request(connection) == Request(
            daemon=b"sshd",
            pid=os.getpid(),
            facts={Fact.CLIENT_NAME: UNKNOWN, Fact.SERVER_NAME: UNKNOWN},
            uid=os.geteuid(),
        )


def test_asking_for_the_local_user_keeps_the_descriptor(tmp_path: Path) -> None:
    with listening_locally(tmp_path) as listener, connected(listener) as (connection, _):
        assert local_uid(connection) == os.geteuid()
        os.fstat(connection.fd)


def test_a_client_by_ip_is_no_local_user() -> None:
    with listening() as listener, connected(listener) as (connection, _):
        assert local_uid(connection) is None


def test_the_zone_a_client_came_by_exists_for_the_rules() -> None:
    """Also if the interface came up after the rules were read."""
    with listening("::") as listener, connected(listener) as (connection, _):
        connection.server = ServerAddresses(listener).of(connection)
        connection.client = Client("fe80::1%eth9", None)
        assert build_request(connection).zones == {b"eth9"}
