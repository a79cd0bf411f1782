# SPDX-License-Identifier: MIT
"""What a gate and the command runner say to each other (docs/commands.md).

    gate ──"SOCKETGATE_COMMAND=1\\nID=7\\nKIND=aclexec\\n...COMMAND=" and its text──▶ runner
    gate ◀──"ID=7\\nSTATUS=0\\n" | "ID=7\\nTROUBLE=why\\n" | "STOPPING=1\\n"────────── runner

AF_UNIX, SOCK_SEQPACKET, one message each. With a `twist` comes the client, as SCM_RIGHTS.
"""

import re
from dataclasses import dataclass

from socketgate.rules.keyword import CommandKind

#: Room for the longest command hosts_options(5) can make, and the lines before it, in bytes.
MAX_MESSAGE_BYTES = 16_384
MAX_ANSWER_BYTES = 1024

STOPPING = b"STOPPING=1\n"

_JOB = re.compile(
    rb"SOCKETGATE_COMMAND=1\nID=([0-9]{1,19})\nKIND=([a-z]+)\n"
    rb"START_MSEC=([0-9]{1,9})\nEND_MSEC=([0-9]{1,9})\nCOMMAND=(.*)",
    re.DOTALL,
)
_ENDED = re.compile(rb"ID=([0-9]{1,19})\n(?:STATUS=(-?[0-9]{1,9})|TROUBLE=([^\n]*))\n")


class MalformedMessage(Exception):
    """The other side broke the protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A command to be run: it must have started, and have ended, within so many seconds."""

    id: int
    kind: CommandKind
    start_seconds: float
    end_seconds: float
    command: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended; for a `twist`, that it runs (status 0).

    The status is 0 for success, an exit status, or minus a signal's number. None: it could not be
    run or not to its end, and `trouble` says why.
    """

    status: int | None
    trouble: str = ""


def encode_job(job: Job) -> bytes:
    """The gate's message."""
    head = (
        f"SOCKETGATE_COMMAND=1\nID={job.id}\nKIND={job.kind.value}\n"
        f"START_MSEC={1000 * job.start_seconds:.0f}\nEND_MSEC={1000 * job.end_seconds:.0f}\n"
    )
    return head.encode() + b"COMMAND=" + job.command


def parse_job(message: bytes) -> Job:
    """The same, read. Raises MalformedMessage."""
    found = _JOB.fullmatch(message)
    kinds = {kind.value.encode(): kind for kind in CommandKind}
    if found is None or found[2] not in kinds:
        raise MalformedMessage(f"not a command: {message[:60]!r}")
    return Job(
        id=int(found[1]),
        kind=kinds[found[2]],
        start_seconds=int(found[3]) / 1000,
        end_seconds=int(found[4]) / 1000,
        command=found[5],
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
