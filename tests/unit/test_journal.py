# SPDX-License-Identifier: MIT
import asyncio
import contextlib
import io
import logging
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from socketgate import journal as module
from socketgate.journal import MAX_WAITING, Journal, JournalHandler, encode_entry, readable
from tests.support.descriptors import no_free_descriptor
from tests.support.inbox import parse_entry
from tests.support.waiting import PATIENCE_SECONDS, environment, play


class Journald:
    """A journald that reads when it is told to; its queue is as short as the kernel has it."""

    def __init__(self, path: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.sock.bind(str(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.sock.close()

    def messages(self) -> list[str]:
        """What is in the queue now."""
        found: list[str] = []
        while True:
            try:
                data = self.sock.recv(1 << 20)
            except BlockingIOError:
                return found
            found.append(parse_entry(data)["MESSAGE"])

    async def wait(self, count: int) -> list[str]:
        """So many messages, as they come."""
        loop = asyncio.get_running_loop()
        found: list[str] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(found) < count:
                found.append(parse_entry(await loop.sock_recv(self.sock, 1 << 20))["MESSAGE"])
        return found


def entry(text: str) -> bytes:
    return encode_entry({"MESSAGE": text, "SYSLOG_IDENTIFIER": "sshd"})


def numbered(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"MESSAGE": "hello", "PRIORITY": "6"}, id="plain"),
        pytest.param({"MESSAGE": "two\nlines", "PRIORITY": "6"}, id="newline"),
        pytest.param({"MESSAGE": "\n", "PRIORITY": "6"}, id="only-a-newline"),
        pytest.param({"MESSAGE": "x\nPRIORITY=0\n", "PRIORITY": "6"}, id="a-field-inside"),
        pytest.param({"MESSAGE": "a=b=c", "EMPTY": ""}, id="equals-and-empty"),
        pytest.param({"MESSAGE": "правило", "FILE": "/etc/\udcff"}, id="any-bytes"),
    ],
)
def test_what_is_encoded_is_what_journald_reads(fields: Mapping[str, str]) -> None:
    assert parse_entry(encode_entry(fields)) == fields


def test_a_value_with_a_newline_has_its_length_in_front() -> None:
    assert encode_entry({"A": "b\nc", "D": 5}) == b"A\n\x03\0\0\0\0\0\0\0b\nc\nD=5\n"


def test_an_entry_is_written_at_once(tmp_path: Path) -> None:
    with Journald(tmp_path / "journal") as journald:
        journal = Journal(str(tmp_path / "journal"))
        journal.send(entry("1"))
        assert journald.messages() == ["1"]
        journal.close()


def test_the_variable_names_another_journald(tmp_path: Path) -> None:
    with (
        Journald(tmp_path / "journal") as journald,
        environment(SOCKETGATE_JOURNAL_SOCKET=str(tmp_path / "journal")),
    ):
        journal = Journal()
        journal.send(entry("1"))
        assert journald.messages() == ["1"]
        journal.close()


def test_what_a_full_queue_does_not_take_is_written_later_and_in_order(tmp_path: Path) -> None:
    async def scene(journald: Journald) -> list[str]:
        journal = Journal(str(tmp_path / "journal"))
        journal.attach(asyncio.get_running_loop())
        for text in numbered(1, 3000):
            journal.send(entry(text))
        found = await journald.wait(3000)
        journal.close()
        return found

    with Journald(tmp_path / "journal") as journald:
        assert play(scene(journald)) == numbered(1, 3000)


def test_entries_that_do_not_fit_are_counted_and_reported(tmp_path: Path) -> None:
    async def scene(journald: Journald) -> tuple[int, list[str]]:
        journal = Journal(str(tmp_path / "journal"))
        journal.attach(asyncio.get_running_loop())
        sent = 1024 + MAX_WAITING  # more than any queue of the kernel's and ours together
        for text in numbered(1, sent):
            journal.send(entry(text))
        lost = journal.lost_count
        found = await journald.wait(sent - lost + 1)
        journal.close()
        return lost, found[-1:]

    with Journald(tmp_path / "journal") as journald:
        lost, last = play(scene(journald))
    assert last == [f"{lost} journal entries could not be written: journald took them too slowly"]


def test_lost_entries_are_reported_once(tmp_path: Path) -> None:
    async def scene(journald: Journald) -> list[str]:
        journal = Journal(str(tmp_path / "journal"))
        journal.attach(asyncio.get_running_loop())
        sent = 1024 + MAX_WAITING
        for text in numbered(1, sent):
            journal.send(entry(text))
        await journald.wait(sent - journal.lost_count + 1)
        for text in numbered(1, 600):
            journal.send(entry(text))
        found = await journald.wait(600)
        journal.close()
        return found + journald.messages()

    with Journald(tmp_path / "journal") as journald:
        assert play(scene(journald)) == numbered(1, 600)


def test_a_journald_that_is_restarted_gets_what_came_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "journal"

    async def scene() -> list[str]:
        with Journald(path):
            journal = Journal(str(path))
            journal.attach(asyncio.get_running_loop())
        journal.send(entry("1"))
        path.unlink()
        journal.send(entry("2"))
        with Journald(path) as journald:
            journal.send(entry("3"))
            found = await journald.wait(3)
            journal.close()
            return found

    assert play(scene()) == ["1", "2", "3"]


def test_while_there_is_no_descriptor_for_a_restarted_journald_it_is_tried_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal"

    async def scene() -> list[str]:
        with Journald(path):
            journal = Journal(str(path))
            journal.attach(asyncio.get_running_loop())
        path.unlink()
        journal.send(entry("1"))
        with Journald(path) as journald:
            with no_free_descriptor():
                journal._flush()
            found = await journald.wait(1)
            journal.close()
            return found

    assert play(scene()) == ["1"]


def test_a_journald_restarted_with_a_full_queue_gets_what_waited(tmp_path: Path) -> None:
    path = tmp_path / "journal"

    async def scene() -> list[str]:
        with Journald(path) as journald:
            journal = Journal(str(path))
            journal.attach(asyncio.get_running_loop())
            for text in numbered(1, 2000):
                journal.send(entry(text))
            taken = journald.messages()
        path.unlink()
        with Journald(path) as journald:
            found = await journald.wait(2000 - len(taken))
            journal.close()
            return taken + found

    assert play(scene()) == numbered(1, 2000)


def test_an_entry_too_large_to_be_sent_is_lost_and_holds_up_no_other(tmp_path: Path) -> None:
    with Journald(tmp_path / "journal") as journald:
        journal = Journal(str(tmp_path / "journal"))
        journal.send(entry("x" * (1 << 22)))
        journal.send(entry("2"))
        assert (journal.lost_count, journald.messages()) == (1, ["2"])
        journal.close()


def test_closing_writes_what_can_be_written_and_counts_the_rest(tmp_path: Path) -> None:
    with Journald(tmp_path / "journal") as journald:
        journal = Journal(str(tmp_path / "journal"))
        for text in numbered(1, 2000):
            journal.send(entry(text))
        first = journald.messages()
        journal.close()
        written = first + journald.messages()
        assert (written, journal.lost_count) == (
            numbered(1, len(written)),
            2000 - len(written),
        )


def test_it_can_be_closed_after_its_loop_while_entries_wait(tmp_path: Path) -> None:
    async def scene() -> Journal:
        journal = Journal(str(tmp_path / "journal"))
        journal.attach(asyncio.get_running_loop())
        for text in numbered(1, 2000):
            journal.send(entry(text))
        return journal

    with Journald(tmp_path / "journal") as journald:
        journal = play(scene())
        taken = journald.messages()
        journal.close()
        assert journald.messages()[:1] == [str(len(taken) + 1)]


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    with Journald(tmp_path / "journal"):
        journal = Journal(str(tmp_path / "journal"))
        journal.close()
        journal.close()


def test_without_a_journald_an_entry_is_a_line_on_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(str(tmp_path / "none"))
    journal.send(entry("refused connect from 192.0.2.7 (192.0.2.7)"))
    journal.close()
    assert capsys.readouterr().err == "sshd: refused connect from 192.0.2.7 (192.0.2.7)\n"


def test_a_standard_error_that_nobody_reads_costs_the_entry_only(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "none"))
    read_end, write_end = os.pipe()
    os.close(read_end)
    with (
        io.TextIOWrapper(io.FileIO(write_end, "w"), write_through=True) as broken,
        contextlib.redirect_stderr(broken),
    ):
        journal.send(entry("x"))
    assert journal.lost_count == 1


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        pytest.param({"MESSAGE": "a=b", "SYSLOG_IDENTIFIER": "sshd"}, "sshd: a=b", id="plain"),
        pytest.param({"MESSAGE": "x"}, "socketgate: x", id="no-name"),
        pytest.param(
            {"MESSAGE": "one\nMESSAGE=two", "SYSLOG_IDENTIFIER": "sshd"},
            "sshd: one\nMESSAGE=two",
            id="newline",
        ),
        pytest.param({"PRIORITY": 4}, "socketgate: ", id="no-message"),
    ],
)
def test_a_terminal_is_shown_who_and_what(fields: Mapping[str, str | int], line: str) -> None:
    assert readable(encode_entry(fields)) == line


def logged(tmp_path: Path, *records: logging.LogRecord) -> list[dict[str, str]]:
    """What the handler makes of these records."""
    with Journald(tmp_path / "journal") as journald:
        journal = Journal(str(tmp_path / "journal"))
        handler = JournalHandler(journal)
        for record in records:
            handler.handle(record)
        found = [parse_entry(journald.sock.recv(1 << 20)) for _ in records]
        handler.close()
        journal.close()
    return found


def record(level: int, text: str, *values: object) -> logging.LogRecord:
    return logging.LogRecord("socketgate", level, "/x/gate.py", 7, text, values, None)


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.CRITICAL, "2"),
        (logging.ERROR, "3"),
        (logging.WARNING, "4"),
        (logging.INFO, "6"),
        (logging.DEBUG, "7"),
    ],
)
def test_a_log_record_s_level_is_the_entry_s_priority(
    level: int, priority: str, tmp_path: Path
) -> None:
    (fields,) = logged(tmp_path, record(level, "x"))
    assert fields["PRIORITY"] == priority


def test_a_log_record_is_an_entry_with_its_place(tmp_path: Path) -> None:
    (fields,) = logged(tmp_path, record(logging.INFO, "%s serves", "sshd"))
    assert fields == {
        "MESSAGE": "sshd serves",
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "socketgate",
        "SYSLOG_FACILITY": "3",
        "CODE_FILE": "/x/gate.py",
        "CODE_LINE": "7",
    }


def test_a_log_record_can_say_its_kind(tmp_path: Path) -> None:
    one = record(logging.INFO, "x")
    one.message_id = module.MESSAGE_ID + "10b"
    (fields,) = logged(tmp_path, one)
    assert fields["MESSAGE_ID"] == module.MESSAGE_ID + "10b"


def test_a_traceback_is_part_of_the_message(tmp_path: Path) -> None:
    one = record(logging.ERROR, "it failed")
    try:
        raise LookupError("no such thing")
    except LookupError as error:
        one.exc_info = (LookupError, error, error.__traceback__)
    (fields,) = logged(tmp_path, one)
    assert fields["MESSAGE"].startswith("it failed\nTraceback ")
    assert fields["MESSAGE"].endswith("\nLookupError: no such thing")


def test_a_message_id_is_32_hexadecimal_digits() -> None:
    assert len(bytes.fromhex(module.MESSAGE_ID + "101")) == 16
