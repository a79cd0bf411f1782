# SPDX-License-Identifier: MIT
"""How a verdict came about: the rules that were looked at, in order, and why each did or didn't
match. For people; decide() knows nothing of it and is not slower for it.

The request is the one that was judged: with every fact that was looked up for it.
"""

from bisect import bisect_left
from dataclasses import dataclass, replace

from socketgate.rules.facts import FactNeeded, Facts
from socketgate.rules.policy import Policy
from socketgate.rules.request import UNKNOWN, Access, Fact, Request, RulePlace, TableName
from socketgate.rules.rule import DENY_BASE, NO_RULE, Broken, Rule, WordList, rule_number
from socketgate.rules.table import RuleTable
from socketgate.rules.verdict import Verdict

#: A longer story is told from its end.
MAX_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Considered:
    """One rule: whether both its lists match, and why. `text` is empty for a plain address rule."""

    place: RulePlace
    text: bytes
    is_match: bool
    why: str


@dataclass(frozen=True, slots=True)
class Trace:
    """The rules up to the one that decided; and how many more were passed over without a word."""

    considered: tuple[Considered, ...]
    not_shown_count: int


def trace(table: RuleTable, request: Request, verdict: Verdict) -> Trace:
    """Follow a decision. A rule may match and not count: then what comes next tells."""
    policy = table.policy(request.daemon, request.server.port)
    last = _deciding(table, verdict)
    numbers = sorted(number for number in table.by_number if number <= last)
    considered: list[Considered] = []
    skipped_until = 0
    for number in numbers[-MAX_SHOWN:]:
        if number < skipped_until:
            continue
        one = _consider(table, table.by_number[number], request)
        considered.append(one)
        if one.is_match and number < min(last, DENY_BASE):
            skipped_until = DENY_BASE  # its aclexec failed: hosts.deny is next
    if last != NO_RULE and last not in table.by_number:
        why = f"the address is {request.client.address.decode('utf-8', 'replace')}"
        considered.append(Considered(table.origins.place(last), b"", is_match=True, why=why))
    passed = _address_rule_count(policy, last)
    return Trace(tuple(considered), passed + max(len(numbers) - MAX_SHOWN, 0))


def _deciding(table: RuleTable, verdict: Verdict) -> int:
    """The number of the rule that decided; NO_RULE when none did."""
    place = verdict.place
    if place is not None:
        number = rule_number(place.table, place.line)
        is_turned = (verdict.access is Access.DENY) != (place.table is TableName.DENY)
        return number if number in table.by_number else number | is_turned
    if verdict.access is Access.DENY and table.deny.broken is not None:
        return table.deny.broken.number
    return NO_RULE


def _consider(table: RuleTable, rule: Rule | Broken, request: Request) -> Considered:
    place = table.origins.place(rule.number)
    if isinstance(rule, Broken):
        why = "from here on the file can't be read: everybody is refused"
        return Considered(place, b"", is_match=True, why=why)
    text = b" ".join(piece.source.strip() for piece in rule.line.pieces)
    try:
        is_match, why = _judge(rule, request, table)
    except FactNeeded:
        is_match, why = False, "did not come into question"
    return Considered(place, text, is_match, why)


def _judge(rule: Rule, request: Request, table: RuleTable) -> tuple[bool, str]:
    facts = Facts(request, table.interfaces)
    facts.place = rule.place
    if not rule.daemons.matches(facts):
        return False, _not_for(rule, request)
    if rule.clients.matches(facts):
        return True, _because(rule.clients, request, table)
    return False, _why_not(rule.clients, facts)


def _not_for(rule: Rule, request: Request) -> str:
    daemon = request.daemon.decode("utf-8", "replace")
    return f"not for {daemon} at the server's address" if _has_host(rule) else f"not for {daemon}"


def _has_host(rule: Rule) -> bool:
    return any(word.host is not None for segment in rule.daemons.segments for word in segment)


def _because(clients: WordList, request: Request, table: RuleTable) -> str:
    """What it took to match: the address alone, or facts."""
    known = replace(request, facts={})
    used: list[str] = []
    while True:
        try:
            clients.matches(Facts(known, table.interfaces))
        except FactNeeded as needed:
            answer = request.facts[needed.fact]
            known = known.with_fact(needed.fact, answer)
            used.append(_said(needed.fact, answer))
        else:
            return ", ".join(used) or "the address alone does it"


def _why_not(clients: WordList, facts: Facts) -> str:
    first = WordList(clients.segments[:1])
    if first.matches(facts):
        return "its EXCEPT takes the client out"
    seen = [
        _said(fact, answer)
        for fact, answer in facts.request.facts.items()
        if isinstance(fact, Fact) and fact is not Fact.SERVER_NAME
    ]
    return "; ".join(["the client is none of these", *seen])


def _said(fact: object, answer: object) -> str:
    name = fact.value if isinstance(fact, Fact) else "a lookup"
    if isinstance(answer, bytes):
        text = "not known" if answer == UNKNOWN else answer.decode("utf-8", "backslashreplace")
        return f"the {name} is {text}"
    return f"{name} says {'yes' if answer else 'no'}"


def _address_rule_count(policy: Policy, until: int) -> int:
    """How many of this daemon's rules of one address stand before that number."""
    return sum(
        bisect_left(numbers, until)
        for lines in policy.address_lines
        for numbers in (lines.word_numbers, lines.net_numbers, lines.six_numbers)
    )
