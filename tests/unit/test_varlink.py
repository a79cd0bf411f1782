# SPDX-License-Identifier: MIT
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketgate.varlink import (
    Call,
    CallFailed,
    Interface,
    NotVarlink,
    OtherAnswer,
    Signature,
    ask,
    describe,
    encode,
    encode_error,
    parse_call,
    parse_reply,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


class Leaf(TypedDict):
    """A leaf."""

    name: str


class Tree(TypedDict):
    leaves: list[Leaf]
    age: int | None
    heights: dict[str, float]
    is_old: bool


class Nothing(TypedDict):
    """Takes nothing.

    Says so in two paragraphs.
    """


TREES = Interface(
    name="org.example.Trees",
    about="Trees.",
    methods=(Signature("Grow", Nothing, Tree),),
    errors={"TooTall": Leaf},
)
TREES_TEXT = """\
# Trees.
interface org.example.Trees

# A leaf.
type Leaf (name: string)

# Takes nothing.
#
# Says so in two paragraphs.
method Grow() -> (
  leaves: []Leaf,
  age: ?int,
  heights: [string]float,
  is_old: bool
)

# A leaf.
error TooTall(name: string)
"""


def test_a_call_is_read() -> None:
    data = b'{"method": "a.b.C", "parameters": {"x": 1}, "oneway": true}'
    assert parse_call(data) == Call("a.b.C", {"x": 1}, is_oneway=True)


@pytest.mark.parametrize(
    "parameters", ["", ', "parameters": null', ', "parameters": {}', ', "upgrade": false']
)
def test_parameters_may_be_left_out(parameters: str) -> None:
    assert parse_call(f'{{"method": "a.b.C"{parameters}}}'.encode()).parameters == {}


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", b"null", b'"a.b.C"', b"{}", b'{"method": 1}', b'{"method": "Status"}',
        b'{"method": "a.b.C", "parameters": []}', b'{"method": "a.b.C", "upgrade": true}',
        b"\xff", b"[" * 10_000,
    ],
)  # fmt: skip
def test_what_is_no_call_is_an_error(data: bytes) -> None:
    with pytest.raises(NotVarlink):
        parse_call(data)


@given(st.one_of(st.binary(), JSON.map(lambda value: json.dumps(value).encode())))
def test_whatever_comes_is_a_call_or_not_varlink(data: bytes) -> None:
    try:
        call = parse_call(data)
    except NotVarlink:
        return
    assert "." in call.method


@given(st.dictionaries(st.text(), st.text()))
def test_a_message_ends_in_the_only_nul_it_has(message: dict[str, object]) -> None:
    data = encode(message)
    assert data.index(b"\0") == len(data) - 1


def test_a_reply_is_read() -> None:
    assert parse_reply(b'{"parameters": {"name": "oak"}}', Leaf) == {"name": "oak"}


def test_an_error_reply_raises_its_error() -> None:
    data = encode_error(CallFailed("a.b.Failed", {"why": "so"}))[:-1]
    with pytest.raises(CallFailed) as caught:
        parse_reply(data, Leaf)
    assert (caught.value.name, caught.value.parameters) == ("a.b.Failed", {"why": "so"})


@pytest.mark.parametrize("data", [b"", b"[]", b'{"parameters": 1}', b"\xff"])
def test_what_is_no_reply_is_an_error(data: bytes) -> None:
    with pytest.raises(NotVarlink):
        parse_reply(data, Leaf)


def test_the_text_of_an_interface_is_made_from_its_types() -> None:
    assert describe(TREES) == TREES_TEXT


def test_a_type_without_a_counterpart_is_an_error() -> None:
    class Wrong(TypedDict):
        when: set[int]

    wrong = Interface(name="a.B", about="", methods=(Signature("C", Nothing, Wrong),))
    with pytest.raises(TypeError, match="no counterpart"):
        describe(wrong)


@contextlib.contextmanager
def answering(path: Path, reply: bytes) -> Iterator[list[bytes]]:
    """A service that hears one call and says this, in two parts."""
    heard: list[bytes] = []

    def serve() -> None:
        sock, _ = listening.accept()
        with sock:
            heard.append(sock.recv(4096))
            sock.sendall(reply[:5])
            sock.sendall(reply[5:])

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield heard
        thread.join()


def test_ask_sends_the_call_and_gives_the_answer(tmp_path: Path) -> None:
    reply = encode({"parameters": {"name": "oak"}})
    with answering(tmp_path / "s", reply) as heard:
        assert ask(str(tmp_path / "s"), "a.b.C", {"x": 1}, Leaf, 20.0) == {"name": "oak"}
    assert heard == [b'{"method":"a.b.C","parameters":{"x":1}}\0']


def test_ask_notices_a_service_that_breaks_off(tmp_path: Path) -> None:
    with answering(tmp_path / "s", b'{"parameters"'), pytest.raises(NotVarlink):
        ask(str(tmp_path / "s"), "a.b.C", {}, Leaf, 20.0)


def test_ask_does_not_wait_for_ever(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        with pytest.raises(TimeoutError):
            ask(str(tmp_path / "s"), "a.b.C", {}, Leaf, 0.01)


def test_a_queue_that_is_full_is_waited_for(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        listening.bind(str(tmp_path / "s"))
        listening.listen(0)
        first = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        first.connect(str(tmp_path / "s"))
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            ask(str(tmp_path / "s"), "a.b.C", {}, Leaf, 0.05)
        assert time.monotonic() - start >= 0.05


class Wood(TypedDict):
    name: str
    height: float
    leaves: list[Leaf]
    named: dict[str, int]
    planter: str | None


OAKS: Wood = {
    "name": "oaks",
    "height": 3,
    "leaves": [{"name": "l"}],
    "named": {"x": 1},
    "planter": None,
}


def reply_with(**changed: object) -> bytes:
    return encode({"parameters": {**OAKS, **changed}})[:-1]


def test_an_answer_may_say_more_than_its_kind() -> None:
    assert parse_reply(reply_with(age=300), Wood)["name"] == "oaks"


@pytest.mark.parametrize(
    "changed",
    [
        {"name": None},
        {"name": 1},
        {"height": "3"},
        {"height": True},
        {"leaves": [{}]},
        {"leaves": {"name": "l"}},
        {"named": {"x": "1"}},
        {"planter": 1},
    ],
    ids=str,
)
def test_an_answer_of_another_kind_is_told_apart(changed: dict[str, object]) -> None:
    with pytest.raises(OtherAnswer):
        parse_reply(reply_with(**changed), Wood)


def test_an_answer_that_lacks_a_field_is_told_apart() -> None:
    with pytest.raises(OtherAnswer):
        parse_reply(b'{"parameters": {"name": "o"}}', Wood)
