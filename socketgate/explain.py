# SPDX-License-Identifier: MIT
"""`socketgate explain`: the verdict a client would get now, and all that leads to it.

Bans first, as in the gate; then the rules by judge(), with the facts that are given, kept, or
looked up as for a real client. Nothing is executed, and a user can't be asked for: there is no
connection that ident could be asked about.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from socketgate.answers import (
    BanEntry,
    ConsideredRule,
    ExplainAnswer,
    FactUsed,
    RulesVerdict,
    ban_entry,
)
from socketgate.bans import Bans
from socketgate.dryrun import canonical_address
from socketgate.judge import LookUp, judge, judge_by_known
from socketgate.lookup_values import Found
from socketgate.rules.request import (
    UNKNOWN,
    CommandStatus,
    Endpoint,
    Fact,
    Lookup,
    Need,
    Request,
)
from socketgate.rules.source import Sources
from socketgate.rules.table import RuleTable
from socketgate.rules.text import shown
from socketgate.rules.trace import Considered
from socketgate.rules.verdict import Verdict
from socketgate.rules.why import fact_name, fact_value
from socketgate.story import story_of
from socketgate.varlink import invalid

#: What decides about a banned client.
BY_BAN: RulesVerdict = {"verdict": "deny", "by": "ban", "file": None, "line": None, "text": None}

#: An answer that is known without asking, and its age in seconds.
Kept = Callable[[Need, Request], tuple[Found, float] | None]


@dataclass(frozen=True, slots=True)
class Question:
    """Who would come to which daemon; what is None is not given.

    `server` is the server's address, for a gate that listens on all of them; `port` its port,
    where no gate knows it.
    """

    daemon: str
    address: str
    name: str | None = None
    user: str | None = None
    server: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What is decided by. `generation` is None for rules that are not in force anywhere."""

    sources: Sources
    table: RuleTable
    generation: int | None
    server: Endpoint
    kept: Kept
    look_up: LookUp
    bans: Bans
    limits: tuple[str, ...] = ()
    #: Why what the files say now is not in force; empty when it is.
    trouble: str = ""


def parse_question(parameters: Mapping[str, object]) -> Question:
    """From a call's parameters; raises CallFailed."""
    texts: dict[str, str | None] = {}
    for key in ("daemon", "address", "name", "user", "server"):
        match parameters.get(key):
            case str(text) if 0 < len(text) <= 255 and _has_bytes(text):
                texts[key] = text
            case None if key in ("name", "user", "server"):
                texts[key] = None
            case _:
                raise invalid(key)
    for key in ("address", "server"):
        given = texts[key]
        texts[key] = canonical_address(given) if given is not None else None
        if given is not None and texts[key] is None:
            raise invalid(key)
    return Question(
        texts["daemon"] or "", texts["address"] or "", texts["name"], texts["user"], texts["server"]
    )


def _has_bytes(text: str) -> bool:
    """JSON may have lone surrogates that stand for nothing."""
    try:
        _bytes(text)
    except UnicodeEncodeError:
        return False
    return True


def _bytes(text: str) -> bytes:
    """As it was typed: a byte that is no UTF-8 comes as a lone surrogate (PEP 383)."""
    return text.encode("utf-8", "surrogateescape")


@dataclass(slots=True)
class _Clerk:
    """Gets the facts, and notes where each came from."""

    question: Question
    grounds: Grounds
    used: list[FactUsed] = field(default_factory=list)

    def known(self, need: Need, request: Request) -> Found | None:
        """Given or kept; what can't be had is said to be so."""
        given = self._given(need.fact)
        if given is not None:
            self._note(need, Found(given), "given", 0.0)
            return Found(given)
        match need.fact:
            case Fact.CLIENT_USER:
                found, source = Found(UNKNOWN), "none: only a real connection can be asked about"
            case CommandStatus():
                found, source = Found(0), "assumed: commands are not run"
            case _:
                kept = self.grounds.kept(need, request)
                if kept is not None:
                    self._note(need, kept[0], "kept", kept[1])
                return kept[0] if kept is not None else None
        self._note(need, found, source, 0.0)
        return found

    async def look_up(self, need: Need, request: Request) -> Found:
        """Ask, as for a real client."""
        found = await self.grounds.look_up(need, request)
        self._note(need, found, "looked up", 0.0)
        return found

    def _given(self, fact: Lookup) -> bytes | None:
        texts = {Fact.CLIENT_NAME: self.question.name, Fact.CLIENT_USER: self.question.user}
        text = texts.get(fact) if isinstance(fact, Fact) else None
        return _bytes(text) if text is not None else None

    def _note(self, need: Need, found: Found, source: str, age: float) -> None:
        self.used.append(
            {
                "fact": fact_name(need.fact),
                "answer": fact_value(found.answer),
                "source": source,
                "age": round(age, 1),
                "note": found.note or None,
            }
        )


async def explain(question: Question, grounds: Grounds) -> ExplainAnswer:
    """See above."""
    server = grounds.server
    request = Request(
        daemon=_bytes(question.daemon),
        client=Endpoint(_bytes(question.address)),
        server=Endpoint(
            _bytes(question.server) if question.server is not None else server.address,
            question.port if server.port is None else server.port,
        ),
    )
    clerk = _Clerk(question, grounds)
    judgement = judge_by_known(grounds.table, request, clerk.known)
    verdict, judgement = await judge(grounds.table, judgement, clerk.known, clerk.look_up)
    # Off the loop: there may be very many rules, and a file to be read.
    story = await asyncio.to_thread(
        story_of, grounds.table, grounds.sources, judgement.request, verdict
    )
    by_rules = _by_rules(verdict, story)
    bans = _bans(question, grounds.bans)
    is_spared = bool(bans) and grounds.bans.is_spared(_without_zone(question.address))
    is_banned = bool(bans) and not is_spared
    decided = BY_BAN if is_banned else by_rules
    return {
        **decided,
        "generation": grounds.generation,
        "not_in_force": grounds.trouble or None,
        "rules": [_rule(one) for one in story],
        "facts": clerk.used,
        "messages": list(verdict.messages),
        "bans": bans,
        "never_banned": is_spared,
        "unbanned": by_rules if is_banned else None,
        "limits": list(grounds.limits),
    }


def _by_rules(verdict: Verdict, story: Sequence[Considered]) -> RulesVerdict:
    place = verdict.place
    text = story[-1].text if story and place is not None else b""
    return {
        "verdict": verdict.access.value,
        "by": _by(verdict),
        "file": place.origin if place else None,
        "line": place.line if place else None,
        "text": shown(text) or None,
    }


def _by(verdict: Verdict) -> str:
    if verdict.place is not None:
        return "rule"
    return "broken file" if verdict.messages else "no rule"


def _bans(question: Question, bans: Bans) -> list[BanEntry]:
    address = _without_zone(question.address)
    return [ban_entry(ban) for ban in bans.matching(address, question.daemon, time.time())]


def _without_zone(address: str) -> str:
    return address.partition("%")[0]


def _rule(one: Considered) -> ConsideredRule:
    return {
        "file": one.place.origin,
        "first_line": one.first_line,
        "line": one.place.line,
        "count": one.count,
        "text": shown(one.text),
        "matched": one.is_match,
        "why": one.why,
    }
