# SPDX-License-Identifier: MIT
import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketgate.command_message import (
    INHERITED,
    MAX_ANSWER_BYTES,
    MAX_MESSAGE_BYTES,
    STOPPING,
    Ended,
    Job,
    MalformedMessage,
    encode_ended,
    encode_job,
    parse_ended,
    parse_job,
)
from socketgate.rules.expand import MAX_BYTES
from socketgate.rules.keyword import CommandKind

INHERITED_FIELDS = st.lists(
    st.tuples(
        st.sampled_from(sorted(INHERITED)), st.binary().filter(lambda text: b"\n" not in text)
    )
)
SECONDS = st.integers(0, 999_999_999).map(lambda msec: msec / 1000)
IDS = st.integers(0, 2**62)


def job(command: bytes = b"true", *, number: int = 7) -> Job:
    return Job(
        id=number,
        kind=CommandKind.SPAWN,
        start_seconds=1.5,
        end_seconds=20.0,
        command=command,
    )


@given(
    st.builds(
        Job,
        id=IDS,
        kind=st.sampled_from(CommandKind),
        start_seconds=SECONDS,
        end_seconds=SECONDS,
        command=st.binary(),
        source=st.binary().filter(lambda text: b"\n" not in text),
        inherited=INHERITED_FIELDS.map(tuple),
    )
)
def test_a_job_is_read_as_it_was_written(one: Job) -> None:
    assert parse_job(encode_job(one)) == one


@given(IDS, st.integers(-64, 255))
def test_a_status_is_read_as_it_was_written(number: int, status: int) -> None:
    assert parse_ended(encode_ended(number, Ended(status))) == (number, Ended(status))


def test_a_reason_is_read_as_it_was_written() -> None:
    assert parse_ended(encode_ended(7, Ended(None, "too lâte"))) == (7, Ended(None, "too lâte"))


@given(st.text())
def test_a_reason_is_one_line_of_bounded_length(reason: str) -> None:
    message = encode_ended(7, Ended(None, reason))
    number, ended = parse_ended(message)
    assert (number, ended.status, len(message) <= MAX_ANSWER_BYTES) == (7, None, True)


@pytest.mark.parametrize(
    ("ended", "how"),
    [
        (Ended(0), ""),
        (Ended(1), "exit status 1"),
        (Ended(126), "exit status 126 (can't be executed)"),
        (Ended(127), "exit status 127 (not found)"),
        (Ended(-9), "ended by signal 9"),
        (Ended(None, "too late"), "too late"),
    ],
)
def test_an_admin_is_told_of_all_but_success(ended: Ended, how: str) -> None:
    assert ended.how == how


def test_the_longest_command_fits() -> None:
    assert len(encode_job(job(b"x" * MAX_BYTES, number=2**62))) <= MAX_MESSAGE_BYTES


def test_a_command_may_look_like_the_lines_before_it() -> None:
    assert parse_job(encode_job(job(b"\nKIND=twist\nCOMMAND=x"))) == job(b"\nKIND=twist\nCOMMAND=x")


def test_lines_that_a_later_gate_may_have_are_ignored() -> None:
    message = encode_job(job()).replace(b"KIND=", b"COLOUR=red\nUSER=root\nKIND=")
    assert parse_job(message) == job()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        encode_job(job()).replace(b"COMMAND=true", b""),
        encode_job(job()).replace(b"ID=7", b"ID=+7"),
        encode_job(job())[1:],
        encode_job(job()).replace(b"spawn", b"sprawn"),
        encode_job(job()).replace(b"ID=7", b"ID=x"),
        encode_job(job()).replace(b"START_MSEC", b"MSEC"),
    ],
)
def test_what_is_no_job_is_malformed(message: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_job(message)


@pytest.mark.parametrize("message", [b"", b"ID=7\n", b"ID=7\nSTATUS=x\n", STOPPING, b"STATUS=0\n"])
def test_what_is_no_answer_is_malformed(message: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_ended(message)
