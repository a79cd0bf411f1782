# SPDX-License-Identifier: MIT
"""Rule files too large to be compiled in the loop: block lists of many thousand lines.

    compile      in a child process, into a file that is mapped; the loop goes on meanwhile
    append       what was added to the end of a file since is read alone, in a thread, and put
                 behind what is compiled: in force at once
    start        a table that was compiled earlier is mapped, if the files are still the same

Everything here but the child's part is cheap; what may take long is said at each function.
"""

import contextlib
import hashlib
import json
import os
import re
import signal
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from socketgate.accountcheck import account_faults
from socketgate.config import OnError, RulesConfig
from socketgate.rulefiles import interfaces, read_source, read_sources, save_sources
from socketgate.rules.names import accounts_named
from socketgate.rules.policy import Compiled, Policy
from socketgate.rules.request import TableName
from socketgate.rules.rule import rule_number
from socketgate.rules.source import Excerpt, Part, Source, Sources, Text
from socketgate.rules.syntax import Parsed, host_files_of, may_name_a_file
from socketgate.rules.table import PolicyKey, RuleTable, build_table, digest_of
from socketgate.tablefile import (
    FileState,
    NotUsable,
    Prepared,
    map_table,
    newest_index,
    write_table,
)

#: Files of so many bytes together are large: some four thousand lines, ten milliseconds.
LARGE_BYTES = 128 * 1024

#: No more than so many bytes are put behind what is compiled, before all is compiled anew.
MAX_APPENDED_BYTES = 256 * 1024

#: The child gives way to those who serve clients, setpriority(2), where that may be asked for: the
#: shipped units' SystemCallFilter= leaves it out.
CHILD_NICENESS = 5

#: Of a file: inode, size and the times of change.
Status = tuple[int, int, int, int]


#: What addresses and nets are written with. `ALL`, which matches clients without one too, isn't.
ADDRESSES_ALONE = re.compile(rb"[0-9A-Fa-f:./\[\]\s]*")


class CannotCompile(Exception):
    """The rules can't be made ready in a child: wrong, or of a kind that isn't shared."""


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
    """The table compiled last, and what its files are now, if that is still what they hold.

    May take long: reads the table through.
    """
    newest = newest_index(order.folder, order.keys)
    if newest is None:
        return None
    try:
        prepared = map_table(newest)
    except NotUsable:
        return None
    origins = prepared.sources.allow_origin, prepared.sources.deny_origin
    if origins != _main_files(order.config) or prepared.on_error is not order.config.on_error:
        return None
    sources = appended_to(prepared)
    return None if sources is None else (prepared, sources)


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
    if interfaces() != sources.interfaces and (_has_zone(allow) or _has_zone(deny)):
        return None
    return replace(sources, allow=allow, deny=deny, interfaces=interfaces())


def _has_zone(source: Source) -> bool:
    """Whether a rule that isn't compiled may depend on the interfaces there are."""
    return isinstance(source, Excerpt) and any(b"%" in part.data for part in source.parts)


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


def compile_in_child(order: Order) -> tuple[int, int]:
    """Start a child that compiles; its process, and a descriptor that `read_answer` reads.

    The child has no part in anything of ours: it answers, and ends.
    """
    answers, answer = os.pipe2(os.O_CLOEXEC)
    with warnings.catch_warnings():
        # Threads of ours may exist, waiting for the resolver: the child uses nothing of theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os.close(answers)
        _child(order, answer)
    os.close(answer)
    return pid, answers


def _child(order: Order, answer: int) -> NoReturn:
    """The child's whole life. Never returns into its parent's code."""
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        with contextlib.suppress(PermissionError):
            os.nice(CHILD_NICENESS)
        os.write(answer, json.dumps(_make(order)).encode())
        code = 0
    except BaseException as error:  # noqa: BLE001  # whatever it is, the parent must hear of it
        os.write(answer, json.dumps({"trouble": f"{type(error).__name__}: {error}"}).encode())
    finally:
        os._exit(code)


def _make(order: Order) -> dict[str, object]:
    """Read, compile, write; says where, or why not."""
    before = {path: status_of(path) for path in _main_files(order.config)}
    sources = read_sources(order.config)
    if sources.host_files:  # only now it is known which: what they were before they are read
        before |= {name: status_of(name) for name in map(os.fsdecode, sources.host_files)}
        sources = read_sources(order.config)
    table = build_table(sources)
    mistakes = all_mistakes_of(table)
    if mistakes and order.config.on_error is OnError.KEEP:
        return {
            "errors": [(mistake.code, mistake.advice) for mistake in mistakes],
            "host_files": [os.fsdecode(path) for path in sources.host_files],
        }
    if order.last_good is not None:
        save_sources(sources, order.last_good)
    prepared = prepare(sources, table, order.keys, before, order.config.on_error)
    return {"index": str(write_table(order.folder, prepared))}


def prepare(
    sources: Sources,
    table: RuleTable,
    keys: Sequence[PolicyKey],
    before: Mapping[str, Status | None],
    on_error: OnError,
) -> Prepared:
    """A table in the form in which it is written. May take long. Raises CannotCompile.

    `before` has the states of the files before they were read: what changed since is seen later.
    """
    policies = {key: table.policy(*key) for key in keys}
    _check_host_files(sources, policies.values())
    allow_until = rule_number(TableName.ALLOW, table.allow.line_number, is_turned=True)
    deny_until = rule_number(TableName.DENY, table.deny.line_number, is_turned=True)
    return Prepared(
        digest=digest_of(sources).hex(),
        on_error=on_error,
        sources=replace(
            sources,
            allow=_excerpt(sources.allow, table.allow),
            deny=_excerpt(sources.deny, table.deny),
            host_files={path: _stub(one) for path, one in sources.host_files.items()},
        ),
        compiled={
            key: Compiled(tuple(policy.segments_by_file), allow_until, deny_until)
            for key, policy in policies.items()
        },
        files=dict(_states(sources, table, before)),
    )


def _excerpt(source: Source, parsed: Parsed) -> Source:
    return replace(parsed.excerpt, whole=_hash(source)) if isinstance(source, Text) else source


def _stub(source: Source) -> Source:
    """A large host file is there by its addresses, which are compiled."""
    is_large = isinstance(source, Text) and len(source.data) > LARGE_BYTES
    return Text(b"") if is_large else source


def _check_host_files(sources: Sources, policies: Iterable[Policy]) -> None:
    """A large host file that isn't of addresses alone is needed whole."""
    large = {path for path, one in sources.host_files.items() if _stub(one) is not one}
    for path in large:
        source = sources.host_files[path]
        if isinstance(source, Text) and not ADDRESSES_ALONE.fullmatch(source.data):
            raise CannotCompile(f"the large host file {os.fsdecode(path)} has more than addresses")
    for policy in policies:
        named = host_files_of(policy.residual)
        if large & named:
            raise CannotCompile("a large host file is used in a rule that needs names or users")


def _states(
    sources: Sources, table: RuleTable, before: Mapping[str, Status | None]
) -> Iterator[tuple[str, FileState]]:
    files = (
        (sources.allow_origin, sources.allow, table.allow),
        (sources.deny_origin, sources.deny, table.deny),
    )
    for origin, source, parsed in files:
        data = source.data if isinstance(source, Text) else b""
        yield (
            origin,
            FileState(
                status=before.get(origin),
                size=len(data),
                sha256=_hash(source),
                number=parsed.line_number,
                physical=parsed.physical_lines,
                is_open=parsed.broken is None and _can_grow(data),
            ),
        )
    for path in sources.host_files:
        name = os.fsdecode(path)
        yield name, FileState(before.get(name), 0, "", 0, 0, is_open=False)


def _hash(source: Source) -> str:
    return hashlib.sha256(source.data if isinstance(source, Text) else b"").hexdigest()


def _can_grow(data: bytes) -> bool:
    """Whether what is appended begins a line of its own."""
    last = data[data.rfind(b"\n", 0, len(data) - 1) + 1 :]
    return data.endswith(b"\n") and not data.endswith(b"\\\n") and b"\0" not in last


def read_answer(answer: bytes) -> Prepared:
    """What a child has made ready. Raises WrongRules, CannotCompile, NotUsable."""
    try:
        said = json.loads(answer)
    except ValueError as error:
        raise CannotCompile("the compiling process was ended") from error
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
    others = f" (and {more} more errors: see 'socketgate check')" if more else ""
    return mistakes[0].advice + others


def _main_files(config: RulesConfig) -> tuple[str, str]:
    return str(config.allow), str(config.deny)
