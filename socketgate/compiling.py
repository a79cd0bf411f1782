# SPDX-License-Identifier: MIT
"""The child that compiles large rule files: a program of its own, with nothing of the gate's.

    main(), with an order as its argument      the answer, for `largerules.read_answer`, on stdout

It reads, compiles and writes, and takes a processor for seconds. What a gate has open never is
its, or clients would see the end of their connections only with the end of it.
"""

import contextlib
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from socketgate.config import OnError
from socketgate.largerules import (
    LARGE_BYTES,
    CannotCompile,
    Order,
    all_mistakes_of,
    main_files,
    status_of,
)
from socketgate.rulefiles import is_shortage, read_sources, save_sources
from socketgate.rules.policy import Compiled, Policy
from socketgate.rules.request import TableName
from socketgate.rules.rule import rule_number
from socketgate.rules.source import Excerpt, Source, Sources, Text
from socketgate.rules.syntax import Parsed, host_files_of
from socketgate.rules.table import PolicyKey, RuleTable, build_table, digest_of
from socketgate.tablefile import Prepared, write_table
from socketgate.tablesources import FileState, Status

#: What addresses and nets are written with. `ALL`, which matches clients without one too, isn't.
ADDRESSES_ALONE = re.compile(rb"[0-9A-Fa-f:./\[\]\s]*")

#: proc(5): who is ended first when there is no memory left; every process has its parent's.
OOM_SCORE_ADJ = Path("/proc/self/oom_score_adj")
#: A little sooner than others that are as large: what a child was to do is tried again.
ENDED_SOONER = 100


def main() -> None:
    """What a child does."""
    raise_oom_score(OOM_SCORE_ADJ)
    sys.stdout.write(answer_to(sys.argv[1]))


def raise_oom_score(score: Path) -> None:
    """For want of memory this process is to be ended, and not the gate, which nobody ends.

    Raising the score needs no privilege; where it can't be done, all are as they were.
    """
    with contextlib.suppress(OSError, ValueError):
        if int(score.read_text()) < ENDED_SOONER:
            score.write_text(str(ENDED_SOONER))


def answer_to(order: str) -> str:
    """Carry out an order (`Order.as_text`), and answer in any case."""
    try:
        answer = _make(Order.from_text(order))
    except Exception as error:  # noqa: BLE001  # whatever it is, the gate must hear of it
        kind = "shortage" if is_shortage(error) else "trouble"
        answer = {kind: f"{type(error).__name__}: {error}".removesuffix(": ")}
    return json.dumps(answer)


def _make(order: Order) -> dict[str, object]:
    """Read, compile, write; says where, or why not."""
    before = {path: status_of(path) for path in main_files(order.config)}
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
    """What is left of a rule file; an empty one is still seen to be empty."""
    is_written = isinstance(source, Text) and source.data
    return replace(parsed.excerpt, whole=_hash(source)) if is_written else source


def _stub(source: Source) -> Source:
    """A large host file is there by its addresses, which are compiled, and by its hash."""
    is_large = isinstance(source, Text) and len(source.data) > LARGE_BYTES
    return Excerpt((), 0, whole=_hash(source)) if is_large else source


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
