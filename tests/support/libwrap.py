# SPDX-License-Identifier: MIT
"""The real libwrap (Debian's libwrap0) in a process of its own: it keeps state and can crash.

libwrap_helper.c says what is not libwrap's there: commands, lookups and accounts are told.
"""

import re
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from socketgate.rules.request import (
    UNKNOWN,
    AccountExists,
    Answer,
    CommandStatus,
    Endpoint,
    Fact,
    ForwardAddresses,
    InNetgroup,
    Lookup,
    Request,
)

SOURCE = Path(__file__).with_name("libwrap_helper.c")
MAX_REQUESTS = 1024
#: The same as in libwrap_helper.c.
NETGROUPS = {b"lab": (b"alpha", b"unknown"), b"Web": (b"www.example.org", b"paranoid")}
USERS = frozenset({b"nobody", b"root"})
GROUPS = frozenset({b"nogroup", b"kmem"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request with what lookups will find."""

    daemon: bytes
    address: bytes
    name: bytes = UNKNOWN
    user: bytes = UNKNOWN
    server_address: bytes = UNKNOWN
    server_name: bytes = UNKNOWN
    server_port: int | None = None

    def request(self) -> Request:
        """The request as socketgate sees it."""
        server = Endpoint(self.server_address, self.server_port)
        return Request(daemon=self.daemon, client=Endpoint(self.address), server=server)

    def answer(self, lookup: Lookup, _commands_before: int) -> Answer:
        """What a lookup finds."""
        match lookup:
            case Fact.CLIENT_NAME:
                return self.name
            case Fact.CLIENT_USER:
                return self.user
            case Fact.SERVER_NAME:
                return self.server_name
            case InNetgroup(group, host):
                return host.lower() in NETGROUPS.get(group, ())
            case AccountExists(name, is_group):
                return name in (GROUPS if is_group else USERS)
            case CommandStatus(command):
                return command_status(command)
            case ForwardAddresses():
                return frozenset()

    def packed(self) -> bytes:
        """As the helper reads it."""
        port = b"" if self.server_port is None else b"%d" % self.server_port
        fields = (
            self.daemon, self.address, self.name, self.user,
            self.server_address, self.server_name, port,
        )  # fmt: skip
        return b"".join(map(packed_field, fields))


def packed_field(text: bytes) -> bytes:
    """A text with its length in front."""
    return struct.pack("=H", len(text)) + text


def command_status(command: bytes) -> int:
    """How a command ends: `exit N` so, `kill` by a signal, everything else well."""
    if command.startswith(b"kill"):
        return -9
    number = re.match(rb"exit ([0-9]{1,3})", command)
    return int(number[1]) & 0xFF if number else 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """libwrap's answer: allow, deny, or exit (its process ended); the first rule that matched."""

    verdict: str
    table: str | None
    line: int | None


VERDICTS = {b"a": "allow", b"d": "deny", b"x": "exit"}
TABLES = {b"a": "allow", b"d": "deny"}


class Libwrap:
    """The helper, running."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def decide(
        self, allow: Path, deny: Path, questions: Sequence[Question], *, one_by_one: bool
    ) -> list[Judgement]:
        """What libwrap says to each; `one_by_one` where a decision would spoil the next."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        head = struct.pack("=II", len(questions), 1 if one_by_one else MAX_REQUESTS)
        paths = packed_field(bytes(allow)) + packed_field(bytes(deny))
        self._process.stdin.write(head + paths + b"".join(one.packed() for one in questions))
        self._process.stdin.flush()
        answer = struct.Struct("=ccxxi")
        data = self._process.stdout.read(answer.size * len(questions))
        return [
            Judgement(VERDICTS[verdict], TABLES.get(table), line if table in TABLES else None)
            for verdict, table, line in answer.iter_unpack(data)
        ]


@contextmanager
def running_libwrap(folder: Path) -> Iterator[Libwrap]:
    """Build the helper in a folder and run it."""
    program = folder / "libwrap-helper"
    subprocess.run(
        ["gcc", "-O1", "-rdynamic", "-o", program, SOURCE, "-l:libwrap.so.0"], check=True
    )
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Libwrap(process)
        assert process.stdin is not None
        process.stdin.close()
