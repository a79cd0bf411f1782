# SPDX-License-Identifier: MIT
"""The judgement: which rule is the first to match, and what its options say.

    hosts.allow  a rule matches: allow    } unless its options jump (allow, deny, an error, twist)
    hosts.deny   a rule matches: deny     } or an aclexec failed: then it does not count
    neither: allow

Nothing is looked up that libwrap would not look up at the same place; docs/language.md names the
few lookups that are left out because they can't change anything.
"""

from socketgate.rules.facts import FactNeeded, Facts
from socketgate.rules.policy import Policy, address_rule_verdict
from socketgate.rules.request import Access, Need, Request, RulePlace
from socketgate.rules.rule import DENY_BASE, NO_RULE, Broken, Rule
from socketgate.rules.steps import Run
from socketgate.rules.table import RuleTable
from socketgate.rules.verdict import Verdict


def decide(table: RuleTable, request: Request) -> Verdict | Need:
    """Judge a request against a table, or say what must be looked up first."""
    policy = table.policy(request.daemon, request.server.port)
    run = Run(Facts(request, table.reading.interfaces))
    try:
        return _judge(policy, run)
    except FactNeeded as needed:
        return Need(needed.fact, needed.timeout_seconds, tuple(run.actions), run.rule)


def _judge(policy: Policy, run: Run) -> Verdict:
    facts = run.facts
    number = _first_match(policy, facts, after_allow=False)
    verdict = _verdict(policy, run, number)
    if verdict is None and number < DENY_BASE:
        verdict = _verdict(policy, run, _first_match(policy, facts, after_allow=True))
    return verdict or _finish(run, Access.ALLOW, None)


def _first_match(policy: Policy, facts: Facts, *, after_allow: bool) -> int:
    """The number of the first rule that matches, or NO_RULE."""
    client = facts.client.address
    by_address = policy.first_by_address(client, after_allow=after_allow)
    is_plain = client.canonical is not None or client.six is not None
    for rule in policy.residual if is_plain else policy.everyone:
        if rule.number >= by_address:
            break
        if after_allow and rule.number < DENY_BASE:
            continue
        if isinstance(rule, Broken) or rule.matches(facts):
            return rule.number
    return by_address


def _verdict(policy: Policy, run: Run, number: int) -> Verdict | None:
    """What the rule that matched makes of the request; None when it does not count after all."""
    if number == NO_RULE:
        return None
    match policy.by_number.get(number):
        case Rule() as rule:
            return _rule_verdict(rule, run)
        case Broken(messages=messages):
            run.facts.messages += messages
            return _finish(run, Access.DENY, None)
        case None:  # pragma: no branch  # there is no other value
            verdict = address_rule_verdict(number, policy.origins)
            return _finish(run, verdict.access, verdict.place)


def _rule_verdict(rule: Rule, run: Run) -> Verdict | None:
    run.rule = run.facts.place = rule.place
    access = run.carry_out(rule.steps)
    if access is None:
        if rule.steps and run.aclexec_failed:
            run.rule = None
            return None
        access = Access.DENY if rule.number >= DENY_BASE else Access.ALLOW
    return _finish(run, access, rule.place)


def _finish(run: Run, access: Access, place: RulePlace | None) -> Verdict:
    facts = run.facts
    return Verdict(access, place, tuple(run.actions), tuple(facts.messages), facts.as_request())
