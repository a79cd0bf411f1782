# SPDX-License-Identifier: MIT
"""How `socketgate match` words an answer, for people and as JSON."""

from socketgate.cli.output import Paint, Tone, fields, printable
from socketgate.dryrun import Answer, Given, rule_lines
from socketgate.rules.diagnostic import Diagnostic
from socketgate.rules.option import (
    Action,
    Banners,
    KeepAlive,
    Linger,
    Nice,
    RunAsGroup,
    RunAsUser,
    SetEnv,
    Severity,
    Spawn,
    Twist,
    Umask,
)
from socketgate.rules.request import (
    Access,
    CommandStatus,
    Fact,
    InNetgroup,
    Lookup,
)
from socketgate.rules.request import Answer as FactAnswer
from socketgate.rules.source import Sources
from socketgate.rules.table import RuleTable
from socketgate.rules.why import fact_name, fact_value

WORDS = {Access.ALLOW: ("granted", Tone.GOOD), Access.DENY: ("denied", Tone.BAD)}
#: How a fact is given on the command line.
KEYS = {Fact.CLIENT_NAME: "name", Fact.CLIENT_USER: "user", Fact.SERVER_NAME: "sname"}
FACTS = {key: fact for fact, key in KEYS.items()}


def answer_text(
    answer: Answer, table: RuleTable, sources: Sources, given: Given, paint: Paint
) -> str:
    """The answer for people, a verdict above its reasons."""
    verdict = answer.verdict
    word, tone = WORDS[verdict.access]
    client = printable(answer.request.client.address)
    title = f"{printable(answer.request.daemon)} from {client}: "
    notes = [f"{one.brief} [{one.code}]" for one in remarks(answer, table)]
    messages = [printable(text) for text in (*verdict.messages, *answer.notes)]
    return (
        title
        + paint(tone, word)
        + "\n"
        + fields(
            (
                ("Rule", _rule(answer, table, sources)),
                (
                    "Facts",
                    [fact_text(*one, given) for one in answer.request.facts.items()] or ["none"],
                ),
                ("Options", [option_text(action) for action in verdict.actions]),
                ("Messages", messages),
                ("Notes", [printable(note) for note in notes]),
            )
        )
    )


def answer_json(
    answer: Answer, table: RuleTable, sources: Sources, given: Given
) -> dict[str, object]:
    """The answer as JSON: what --jsonl says, and the reasons."""
    place, request = answer.verdict.place, answer.request
    lines = list(rule_lines(table, sources, place)) if place else []
    return verdict_json(answer) | {
        "daemon": request.daemon.decode("utf-8", "surrogateescape"),
        "addr": request.client.address.decode("utf-8", "surrogateescape"),
        "path": place.origin if place else None,
        "rule": "\n".join(line.decode("utf-8", "surrogateescape") for line in lines) or None,
        "facts": [
            {
                "fact": printable(fact_name(fact)),
                "answer": answer_word(found),
                "given": is_given(fact, given),
            }
            for fact, found in request.facts.items()
        ],
        "options": [option_text(action) for action in answer.verdict.actions],
        "notes": list(answer.notes),
        "warnings": [one.brief for one in remarks(answer, table)],
    }


def verdict_json(answer: Answer) -> dict[str, object]:
    """The verdict as a line of --jsonl has it."""
    verdict = answer.verdict
    return {
        "verdict": verdict.access.value,
        "twist": any(isinstance(action, Twist) for action in verdict.actions),
        "file": verdict.place.table.value if verdict.place else None,
        "line": verdict.place.line if verdict.place else None,
        "errors": list(verdict.messages),
    }


def _rule(answer: Answer, table: RuleTable, sources: Sources) -> list[str]:
    place = answer.verdict.place
    if place is not None:
        lines = rule_lines(table, sources, place)
        return [printable(f"{place.origin}:{place.line}"), *map(printable, lines)]
    if answer.verdict.access is Access.ALLOW:
        return ["none matches: granted by default"]
    return ["none: hosts.deny can't be read on, so nobody gets in who gets there"]


def remarks(answer: Answer, table: RuleTable) -> list[Diagnostic]:
    """What `socketgate check` says about the rule that decided."""
    place = answer.verdict.place
    if place is None:
        return []
    rule = next(
        (rule for rule in (*table.allow.rules, *table.deny.rules) if rule.place == place), None
    )
    first = rule.line.pieces[0].line if rule is not None else place.line
    return [
        one
        for one in table.diagnostics
        if one.origin == place.origin and first <= one.line <= place.line
    ]


def answer_word(found: FactAnswer) -> str | int | bool | list[str] | None:
    """A fact's answer, as JSON has it."""
    if isinstance(found, bytes):
        return found.decode("utf-8", "surrogateescape")
    if isinstance(found, frozenset):
        return sorted(address.decode("utf-8", "surrogateescape") for address in found)
    return found


def is_given(fact: Lookup, given: Given) -> bool:
    """Whether the answer came with the request."""
    match fact:
        case Fact():
            return fact in given.facts
        case CommandStatus():
            return True
        case InNetgroup():
            return given.netgroups is not None
        case _:
            return False


def fact_text(fact: Lookup, found: FactAnswer, given: Given) -> str:
    """A fact and its answer, and how to give it if it isn't known."""
    text = printable(f"{fact_name(fact)} = {fact_value(found)}")
    if isinstance(fact, Fact) and found == b"unknown" and fact not in given.facts:
        return f"{text} (give it by {KEYS[fact]}=)"
    if isinstance(fact, CommandStatus):
        return f"{text} (not run; give it by aclexec=)"
    return text


def option_text(action: Action) -> str:
    """What an option asks for, as it would be written in a rule, expanded."""
    return printable(_option(action))


def _option(action: Action) -> bytes | str:
    match action:
        case Spawn(command):
            return b"spawn " + command
        case Twist(command):
            return b"twist " + command
        case Severity(facility, level):
            return f"severity {facility}.{level}" if facility else f"severity {level}"
        case KeepAlive():
            return "keepalive"
        case Linger(seconds):
            return f"linger {seconds}"
        case Banners(directory):
            return b"banners " + directory
        case SetEnv(name, value):
            return b"setenv " + name + b" " + value
        case Umask(mode):
            return f"umask {mode:03o}"
        case Nice(increment):
            return f"nice {increment}"
        case RunAsUser(user, group):
            return b"user " + (user if group is None else user + b"." + group)
        case RunAsGroup(group):
            return b"group " + group
