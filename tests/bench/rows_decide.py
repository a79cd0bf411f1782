# SPDX-License-Identifier: MIT
"""One decision, from the address as accept(2) gives it: the gate's, and libwrap's."""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from socketgate.rules.policy import Policy
from socketgate.rules.request import Access
from socketgate.rules.source import Sources, Text
from socketgate.rules.table import build_table
from tests.bench import rulesets
from tests.bench.measure import Bench, Line, median

PORT = 22
#: Decisions that one reading of the clock is for.
AT_ONCE = 500
#: The daemon lists of a file that several daemons share; which of them concern DAEMON.
DAEMON_LISTS = ("bench", "ALL", "bench, smtpd", "smtpd", "ALL EXCEPT smtpd")
DAEMON = "bench"
LIBWRAP_DECISIONS = 9


class Disagreement(Exception):
    """It was decided otherwise than it should be: the figures would be worth nothing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Addresses of one kind, how long a decision may take, and how long each took."""

    name: str
    addresses: Sequence[str]
    limit_us: float
    are_listed: bool = False
    figures: list[float] = field(default_factory=list)


def decisions(bench: Bench) -> Iterator[Line]:
    """A table of both families, rules of several daemons."""
    scale = bench.scale
    fours = [rulesets.text_of(one) for one in rulesets.addresses(scale.many, listed=True)]
    sixes = rulesets.sixes(scale.six, listed=True)
    clients = [*fours, *(f"[{six}]" for six in sixes)]
    policy = policy_of(mixed_lines(clients))
    count = scale.decisions
    others = [rulesets.text_of(one) for one in rulesets.addresses(count, listed=False, seed=7)]
    asked = (
        Asked("IPv4, not listed", others, 1.0),
        Asked("IPv4, listed", fours[:count], 1.0, are_listed=True),
        Asked("IPv6, not listed", rulesets.sixes(count, listed=False, seed=7), 2.0),
        Asked("IPv6, listed", sixes[:count], 2.0, are_listed=True),
    )
    for _ in range(scale.rounds):
        for one in asked:
            one.figures.extend(each_us(policy.verdict, one.addresses))
    rules = f"{scale.many:,} + {scale.six:,} rules"
    for one in asked:
        check(policy, one.addresses, are_listed=one.are_listed)
        yield Line(f"{rules}; {one.name}", median(one.figures), "us/decision", one.limit_us)
    bench.note("in a process of the benchmark's own, clock and loop included; median of batches")


def check(policy: Policy, addresses: Sequence[str], *, are_listed: bool) -> None:
    """Raise Disagreement unless the addresses alone decide, and as the rules say."""
    for at, address in enumerate(addresses):
        is_denied = are_listed and DAEMON_LISTS[at % len(DAEMON_LISTS)] != "smtpd"
        verdict = policy.verdict(address)
        if verdict is None or (verdict.access is Access.DENY) is not is_denied:
            raise Disagreement(address)


def mixed_lines(clients: Sequence[str]) -> str:
    """Each client in a rule of the next daemon list."""
    lists = DAEMON_LISTS
    return "".join(f"{lists[at % len(lists)]}: {one}\n" for at, one in enumerate(clients))


def policy_of(deny: str) -> Policy:
    """These rules, as one daemon sees them."""
    return build_table(Sources(deny=Text(deny.encode()))).policy(DAEMON.encode(), PORT)


def each_us(decide: Callable[[str], object], addresses: Sequence[str]) -> list[float]:
    """Microseconds for a decision, one figure for each batch."""
    figures = []
    for start in range(0, len(addresses), AT_ONCE):
        batch = addresses[start : start + AT_ONCE]
        begun = time.perf_counter()
        for address in batch:
            decide(address)
        figures.append((time.perf_counter() - begun) / len(batch) * 1e6)
    return figures


def beside_libwrap(bench: Bench) -> Iterator[Line]:
    """The same files, from ten lines to a million, decided by both."""
    folder = bench.place("libwrap")
    allow, deny = folder / "hosts.allow", folder / "hosts.deny"
    allow.write_text("")
    clients = [
        rulesets.text_of(one)
        for one in rulesets.addresses(bench.scale.decisions, listed=False, seed=7)
    ]
    for count in bench.scale.libwrap_lines:
        text = rulesets.deny_lines(count)
        deny.write_text(text)
        policy = policy_of(text)
        check(policy, clients, are_listed=False)
        theirs: list[float] = []
        ours: list[float] = []
        for _ in range(bench.scale.rounds):
            theirs += libwrap_us(bench, allow, deny, clients[:LIBWRAP_DECISIONS])
            ours += each_us(policy.verdict, clients)
        yield Line(f"libwrap, {count:,} lines", median(theirs), "us/decision")
        yield Line(f"gate, {count:,} lines", median(ours), "us/decision")
        yield Line("libwrap against the gate", median(theirs) / median(ours), "x")


def libwrap_us(bench: Bench, allow: Path, deny: Path, clients: Sequence[str]) -> list[float]:
    """Microseconds libwrap took for each of these clients."""
    words = (bench.program("libwrap_time"), str(allow), str(deny), DAEMON, *clients)
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in said.splitlines()]
    if any(row[1] != "1" for row in rows):
        raise Disagreement("libwrap refused who is not listed")
    return [float(row[0]) for row in rows]
