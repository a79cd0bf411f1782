# SPDX-License-Identifier: MIT
import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketgate.banlog import (
    MAX_NUMBER,
    Header,
    StoreDamaged,
    encode_event,
    parse_event,
    parse_header,
    parse_lines,
    read_log,
)
from socketgate.bans import NEVER, Ban, Event, Net, Unban, parse_net

BAN = Ban(
    net=parse_net("192.0.2.0/24"), daemon="sshd", made=1, until=2, origin="me", reason="why not"
)
HEADER = Header("a-1", 123, "b-2", 456)

WORDS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]))
NETS = st.one_of(
    st.builds(lambda length, head: Net(32, length, head >> (32 - length)), st.integers(1, 32),
              st.integers(0, 2**32 - 1)),
    st.builds(lambda length, low: Net(128, length, (0x20 << 120 | low) >> (128 - length)),
              st.integers(1, 128), st.integers(0, 2**112 - 1)),
)  # fmt: skip
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        Ban,
        net=NETS,
        daemon=WORDS,
        made=st.integers(0, MAX_NUMBER),
        until=st.one_of(st.just(NEVER), st.integers(0, MAX_NUMBER)),
        origin=WORDS,
        reason=TEXTS,
    ),
    st.builds(Unban, NETS, WORDS, st.just("") | WORDS),
)


@given(EVENTS)
def test_what_is_written_is_read(event: Event) -> None:
    """For every event that the command line lets through."""
    line = encode_event(event)
    assert line.endswith(b"\n")
    assert parse_event(line.decode().removesuffix("\n")) == event


def test_a_header_is_read_as_it_was_written() -> None:
    assert parse_header(HEADER.encode() + b"anything") == HEADER


def test_the_length_of_a_header_does_not_depend_on_its_base() -> None:
    assert len(HEADER.encode()) == len(Header("a-1", 9_999_999_999, "b-2", 456).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"socketgate-bans 1 a 0 - 0",
        b"socketgate-bans 2 a 0 - 0\n",
        b"socketgate-bans 1 a x - 0\n",
        b"socketgate-bans 1 a 0 -\n",
        b"socketgate-bans 1 a 0  0\n",
        b"socketgate-bans 1 a -1 - 0\n",
        b"\xff\xfe\n",
        b"ALL: 192.0.2.7\n",
    ],
)
def test_another_file_is_no_store(data: bytes) -> None:
    with pytest.raises(StoreDamaged):
        parse_header(data)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "+",
        "ALL: 192.0.2.7",
        "+\t192.0.2.7/32\tALL\t1\tnever\t-",
        "+\t192.0.2.7/32\tALL\tx\tnever\t-\t",
        "+\t192.0.2.7/32\tALL\t1\tsoon\t-\t",
        "+\t192.0.2.7/32\tALL\t-1\tnever\t-\t",
        "+\t192.0.2.7/32\tALL\t1\t999999999999\t-\t",
        "+\t192.0.2.7/32\tALL\t9999999999999999999\tnever\t-\t",
        "+\t192.0.2.\tALL\t1\tnever\t-\t",
        "+\t192.0.2.7/32\t\t1\tnever\t-\t",
        "*\t192.0.2.7/32\tALL\t1\tnever\t-\t",
        "-\t192.0.2.7/32",
        "-\tx\tALL\t-",
        "-\t192.0.2.7/32\tALL",
    ],
)
def test_a_damaged_line_does_not_count(line: str) -> None:
    assert parse_lines(f"{line}\n".encode()) == ([], 1)


def test_what_can_be_read_between_damaged_lines_counts() -> None:
    reading = parse_lines(b"rubbish\n" + encode_event(BAN) + b"\xff\0\n")
    assert (reading.events, reading.bad_count) == ([BAN], 2)


def test_a_line_without_its_newline_does_not_count_yet() -> None:
    assert parse_lines(encode_event(BAN) + b"+\t192.0.2.7/32").events == [BAN]


@pytest.mark.parametrize(
    ("data", "is_damaged"),
    [
        pytest.param(HEADER.encode() + encode_event(BAN), False, id="whole"),
        pytest.param(HEADER.encode() + encode_event(BAN) + b"+\t192", True, id="half-a-line"),
        pytest.param(HEADER.encode() + b"rubbish\n" + encode_event(BAN), True, id="bad-line"),
        pytest.param(encode_event(BAN), True, id="no-header"),
    ],
)
def test_damage_is_noticed_and_the_rest_is_read(data: bytes, is_damaged: bool) -> None:
    reading, found = read_log(data)
    assert (reading.events, found) == ([BAN], is_damaged)


@given(st.binary())
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    assert read_log(data)[1] in (True, False)
