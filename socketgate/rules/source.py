# SPDX-License-Identifier: MIT
"""What the rules are made from: the contents of files, already read by somebody else."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Text:
    """A file that could be read, whole."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Absent:
    """No such file. For hosts.allow and hosts.deny that is an empty file."""


@dataclass(frozen=True, slots=True)
class Directory:
    """A folder where a file was expected: as good as an empty file to libwrap."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that is there and can't be read; the reason as strerror(3) has it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file that begins with a logical line, and the lines before it.

    `number` counts them as libwrap does, `physical` counts them all.
    """

    data: bytes
    number: int = 0
    physical: int = 0


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A large file without the address rules that a `Compiled` has; so many are left out.

    `whole` is a hash of all of it: two excerpts may be alike whose files are not.
    """

    parts: tuple[Part, ...]
    address_rule_count: int
    whole: str = ""


Source = Text | Absent | Directory | Unreadable | Excerpt


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Everything a table is built from. The same sources always give the same table.

    `host_files` has what each path named in a rule or in a host file holds, `interfaces` the
    names of the network interfaces (an IPv6 zone must be one of them). Without `extensions` the
    rules are read as libwrap reads them, to the last byte; with them `dns:NAME` is a pattern.
    """

    allow: Source = Absent()
    deny: Source = Absent()
    allow_origin: str = "/etc/hosts.allow"
    deny_origin: str = "/etc/hosts.deny"
    host_files: Mapping[bytes, Source] = field(default_factory=dict)
    interfaces: frozenset[bytes] = frozenset()
    extensions: bool = True


def was_emptied(before: Sources, after: Sources) -> bool:
    """Whether a file that said something is there no more, or empty: that is how writing begins."""
    pairs = [(before.allow, after.allow), (before.deny, after.deny)]
    pairs += [
        (before.host_files.get(path, Absent()), now) for path, now in after.host_files.items()
    ]
    return any(_is_empty(now) and not _is_empty(was) for was, now in pairs)


def _is_empty(source: Source) -> bool:
    return isinstance(source, Absent) or source == Text(b"")
