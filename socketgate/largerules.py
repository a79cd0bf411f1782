# SPDX-License-Identifier: MIT
"""Rule files too large to be compiled in the loop: block lists of many thousand lines.

    compile      by a child (compiling.py), into a file that is mapped; the loop goes on meanwhile
    append       what was added to the end of a file since is read alone, in a thread, and put
                 behind what is compiled: in force at once
    start        a table that was compiled earlier is mapped, if the files are still the same

What may take long is said at each function; everything else here is cheap.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from socketgate.accountcheck import account_faults
from socketgate.config import OnError, RulesConfig
from socketgate.rulefiles import interfaces, read_source
from socketgate.rules.names import accounts_named
from socketgate.rules.source import Excerpt, Part, Source, Sources, Text
from socketgate.rules.syntax import may_name_a_file
from socketgate.rules.table import PolicyKey, RuleTable, build_table
from socketgate.tablefile import (
    NotUsable,
    Prepared,
    indexes,
    map_table,
)
from socketgate.tablesources import FileState, Status
from socketgate.wording import count

#: Files of so many bytes together are large: some four thousand lines, ten milliseconds.
LARGE_BYTES = 128 * 1024

#: No more than so many bytes are put behind what is compiled, before all is compiled anew.
MAX_APPENDED_BYTES = 256 * 1024


class CannotCompile(Exception):
    """The rules can't be made ready in a child: wrong, or of a kind that isn't shared."""


class CompilerStarved(MemoryError):
    """The child that compiles ran out of memory, or was ended as the kernel does for want of it.

    The gate isn't to try what the child could not: it would be ended as well, again and again.
    """


@dataclass(frozen=True, slots=True)
class Mistake:
    """What keeps rules from being put in force: the diagnostic's code, and what it advises."""

    code: str
    advice: str


class WrongRules(Exception):
    """The rules have these mistakes, and name these host files."""

    def __init__(self, mistakes: list[Mistake], host_files: Iterable[bytes]) -> None:
        super().__init__(mistakes[0].advice)
        self.mistakes = mistakes
        self.host_files = frozenset(host_files)


@dataclass(frozen=True, slots=True)
class Order:
    """What a child is to compile: which rules, for whom, and where to put the results."""

    config: RulesConfig
    keys: tuple[PolicyKey, ...]
    folder: Path
    last_good: Path | None

    def as_text(self) -> str:
        """For the child's command line."""
        config = self.config
        keys = [(daemon.decode("latin-1"), port) for daemon, port in self.keys]
        files = [*main_files(config), config.on_error.value, str(self.folder)]
        return json.dumps([*files, self.last_good and str(self.last_good), keys])

    @classmethod
    def from_text(cls, text: str) -> Self:
        """What `as_text` was of."""
        allow, deny, on_error, folder, last_good, keys = json.loads(text)
        return cls(
            RulesConfig(allow=Path(allow), deny=Path(deny), on_error=OnError(on_error)),
            tuple((daemon.encode("latin-1"), port) for daemon, port in keys),
            Path(folder),
            last_good and Path(last_good),
        )


def size_of(paths: Iterable[str]) -> int:
    """How large these files are together, in bytes; one that can't be seen counts nothing."""
    return sum(status[1] for path in paths if (status := status_of(path)) is not None)


def status_of(path: str) -> Status | None:
    """Inode, size and the times of change, in nanoseconds: equal if nothing was written."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def is_grown(before: Status | None, now: Status | None) -> bool:
    """Whether a file is the same or may have lines more at its end: not replaced, not shorter."""
    if before is None or now is None:
        return before is now
    return now[0] == before[0] and now[1] >= before[1]


def find_prepared(order: Order) -> tuple[Prepared, Sources] | None:
    """A table compiled earlier, and what its files are now, if that is still what they hold.

    May take long: reads tables through.
    """
    for index in indexes(order.folder, order.keys):
        with contextlib.suppress(NotUsable):
            prepared = map_table(index)
            if _is_ordered(prepared, order) and (sources := appended_to(prepared)) is not None:
                return prepared, sources
    return None


def _is_ordered(prepared: Prepared, order: Order) -> bool:
    """Whether it is of these files, with mistakes meaning what they do now."""
    origins = prepared.sources.allow_origin, prepared.sources.deny_origin
    return origins == main_files(order.config) and prepared.on_error is order.config.on_error


def appended_to(prepared: Prepared) -> Sources | None:
    """The sources if nothing but lines at the end was added to them since, else None.

    May take long: reads and hashes the files that have changed.
    """
    sources = prepared.sources
    allow = _grown(sources.allow, sources.allow_origin, prepared.files)
    deny = _grown(sources.deny, sources.deny_origin, prepared.files)
    host_files = (os.fsdecode(path) for path in sources.host_files)
    same = all(status_of(path) == prepared.files[path].status for path in host_files)
    if allow is None or deny is None or not same:
        return None
    now, read = interfaces(), (allow, deny, *sources.host_files.values())
    if now != sources.interfaces and any(map(_has_zone, read)):
        return None
    return replace(sources, allow=allow, deny=deny, interfaces=now)


def _has_zone(source: Source) -> bool:
    """Whether its addresses may depend on the interfaces there are; runs of address rules don't."""
    match source:
        case Text(data):
            return b"%" in data
        case Excerpt(parts):
            return any(b"%" in part.data for part in parts)
        case _:
            return False


def _grown(source: Source, origin: str, files: Mapping[str, FileState]) -> Source | None:
    state = files[origin]
    if status_of(origin) == state.status:
        return source
    now = read_source(origin)
    if not isinstance(now, Text) or not isinstance(source, Excerpt) or not state.is_open:
        return None
    added = now.data[state.size :]
    if len(added) > MAX_APPENDED_BYTES or len(now.data) < state.size or may_name_a_file(added):
        return None
    if hashlib.sha256(memoryview(now.data)[: state.size]).hexdigest() != state.sha256:
        return None
    return replace(source, parts=(*source.parts, Part(added, state.number, state.physical)))


def read_answer(answer: bytes) -> Prepared:
    """What a child has made ready. Raises WrongRules, CannotCompile, CompilerStarved, NotUsable."""
    try:
        said = json.loads(answer)
    except ValueError as error:
        raise CompilerStarved("the process that compiles was ended: is there memory?") from error
    if "shortage" in said:
        raise CompilerStarved(f"the process that compiles ran short: {said['shortage']}")
    if "errors" in said:
        mistakes = [Mistake(code, advice) for code, advice in said["errors"]]
        raise WrongRules(mistakes, map(os.fsencode, said["host_files"]))
    if "index" not in said:
        raise CannotCompile(said.get("trouble", "no answer"))
    return map_table(Path(said["index"]), is_own=True)


def table_of(prepared: Prepared, sources: Sources | None = None) -> RuleTable:
    """The table, with what was appended if these sources have it. Raises policy.NotCovered."""
    table = build_table(sources or prepared.sources, compiled=prepared.compiled)
    for key in prepared.compiled:
        table.policy(*key)
    return table


def all_mistakes_of(table: RuleTable) -> list[Mistake]:
    """The same, and the users and groups that options name and that don't exist. May take long."""
    accounts = account_faults(accounts_named(table))
    return [*mistakes_of(table), *(Mistake(one.code, one.advice) for one in accounts)]


def mistakes_of(table: RuleTable) -> list[Mistake]:
    """What keeps a table from being put in force."""
    return [Mistake(error.code, error.advice) for error in table.errors]


def summary_of(mistakes: Sequence[Mistake]) -> str:
    """The first mistake, and how many more there are."""
    more = len(mistakes) - 1
    others = f" (and {count(more, 'more error')}: see 'socketgate check')" if more else ""
    return mistakes[0].advice + others


def main_files(config: RulesConfig) -> tuple[str, str]:
    """The two that are always there, or to be expected."""
    return str(config.allow), str(config.deny)
