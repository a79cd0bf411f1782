# SPDX-License-Identifier: MIT
import asyncio
import socket

import pytest

from socketgate.ident import MAX_REPLY_BYTES, MAX_USER_BYTES, look_up_user
from socketgate.lookup_values import Found
from socketgate.rules.request import UNKNOWN, Request
from tests.support.identserver import Behaviour, IdentServer, floods, says, stalls, tells
from tests.support.lookups import DEADLINE_SECONDS, request

CLIENT = "127.0.0.1"
AT_ONCE = 0.05


def asked(
    behaviour: Behaviour,
    *,
    asking: Request | None = None,
    timeout_seconds: float = DEADLINE_SECONDS,
) -> tuple[Found, IdentServer]:
    """What is found out from such a server, and the server."""

    async def ask() -> tuple[Found, IdentServer]:
        async with IdentServer(behaviour) as server:
            found = await look_up_user(
                asking or request(CLIENT), timeout_seconds=timeout_seconds, port=server.port
            )
            return found, server

    return asyncio.run(ask())


def test_the_user_is_what_the_clients_host_tells() -> None:
    assert asked(tells("bob"))[0] == Found(b"bob")


def test_the_question_names_the_clients_port_then_the_servers() -> None:
    assert asked(tells("bob"))[1].questions == [b"40123, 22\r\n"]


def test_the_question_comes_from_the_connections_own_local_address() -> None:
    assert asked(tells("bob"), asking=request(CLIENT, server="127.0.0.9"))[1].askers == [
        "127.0.0.9"
    ]


def test_a_mapped_client_is_asked_by_ipv4() -> None:
    mapped = request(f"::ffff:{CLIENT}", server=f"::ffff:{CLIENT}")
    assert asked(tells("bob"), asking=mapped)[0] == Found(b"bob")


@pytest.mark.parametrize(
    ("reply", "user"),
    [
        pytest.param(b"40123,22:USERID:UNIX:bob\r\n", b"bob", id="no-blanks"),
        pytest.param(b" 40123 , 22 : USERID : UNIX : bob \r\n", b"bob", id="many-blanks"),
        pytest.param(b"40123, 22 : USERID : UNIX : bob smith\r\n", b"bob", id="first-word"),
        pytest.param(b"40123, 22 : USERID : UNIX,UTF-8 : bob\n", b"bob", id="charset"),
        pytest.param(b"40123, 22 : USERID : OTHER : a:b\r\n", b"a:b", id="colon"),
        pytest.param(b"40123, 22 : USERID : UNIX : bob\r\nmore\r\n", b"bob", id="more-lines"),
        pytest.param(
            "40123, 22 : USERID : UNIX : jürgen\r\n".encode(), "jürgen".encode(), id="utf-8"
        ),
        pytest.param(b"40123, 22 : USERID : UNIX : $(reboot)\r\n", b"$(reboot)", id="shell"),
    ],
)
def test_a_reply_is_read_as_libwrap_reads_it(reply: bytes, user: bytes) -> None:
    assert asked(says(reply))[0] == Found(user)


@pytest.mark.parametrize(
    ("reply", "note"),
    [
        pytest.param(
            b"40123, 22 : ERROR : NO-USER\r\n", "user: the reply names none", id="error-reply"
        ),
        pytest.param(
            b"40124, 22 : USERID : UNIX : root\r\n",
            "user: a reply about other ports",
            id="other-client-port",
        ),
        pytest.param(
            b"22, 40123 : USERID : UNIX : root\r\n",
            "user: a reply about other ports",
            id="ports-swapped",
        ),
        pytest.param(
            b"40123, 22 : USERID : UNIX :\r\n", "user: the reply names none", id="no-user"
        ),
        pytest.param(b"220 ESMTP\r\n", "user: the reply names none", id="another-protocol"),
        pytest.param(
            b"40123, 22 : USERID : UNIX : a\x1b[2J\r\n",
            "user: a reply with characters no user has",
            id="escape",
        ),
        pytest.param(
            b"40123, 22 : USERID : UNIX : a\0b\r\n",
            "user: a reply with characters no user has",
            id="nul",
        ),
        pytest.param(
            b"40123, 22 : USERID : UNIX : " + b"a" * (MAX_USER_BYTES + 1) + b"\r\n",
            "user: a reply with characters no user has",
            id="long-user",
        ),
        pytest.param(
            b"x" * (MAX_REPLY_BYTES + 1) + b"\r\n",
            f"user: a reply of more than {MAX_REPLY_BYTES} bytes",
            id="long-reply",
        ),
    ],
)
def test_a_liar_is_not_believed(reply: bytes, note: str) -> None:
    assert asked(says(reply))[0] == Found(UNKNOWN, note)


def test_a_flood_is_cut_off() -> None:
    found, _ = asked(floods)
    assert found == Found(UNKNOWN, f"user: a reply of more than {MAX_REPLY_BYTES} bytes")


def test_a_server_that_stalls_is_left_at_the_deadline() -> None:
    assert asked(stalls, timeout_seconds=AT_ONCE)[0] == Found(UNKNOWN, "user: timed out")


def test_a_host_without_ident_is_unknown() -> None:
    """Nobody listens on the port, which is nobody else's meanwhile."""
    with socket.socket() as taken:
        taken.bind((CLIENT, 0))
        port = taken.getsockname()[1]
        found = asyncio.run(look_up_user(request(CLIENT), timeout_seconds=5, port=port))
    assert found == Found(UNKNOWN, "user: no answer (Connection refused)")


@pytest.mark.parametrize(
    "asking",
    [
        pytest.param(request("nonsense"), id="client"),
        pytest.param(request(CLIENT, server="nonsense"), id="server"),
        pytest.param(request(CLIENT, server="192.0.2.1"), id="address-not-ours"),
        pytest.param(request(CLIENT, server="::1"), id="two-families"),
    ],
)
def test_whom_we_cannot_ask_is_unknown(asking: Request) -> None:
    assert asked(tells("bob"), asking=asking)[0].answer == UNKNOWN


@pytest.mark.parametrize(
    ("asking", "reason"),
    [
        pytest.param(request("nonsense"), "Name or service not known", id="no-address"),
        pytest.param(
            request(CLIENT, server="192.0.2.1"), "Cannot assign requested address", id="not-ours"
        ),
    ],
)
def test_why_nobody_could_be_asked_is_said(asking: Request, reason: str) -> None:
    assert asked(tells("bob"), asking=asking)[0].note == f"user: no answer ({reason})"


def test_without_a_port_nobody_is_asked() -> None:
    assert asked(tells("bob"), asking=request(CLIENT, client_port=None))[0] == Found(UNKNOWN)
