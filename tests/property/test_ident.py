# SPDX-License-Identifier: MIT
"""Whatever an ident server says, what comes of it is a clean word or unknown."""

from hypothesis import given
from hypothesis import strategies as st

from socketgate.ident import MAX_USER_BYTES, _parse_reply
from socketgate.lookup_values import is_clean
from socketgate.rules.request import UNKNOWN

#: Bytes at random, and bytes where a user would stand.
REPLIES = st.binary(max_size=1200) | st.builds(
    lambda user: b"40123, 22 : USERID : UNIX : " + user, st.binary(max_size=1100)
)


@given(REPLIES)
def test_a_user_is_always_one_clean_word(reply: bytes) -> None:
    user = _parse_reply(reply, 40123, 22).answer
    assert user == UNKNOWN or (isinstance(user, bytes) and is_clean(user, MAX_USER_BYTES))


@given(REPLIES)
def test_a_note_is_always_one_printable_line(reply: bytes) -> None:
    assert _parse_reply(reply, 40123, 22).note.isprintable()


@given(st.integers(0, 99999), st.integers(0, 99999))
def test_only_a_reply_about_our_ports_names_a_user(client_port: int, server_port: int) -> None:
    reply = b"%d, %d : USERID : UNIX : root\r\n" % (client_port, server_port)
    is_ours = (client_port, server_port) == (40123, 22)
    assert (_parse_reply(reply, 40123, 22).answer == b"root") is is_ours
