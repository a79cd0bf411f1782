# SPDX-License-Identifier: MIT
"""How `socketgate explain` words an answer for people: the verdict above its reasons."""

import time

from socketgate.answers import BanEntry, ConsideredRule, ExplainAnswer, FactUsed, RulesVerdict
from socketgate.bans import parse_net
from socketgate.cli.output import Paint, Tone, fields, printable
from socketgate.cli.times import span
from socketgate.explain import Question
from socketgate.wording import count

WORDS = {"allow": ("granted", Tone.GOOD), "deny": ("denied", Tone.BAD)}


def answer_text(question: Question, answer: ExplainAnswer, paint: Paint) -> str:
    """The answer for people: the verdict above its reasons."""
    word, tone = WORDS[answer["verdict"]]
    title = f"{printable(question.daemon)} from {printable(question.address)}: "
    return (
        f"{title}{paint(tone, word)}, by {reason(answer)}\n"
    ) + fields(
        [
            ("Bans", [_ban(one, answer) for one in answer["bans"]]),
            ("Without it", _without_ban(answer, paint)),
            ("In force", _in_force(answer)),
            ("Rules", [_rule(one, paint) for one in answer["rules"]] or ["there are none"]),
            ("Facts", [_fact(one) for one in answer["facts"]] or ["none was needed"]),
            ("Messages", list(map(printable, answer["messages"]))),
            ("Limits", list(map(printable, answer["limits"]))),
        ]
    )  # fmt: skip


def _in_force(answer: ExplainAnswer) -> list[str]:
    lines = [f"generation {answer['generation']}"] if answer["generation"] else []
    if answer["not_in_force"]:
        lines.append(f"not what the files say now: {printable(answer['not_in_force'])}")
    return lines


def reason(answer: ExplainAnswer) -> str:
    """What decides."""
    if answer["by"] == "ban":
        return f"a ban of {_net(answer['bans'][0])}"
    return _rules_reason(answer)


def _rules_reason(answer: ExplainAnswer | RulesVerdict) -> str:
    match answer["by"]:
        case "rule":
            return f"{printable(answer['file'] or '')}:{answer['line']}"
        case "no rule":
            return "no rule: none matches"
        case other:
            return printable(other)


def _without_ban(answer: ExplainAnswer, paint: Paint) -> list[str]:
    """What the rules would say to a banned client."""
    unbanned = answer["unbanned"]
    if unbanned is None:
        return []
    word, tone = WORDS[unbanned["verdict"]]
    return [f"{paint(tone, word)}, by {_rules_reason(unbanned)}"]


def _rule(one: ConsideredRule, paint: Paint) -> str:
    mark = paint(Tone.STRONG, "matches") if one["matched"] else "no"
    place = f"{printable(one['file'])}:{one['line']}"
    text = f" {printable(one['text'])}" if one["text"] else ""
    if one["count"] > 1:
        place = f"{printable(one['file'])}:{one['first_line']}-{one['line']}"
    if not one["text"] and not one["matched"]:
        text = f" ({count(one['count'], 'rule')})"
    return f"{place}{text} - {mark}: {printable(one['why'])}"


def _fact(one: FactUsed) -> str:
    age = f", {span(one['age'])} old" if one["age"] >= 1 else ""
    note = f"; {printable(one['note'])}" if one["note"] else ""
    return f"{printable(one['fact'])} = {printable(one['answer'])} ({one['source']}{age}{note})"


def _net(one: BanEntry) -> str:
    return parse_net(one["net"]).name


def _ban(one: BanEntry, answer: ExplainAnswer) -> str:
    words = [_net(one), f"for {printable(one['daemon'])}"]
    if one["until"] is not None:
        words.append(f"another {span(one['until'] - time.time())}")
    words += [printable(text) for text in (one["origin"], one["reason"]) if text]
    if answer["never_banned"]:
        words.append("does not count: never-ban")
    return ", ".join(words)
