# SPDX-License-Identifier: MIT
"""Text from outside, mutated: whoever reads it may raise what is declared, and nothing else.

    python -m tests.fault.hostile [--count N] [--seed N] [READER ...]

N inputs for each reader; the run of test_hostile.py is short, a release's has a million. The same
seed gives the same inputs. A finding prints the input, which becomes a test.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from socketgate.accept import Connection
from socketgate.backend.message import MalformedMessage as MalformedHandoff
from socketgate.backend.message import ids_in, parse_block
from socketgate.banlog import Header, encode_event, read_log
from socketgate.bans import Ban, Bans, Unban, parse_net
from socketgate.channel import Channel
from socketgate.cli.bans import _row
from socketgate.command_message import (
    Ended,
    Job,
    MalformedMessage,
    encode_ended,
    encode_job,
    parse_ended,
    parse_job,
)
from socketgate.config import OnError, RulesConfig, parse_config
from socketgate.errors import ConfigError
from socketgate.ident import _parse_reply
from socketgate.lookup_values import is_clean, shown
from socketgate.program import CannotStart, environment_for, parse_fields
from socketgate.rulefiles import load_saved_sources, read_sources, save_sources
from socketgate.rules.keyword import CommandKind
from socketgate.rules.source import Absent, Sources, Text
from socketgate.rules.table import build_table
from socketgate.tablefile import NotUsable, Prepared, map_table, write_table
from socketgate.varlink import CallFailed, NotVarlink, parse_call
from tests.property import fuzz_rules
from tests.support.backendstub import BackendStub
from tests.support.clients import listening
from tests.support.corpus import fast_difference, settle

#: Pieces that mean something to one reader or another.
WORDS = (
    b"\0", b"\n", b"\n\n", b"=", b":", b",", b"\\\n", b"/", b"{", b"}", b'"', b"%", b" ", b"\t",
    b"ALL", b"EXCEPT", b"KNOWN", b"twist", b"255.255.255.256", b"::ffff:", b"[::1]/129", b"-1",
    b"99999999999999999999", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\x1b[2J", b"1e999", b"null",
    b"9" * 5000,
)  # fmt: skip

Reader = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Target:
    """A reader, good texts to begin with, and what it may raise."""

    read: Reader
    seeds: tuple[bytes, ...]
    declared: tuple[type[Exception], ...] = ()


def read_name(data: bytes) -> None:
    """A name from the DNS."""
    text = shown(data)
    if not text.isprintable():
        raise AssertionError(f"unprintable: {text!r}")
    if is_clean(data, 255) and min(data, default=0) <= ord(" "):
        raise AssertionError("clean, and with white space or a control character")


def read_reply(data: bytes) -> None:
    """A reply of an ident server."""
    if not _parse_reply(data, 1, 2).note.isprintable():
        raise AssertionError("an unprintable note")


def read_handoff(data: bytes) -> None:
    """What a backend gets: both readers of it."""
    with contextlib.suppress(MalformedHandoff):
        ids_in(data)
    with contextlib.suppress(CannotStart):
        environment_for(parse_fields(data), {})
    parse_block(data)


def read_bans(data: bytes) -> None:
    """The file of bans, and what is shown of it."""
    reading, _ = read_log(data)
    bans = Bans()
    for event in reading.events:
        bans.apply(event)
    for ban in bans:
        if not all(text.isprintable() for text in _row(ban, 0.0)):
            raise AssertionError("unprintable")


def read_config(data: bytes) -> None:
    """The admin's configuration."""
    parse_config([(Path("/x.toml"), data.decode("utf-8", "replace"))])


#: hosts.allow, hosts.deny and a host file, each ended by the separator.
GOOD_RULES = (
    b"sshd: .example.org EXCEPT bad.example.org: severity info: allow\n\xfeALL: 192.0.2.0/24 /l"
    b": spawn (echo %h %u) &: setenv A %c\n\xfe10.0.0.1 [2001:db8::]/32 *.x ?.y\n"
)
GOOD_LIST = (
    b"10.0.0.0/255.0.0.0 a.example.org @lab\n# of two lines\n::1 [2001:db8::]/32 %s *.x bob\n"
)

#: Two bans, and the end of one.
GOOD_BANS = b"".join(
    (
        Header("a-1", 43).encode(),
        encode_event(Ban(parse_net("192.0.2.0/24"), 1, "sshd", 9, "me", "why not")),
        encode_event(Ban(parse_net("2001:db8::/32"), 1)),
        encode_event(Unban(parse_net("192.0.2.0/24"), "sshd", "me")),
    )
)

GOOD_JOB = Job(
    id=7,
    kind=CommandKind.SPAWN,
    start_seconds=1.5,
    end_seconds=20,
    command=b"/bin/true\nCOMMAND=x",
    source=b"192.0.2.7",
    inherited=((b"SETENV", b"A=b"), (b"UMASK", b"0022")),
)

SIMPLE = {
    "rules": Target(fuzz_rules.check, (GOOD_RULES,)),
    "name": Target(read_name, (b"a.example.org", b"x" * 255)),
    "ident": Target(read_reply, (b"1, 2 : USERID : UNIX : bob\r\n", b"1,2:ERROR:NO-USER\r\n")),
    "handoff": Target(
        read_handoff,
        (b"SOCKETGATE=1\nID=7\nDAEMON=sshd\nREMOTE_ADDR=::1\nREMOTE_PORT=9\nSETENV=A=b\nNICE=3\n",),
        (MalformedHandoff,),
    ),
    "control": Target(
        parse_call,
        (b'{"method": "io.socketgate.Gate.Status", "parameters": {"a": [1, {}]}, "oneway": true}',),
        (NotVarlink, CallFailed),
    ),
    "job": Target(parse_job, (encode_job(GOOD_JOB),), (MalformedMessage,)),
    "ended": Target(
        parse_ended,
        (encode_ended(7, Ended(0)), encode_ended(8, Ended(None, "no such program"))),
        (MalformedMessage,),
    ),
    "bans": Target(read_bans, (GOOD_BANS,)),
    "configuration": Target(
        read_config, (b'[limits]\nhandoff-seconds = 3\n[daemon.a]\nbackend = ["/x"]\n',),
        (ConfigError,),
    ),
}  # fmt: skip


def targets(folder: Path) -> dict[str, Target]:
    """All readers; those of files read them here."""
    return SIMPLE | {
        "host-file": host_file(folder),
        "kept-rules": kept_rules(folder),
        "compiled-table": compiled_table(folder),
    }


def host_file(folder: Path) -> Target:
    """A host file on disk that may name itself and another, by which clients are then decided."""
    listed, other = folder / "listed", folder / "other"
    other.write_text(".example.org 192.0.2.\n")
    config = RulesConfig(allow=folder / "list.allow", deny=folder / "list.deny")
    config.allow.write_text(f"sshd: {listed}: spawn echo %h: allow\n")
    config.deny.write_text(f"ALL: ALL EXCEPT {listed}\n")

    def read(data: bytes) -> None:
        listed.write_bytes(data)
        table = build_table(read_sources(config), thorough=True)
        for question in fuzz_rules.QUESTIONS:
            verdict, asked = settle(table, question.request(), question.answer)
            if len(asked) != len(set(asked)):
                raise AssertionError(f"asked twice: {asked}")
            if difference := fast_difference(table, question.request(), verdict):
                raise AssertionError(difference)

    return Target(read, (GOOD_LIST % bytes(listed), GOOD_LIST % bytes(other)))


def kept_rules(folder: Path) -> Target:
    """The last good rules, a tar archive."""
    path = folder / "kept.tar"
    config = RulesConfig(allow=folder / "allow", deny=folder / "deny")
    sources = Sources(
        allow=Text(b"ALL: 10.\n"),
        deny=Absent(),
        allow_origin=str(config.allow),
        deny_origin=str(config.deny),
    )
    save_sources(sources, path)
    good = path.read_bytes()

    def read(data: bytes) -> None:
        path.write_bytes(data)
        load_saved_sources(path, config)

    return Target(read, (good,))


def compiled_table(folder: Path) -> Target:
    """A compiled table's index; half of them with a checksum that is right all the same."""
    tables = folder / "tables"
    tables.mkdir()
    sources = Sources(allow=Text(b"ALL: 10.\n"), deny=Absent())
    path = write_table(tables, Prepared("0" * 64, OnError.KEEP, sources, {}, {}))
    good = path.read_bytes()
    head = json.loads(good.partition(b"\n")[0])

    def read(data: bytes) -> None:
        path.write_bytes(data)
        with contextlib.suppress(NotUsable):
            map_table(path)
        body = data.partition(b"\n")[2]
        checked = head | {"sha256": hashlib.sha256(body).hexdigest()}
        path.write_bytes(json.dumps(checked).encode() + b"\n" + body)
        map_table(path)

    return Target(read, (good,), (NotUsable,))


def mutations(target: Target, count: int, seed: int) -> Iterator[bytes]:
    """So many inputs, each a good text with a few changes."""
    chance = random.Random(seed)  # noqa: S311  # to be repeated, not secret
    for _ in range(count):
        data = bytearray(chance.choice(target.seeds))
        for _ in range(chance.randint(1, 6)):
            place = chance.randint(0, len(data))
            end = min(len(data), place + chance.choice((0, 1, 2, 8, 64)))
            match chance.randrange(4):
                case 0:
                    data[place:end] = chance.choice(WORDS)
                case 1:
                    data[place:end] = chance.randbytes(chance.randint(0, 8))
                case 2:
                    data[place:place] = data[place:end] * chance.randint(1, 9)
                case _:
                    del data[place:end]
        yield bytes(data)


def check(target: Target, count: int, seed: int) -> None:
    """Read them all; what isn't declared is raised, with the input."""
    for data in mutations(target, count, seed):
        try:
            target.read(data)
        except target.declared:
            continue
        except Exception as error:
            error.add_note(f"the input: {data!r}")
            raise


@dataclass(slots=True)
class Fates:
    """What a channel said became of its clients."""

    sent: int = 0
    acknowledged: int = 0
    refused: int = 0

    def on_acknowledged(self, clients: list[Connection]) -> None:
        """So many at once."""
        self.acknowledged += len(clients)

    def on_refused(self, _: Connection) -> None:
        """One."""
        self.refused += 1

    def check(self, still_there: int) -> None:
        """Nobody is forgotten, or has two ends."""
        if self.sent != self.acknowledged + self.refused + still_there:
            raise AssertionError(f"{self} and {still_there} under way")


def check_answers(count: int, seed: int) -> None:
    """The same for what backends answer, to a channel with clients under way."""
    asyncio.run(
        _answer(Target(bytes, (b"ACK=%d\nREFUSE=%d\nBATCH=16\n", b"ACK=%d\n")), count, seed)
    )


async def _answer(seeds: Target, count: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder, listening() as listener:
        path = Path(folder, "backend.sock")
        clients = [Connection(listener.sock.fileno(), "", listener, one) for one in range(3)]
        fates = Fates()
        with BackendStub(path) as backend:
            channel = Channel(
                str(path),
                frozenset({path.stat().st_uid}),
                on_acknowledged=fates.on_acknowledged,
                on_refused=fates.on_refused,
                on_room=lambda: None,
                on_broken=lambda _: None,
            )
            try:
                with backend.accept() as peer:
                    for data in mutations(seeds, count, seed):
                        while channel.unacknowledged_count < len(clients):
                            channel.send(clients[:1])
                            peer.sock.recv(1 << 16)
                            fates.sent += 1
                        answer = data.replace(b"%d", b"%d" % (fates.sent - 1))
                        channel._obey(answer)
                        fates.check(channel.unacknowledged_count)
            finally:
                channel.close()


def main() -> None:
    """Every reader, or those that are named."""
    parser = argparse.ArgumentParser(prog="tests.fault.hostile")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("readers", nargs="*")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, target in targets(Path(folder)).items():
            if not asked.readers or name in asked.readers:
                check(target, asked.count, asked.seed)
                sys.stdout.write(f"{name}: {asked.count} inputs\n")
    if not asked.readers or "answers" in asked.readers:
        check_answers(asked.count, asked.seed)
        sys.stdout.write(f"answers: {asked.count} inputs\n")


if __name__ == "__main__":
    main()
