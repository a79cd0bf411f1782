# SPDX-License-Identifier: MIT
"""What a gate and the command runner say to each other (docs/commands.md).

    gate ──"SOCKETGATE_COMMAND=1\\nID=7\\nKIND=aclexec\\n...COMMAND=" and its text──▶ runner
    gate ◀──"ID=7\\nSTATUS=0\\n" | "ID=7\\nTROUBLE=why\\n" | "STOPPING=1\\n"────────── runner

AF_UNIX, SOCK_SEQPACKET, one message each. With a `twist` comes the client, as SCM_RIGHTS.
"""

import re
from dataclasses import dataclass

from socketgate.program import Fields, parse_fields
from socketgate.rules.keyword import CommandKind

#: A message at most, in bytes: the longest command hosts_options(5) can make, and the lines before.
MAX_MESSAGE_BYTES = 65_536
MAX_ANSWER_BYTES = 1024

STOPPING = b"STOPPING=1\n"

#: The first line of a job: the protocol's version.
VERSION = (b"SOCKETGATE_COMMAND", b"1")

#: Keys of what a command has from options before it, as in a handoff (docs/protocol.md).
INHERITED = frozenset({b"SETENV", b"UMASK", b"NICE"})

#: sh(1): what its exit status says when it could not run a command.
NOT_RUN = {126: "can't be executed", 127: "not found"}

_NUMBER = re.compile(rb"[0-9]{1,19}")
_ENDED = re.compile(rb"ID=([0-9]{1,19})\n(?:STATUS=(-?[0-9]{1,9})|TROUBLE=([^\n]*))\n")


class MalformedMessage(Exception):
    """The other side broke the protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A command to be run: it must have started, and have ended, within so many seconds.

    `source` is the address it is run for; `inherited` are lines of keys in INHERITED.
    """

    id: int
    kind: CommandKind
    start_seconds: float
    end_seconds: float
    command: bytes
    source: bytes = b""
    inherited: Fields = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended; for a `twist`, that it runs (status 0).

    The status is 0 for success, an exit status, or minus a signal's number. None: it could not be
    run or not to its end, and `trouble` says why.
    """

    status: int | None
    trouble: str = ""

    @property
    def how(self) -> str:
        """What an admin should know; nothing for success."""
        if self.status is None:
            return self.trouble
        if self.status < 0:
            return f"ended by signal {-self.status}"
        reason = f" ({NOT_RUN[self.status]})" if self.status in NOT_RUN else ""
        return f"exit status {self.status}{reason}" if self.status else ""


def encode_job(job: Job) -> bytes:
    """The gate's message."""
    fields = (
        VERSION,
        (b"ID", b"%d" % job.id),
        (b"KIND", job.kind.value.encode()),
        (b"START_MSEC", b"%.0f" % (1000 * job.start_seconds)),
        (b"END_MSEC", b"%.0f" % (1000 * job.end_seconds)),
        (b"SOURCE", job.source),
        *job.inherited,
    )
    return b"".join(b"%b=%b\n" % field for field in fields) + b"COMMAND=" + job.command


def parse_job(message: bytes) -> Job:
    """The same, read; keys that are not known are ignored. Raises MalformedMessage."""
    head, separator, command = message.partition(b"\nCOMMAND=")
    fields = parse_fields(head)
    found = dict(fields)
    kinds = {kind.value.encode(): kind for kind in CommandKind}
    numbers = [found.get(key, b"") for key in (b"ID", b"START_MSEC", b"END_MSEC")]
    is_job = bool(separator) and fields[:1] == (VERSION,) and found.get(b"KIND") in kinds
    if not is_job or not all(map(_NUMBER.fullmatch, numbers)):
        raise MalformedMessage(f"not a command: {message[:60]!r}")
    number, start_msec, end_msec = map(int, numbers)
    return Job(
        id=number,
        kind=kinds[found[b"KIND"]],
        start_seconds=start_msec / 1000,
        end_seconds=end_msec / 1000,
        command=command,
        source=found.get(b"SOURCE", b""),
        inherited=tuple(field for field in fields if field[0] in INHERITED),
    )


def encode_ended(number: int, ended: Ended) -> bytes:
    """The runner's answer."""
    if ended.status is not None:
        return b"ID=%d\nSTATUS=%d\n" % (number, ended.status)
    trouble = ended.trouble.replace("\n", " ").encode("utf-8", "backslashreplace")
    return b"ID=%d\nTROUBLE=%b\n" % (number, trouble[: MAX_ANSWER_BYTES // 2])


def parse_ended(message: bytes) -> tuple[int, Ended]:
    """The same, read: which command, and how it ended. Raises MalformedMessage."""
    found = _ENDED.fullmatch(message)
    if found is None:
        raise MalformedMessage(f"not an answer: {message[:60]!r}")
    if found[2] is not None:
        return int(found[1]), Ended(int(found[2]))
    return int(found[1]), Ended(None, found[3].decode("utf-8", "replace") or "no reason given")
