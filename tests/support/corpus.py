# SPDX-License-Identifier: MIT
"""Cases that the real libwrap has decided (tests/corpus/README.md), as our own values."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import TypedDict

from socketgate.rules.decide import decide
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
from socketgate.rules.source import Absent, Directory, Source, Sources, Text, Unreadable
from socketgate.rules.table import RuleTable
from socketgate.rules.verdict import Verdict

CASES = Path(__file__).parent.parent / "corpus" / "cases.jsonl"
#: Where the host files of a case are taken to be.
FOLDER = b"/corpus"
#: The accounts that a case takes for granted.
USERS = frozenset({b"nobody", b"root"})
GROUPS = frozenset({b"nogroup", b"kmem"})
MAX_ASKS = 1000


@dataclass(frozen=True, slots=True)
class World:
    """What lookups answer."""

    name: bytes = UNKNOWN
    user: bytes = UNKNOWN
    server_name: bytes = UNKNOWN
    statuses: tuple[int, ...] = (0,)
    netgroups: tuple[tuple[bytes, bytes], ...] = ()

    def answer(self, lookup: Lookup, commands_before: int) -> Answer:
        """The answer to one question."""
        match lookup:
            case Fact.CLIENT_NAME:
                return self.name
            case Fact.CLIENT_USER:
                return self.user
            case Fact.SERVER_NAME:
                return self.server_name
            case InNetgroup(group, host):
                return (group, host.lower()) in self.netgroups
            case AccountExists(name, is_group):
                return name in (GROUPS if is_group else USERS)
            case CommandStatus():
                return self.statuses[min(commands_before, len(self.statuses) - 1)]
            case ForwardAddresses():
                return frozenset()


#: Answers a question; told how many commands were asked about before.
LookUp = Callable[[Lookup, int], Answer]


def settle(table: RuleTable, request: Request, look_up: LookUp) -> tuple[Verdict, list[Lookup]]:
    """Decide, look up, decide again; the verdict and what was asked, in order."""
    asked: list[Lookup] = []
    for _ in range(MAX_ASKS):
        answer = decide(table, request)
        if isinstance(answer, Verdict):
            return answer, asked
        commands = sum(isinstance(lookup, CommandStatus) for lookup in asked)
        request = request.with_fact(answer.fact, look_up(answer.fact, commands))
        asked.append(answer.fact)
    raise AssertionError("the rules never stop asking")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case with libwrap's answer."""

    id: str
    sources: Sources
    request: Request
    world: World
    #: allow, deny, or exit: libwrap's process ended.
    live: str
    #: A dry run's verdict; `file` and `line` are the dry run's as well.
    dry: str
    file: str | None
    line: int | None


def read_cases() -> Iterator[Case]:
    """All cases of the corpus."""
    with CASES.open(encoding="utf-8") as lines:
        for line in lines:
            yield _case(json.loads(line))


class RawQuery(TypedDict, total=False):
    """The request of a case, as it stands in the file."""

    daemon: str
    addr: str
    name: str
    user: str
    saddr: str
    sname: str
    cport: int
    sport: int
    lk_addr: str
    lk_name: str
    lk_user: str
    lk_saddr: str
    lk_sname: str
    aclexec: int | list[int]
    netgroups: dict[str, list[str]]
    expand: str


class RawCase(TypedDict, total=False):
    """A case, as it stands in the file."""

    id: str
    allow: str | None
    deny: str | None
    allow_kind: str
    deny_kind: str
    files: dict[str, str | None]
    query: RawQuery
    verdict: str
    live: str
    file: str | None
    line: int | None


SOURCE_OF_KIND: dict[str, Source] = {"dir": Directory(), "enotdir": Unreadable("Not a directory")}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _source(text: str | None, kind: str | None, if_null: Source) -> Source:
    if kind is not None:
        return SOURCE_OF_KIND[kind]
    return if_null if text is None else Text(_bytes(text).replace(b"{DIR}", FOLDER))


def _case(raw: RawCase) -> Case:
    files = raw.get("files", {})
    sources = Sources(
        allow=_source(raw["allow"], raw.get("allow_kind"), Absent()),
        deny=_source(raw["deny"], raw.get("deny_kind"), Absent()),
        host_files={
            FOLDER + b"/" + _bytes(name): _source(text, None, Directory())
            for name, text in files.items()
        },
        interfaces=frozenset({b"lo"}),
        extensions=False,
    )
    query = raw["query"]
    known = _known(query)
    return Case(
        id=raw["id"],
        sources=sources,
        request=Request(
            daemon=_bytes(query["daemon"]),
            client=Endpoint(
                _bytes(query.get("addr") or query.get("lk_addr") or "unknown"), query.get("cport")
            ),
            server=Endpoint(
                _bytes(query.get("saddr") or query.get("lk_saddr") or "unknown"), query.get("sport")
            ),
            facts=dict(known.items()),
            seen=frozenset(known),
        ),
        world=_world(query),
        live=raw["live"],
        dry=raw["verdict"],
        file=raw["file"],
        line=raw["line"],
    )


def _known(query: RawQuery) -> dict[Fact, bytes]:
    """What libwrap was told before it was asked; the keys with lk_ are for its lookups."""
    given = {
        Fact.CLIENT_NAME: query.get("name"),
        Fact.CLIENT_USER: query.get("user"),
        Fact.SERVER_NAME: query.get("sname"),
    }
    return {fact: _bytes(text) for fact, text in given.items() if text}


def _world(query: RawQuery) -> World:
    statuses = query.get("aclexec", 0)
    groups = query.get("netgroups", {})
    return World(
        name=_bytes(query.get("lk_name") or "unknown"),
        user=_bytes(query.get("lk_user") or "unknown"),
        server_name=_bytes(query.get("lk_sname") or "unknown"),
        statuses=(statuses,) if isinstance(statuses, int) else tuple(statuses),
        netgroups=tuple(
            (_bytes(group), _bytes(host).lower())
            for group, hosts in groups.items()
            for host in hosts
        ),
    )


def fast_difference(table: RuleTable, request: Request, verdict: Verdict) -> str:
    """What the compiled policy says otherwise than `decide`; empty if the same, or nothing."""
    address = request.client.address.decode("latin-1")
    fast = table.policy(request.daemon, request.server.port).verdict(address)
    if fast is None or not is_canonical(address):
        return ""
    said = (fast.access, fast.place, fast.actions, fast.messages)
    if said == (verdict.access, verdict.place, verdict.actions, verdict.messages):
        return ""
    return f"{request}: {verdict}, the fast path {fast}"


def is_canonical(address: str) -> bool:
    """Whether getnameinfo(3) would write the address so."""
    family = AF_INET6 if ":" in address else AF_INET
    try:
        return inet_ntop(family, inet_pton(family, address)) == address
    except OSError:
        return False
