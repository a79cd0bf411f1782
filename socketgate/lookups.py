# SPDX-License-Identifier: MIT
"""Finds out whatever the rules need to know, without holding up the loop.

    decide() ──Need(fact)──▶ cached(fact, request) ──▶ Found: no task needed
                         └─▶ await look_up(fact, request) ──▶ Found, always, by its deadline

For judge(), which passes what is needed as a Need, these are `known` and `find_out`.

A fact nobody could find out is `unknown`, a question nobody could answer is answered No, and
`Found.note` says why, for the journal.
"""

import time
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from pathlib import Path

from socketgate import accounts, netgroup, resolver
from socketgate.forward import ForwardNames
from socketgate.ident import IDENT_PORT, look_up_user
from socketgate.lookup_cache import LookupCache
from socketgate.lookup_pool import LookupPool, Work
from socketgate.lookup_source import network_of, plain, prefixes_of
from socketgate.lookup_values import Found, LookupLimits, Shares, Trouble, shown
from socketgate.rules.request import (
    UNKNOWN,
    AccountExists,
    CommandStatus,
    Endpoint,
    Fact,
    ForwardAddresses,
    InNetgroup,
    Lookup,
    Need,
    Request,
)

#: When one of these changes, answers are stale: call `flush`.
FLUSH_ON = tuple(Path(file) for file in resolver.FILES + netgroup.FILES + accounts.FILES)

#: Runs an `aclexec` command and says how it ended; None when it could not be run or was cut off,
#: and the note says why. It has its own deadline and never raises.
RunAclexec = Callable[[CommandStatus, Request], Awaitable[Found]]


async def run_no_aclexec(status: CommandStatus, _request: Request) -> Found:
    """For a gate that has no command runner: every command could not be run."""
    return unanswered(status, "there is no command runner")


class Lookups:
    """All lookups of one gate: their threads, their cache, their limits. One loop only."""

    def __init__(
        self,
        limits: LookupLimits | None = None,
        *,
        run_command: RunAclexec = run_no_aclexec,
        ident_port: int = IDENT_PORT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits = limits or LookupLimits()
        self._run_command = run_command
        self._ident_port = ident_port
        self._cache = LookupCache(limits, clock)
        self._forward = ForwardNames(limits, clock)
        self._waiting = Shares(limits.max_waiting, limits.max_waiting_per_source)
        self._ident = Shares(limits.max_ident, limits.max_ident_per_source)
        self._names = LookupPool(
            "name",
            max_threads=limits.max_name_threads,
            max_per_network=limits.max_name_threads_per_network,
        )
        threads = limits.max_account_threads
        self._accounts = LookupPool("account", max_threads=threads, max_per_network=threads)
        # innetgr(3) must not run in two threads at once.
        self._netgroups = LookupPool("netgroup", max_threads=1, max_per_network=1)

    def cached(self, fact: Lookup, request: Request) -> Found | None:
        """The answer, if it is known without asking anybody; else None."""
        match fact:
            case ForwardAddresses(name):
                return self._forward.found(name)
            case Fact.CLIENT_USER if request.uid is None:
                is_known = UNKNOWN in (request.client.address, request.server.address)
                return Found(UNKNOWN) if is_known else None
            case Fact.CLIENT_NAME if request.client.address == UNKNOWN:
                return Found(UNKNOWN)
            case Fact.SERVER_NAME if request.server.address == UNKNOWN:
                return Found(UNKNOWN)
            case _:
                return self._cache.get(_cache_key(fact, request))

    def age(self, fact: Lookup, request: Request) -> float:
        """How long ago, in seconds, a cached answer was found out; 0 for one that isn't cached."""
        if isinstance(fact, ForwardAddresses):
            return self._forward.age(fact.name)
        return self._cache.age(_cache_key(fact, request))

    async def look_up(
        self, fact: Lookup, request: Request, *, timeout_seconds: float | None = None
    ) -> Found:
        """Find it out, by the deadline: the one given, or the one usual for this kind of lookup.

        Never raises. The answer has the type that `fact` promises.
        """
        found = self.cached(fact, request)
        if found is not None:
            return found
        match fact:
            case Fact.CLIENT_NAME:
                return await self._client_name(request, timeout_seconds)
            case Fact.SERVER_NAME:
                return await self._name(fact, request, request.server, timeout_seconds)
            case Fact.CLIENT_USER if request.uid is not None:
                work = partial(accounts.name_of_user, request.uid)
                return await self._account(fact, request, work, timeout_seconds)
            case Fact.CLIENT_USER:
                return await self._client_user(request, timeout_seconds)
            case InNetgroup(group, host):
                work = partial(netgroup.look_up_netgroup, group, host)
                return await self._in_netgroup(fact, request, work, timeout_seconds)
            case AccountExists(name, is_group):
                work = partial(accounts.look_up_account, name, is_group=is_group)
                return await self._account(fact, request, work, timeout_seconds)
            case CommandStatus():
                return await self._run_command(fact, request)
            case ForwardAddresses(name):
                return self._forward.found(name)

    def known(self, need: Need, request: Request) -> Found | None:
        """`cached`, as judge() asks."""
        return self.cached(need.fact, request)

    def kept(self, need: Need, request: Request) -> tuple[Found, float] | None:
        """The same, and its age."""
        found = self.cached(need.fact, request)
        return None if found is None else (found, self.age(need.fact, request))

    async def find_out(self, need: Need, request: Request) -> Found:
        """`look_up`, as judge() asks: in the time that the rule gives it."""
        return await self.look_up(need.fact, request, timeout_seconds=need.timeout_seconds)

    def watch_forward(self, names: frozenset[bytes]) -> None:
        """Keep the addresses of these names at hand: all that `dns:` patterns of the table name."""
        self._forward.watch(names)

    async def forward_settled(self, timeout_seconds: float) -> bool:
        """Wait until every watched name has its answer, good or bad; False at the deadline.

        For the start: a client who comes before that finds `dns:` patterns that match nothing.
        """
        return await self._forward.settled(timeout_seconds)

    def flush(self) -> None:
        """Forget answers, those under way included. `dns:` names keep theirs until asked again."""
        self._cache.flush()
        self._forward.refresh()

    def close(self) -> None:
        """Answer all who wait, and let go of the threads. A stuck one does not hold up the exit."""
        self._forward.close()
        for pool in (self._names, self._accounts, self._netgroups):
            pool.close()

    async def _client_name(self, request: Request, timeout_seconds: float | None) -> Found:
        """As `_name`, with a limit on what one source may have waiting."""
        who = prefixes_of(request.client.address)
        if over := self._waiting.over(who):
            return unanswered(Fact.CLIENT_NAME, f"over the limit for {over}")
        self._waiting.take(who)
        try:
            return await self._name(Fact.CLIENT_NAME, request, request.client, timeout_seconds)
        finally:
            self._waiting.give_back(who)

    async def _name(
        self, fact: Fact, request: Request, endpoint: Endpoint, timeout_seconds: float | None
    ) -> Found:
        return await self._in_pool(
            self._names,
            fact,
            request,
            network_of(endpoint.address),
            partial(resolver.look_up_name, endpoint.address, SUBJECTS[fact]),
            timeout_seconds=timeout_seconds or self._limits.name_seconds,
        )

    async def _client_user(self, request: Request, timeout_seconds: float | None) -> Found:
        seconds = timeout_seconds or self._limits.ident_seconds
        who = prefixes_of(request.client.address)
        if over := self._ident.over(who):
            return unanswered(Fact.CLIENT_USER, f"over the limit for {over}")
        self._ident.take(who)
        try:
            return await look_up_user(
                request,
                timeout_seconds=min(seconds, self._limits.max_ident_seconds),
                port=self._ident_port,
            )
        finally:
            self._ident.give_back(who)

    async def _in_netgroup(
        self, fact: InNetgroup, request: Request, work: Work, timeout_seconds: float | None
    ) -> Found:
        return await self._in_pool(
            self._netgroups,
            fact,
            request,
            "netgroup",
            work,
            timeout_seconds=timeout_seconds or self._limits.netgroup_seconds,
        )

    async def _account(
        self, fact: Lookup, request: Request, work: Work, timeout_seconds: float | None
    ) -> Found:
        return await self._in_pool(
            self._accounts,
            fact,
            request,
            fact,
            work,
            timeout_seconds=timeout_seconds or self._limits.account_seconds,
        )

    async def _in_pool(
        self,
        pool: LookupPool,
        fact: Lookup,
        request: Request,
        network: Hashable,
        work: Work,
        *,
        timeout_seconds: float,
    ) -> Found:
        """Wait for a blocking lookup; what it finds is kept, even when it comes too late."""
        generation, key = self._cache.generation, _cache_key(fact, request)

        def keep(found: Found | Trouble) -> None:
            if isinstance(found, Found):
                self._cache.put(key, found, generation)

        found = await pool.run(
            (generation, key), network, work, timeout_seconds=timeout_seconds, on_done=keep
        )
        if isinstance(found, Trouble):
            return unanswered(fact, found.value)
        return found


#: What a note calls these facts.
SUBJECTS = {Fact.CLIENT_NAME: "name", Fact.SERVER_NAME: "server name", Fact.CLIENT_USER: "user"}


def unanswered(fact: Lookup, why: str) -> Found:
    """What stands for an answer where there is none: unknown, or No."""
    match fact:
        case Fact():
            return Found(UNKNOWN, f"{SUBJECTS[fact]}: {why}")
        case InNetgroup():
            return Found(answer=False, note=f"netgroup: {why}")
        case AccountExists(is_group=is_group):
            return Found(answer=False, note=f"{'group' if is_group else 'account'}: {why}")
        case CommandStatus():
            return Found(None, f"aclexec: {why}")
        case ForwardAddresses(name):
            return Found(frozenset(), f"dns:{shown(name)}: {why}")


def _cache_key(fact: Lookup, request: Request) -> Hashable:
    """What an answer depends on: nothing else of the request."""
    match fact:
        case Fact.CLIENT_NAME:
            return fact, plain(request.client.address)
        case Fact.SERVER_NAME:
            return fact, plain(request.server.address)
        case Fact.CLIENT_USER:
            return fact, request.uid
        case _:
            return fact
