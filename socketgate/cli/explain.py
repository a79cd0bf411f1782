# SPDX-License-Identifier: MIT
"""`socketgate explain`: what the running gate would say to a client now, and why."""

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from socketgate.answers import BanEntry, ConsideredRule, ExplainAnswer, FactUsed
from socketgate.bans import Ban, Bans, parse_address
from socketgate.banstore import Store
from socketgate.cli import ExitCode
from socketgate.cli.banarguments import own_address
from socketgate.cli.gates import add_gates, find_gate
from socketgate.cli.match import configured
from socketgate.cli.output import Paint, Tone, count, fields, json_text, paint_for, printable, show
from socketgate.cli.times import span
from socketgate.config import Config
from socketgate.dryrun import canonical_address
from socketgate.errors import ConfigError, GateUnreachable, NotPermitted
from socketgate.explain import Grounds, Question, explain
from socketgate.lookup_values import Found
from socketgate.lookups import Lookups
from socketgate.rulefiles import read_sources
from socketgate.rules.request import Endpoint, Need, Request
from socketgate.rules.table import RuleTable, build_table

HELP = "say what the running gate would answer a client now, and why"
EPILOG = """\
Exit status: 0 granted, 1 denied, 2 something is wrong, 3 no such gate runs, 4 not permitted.
Example: socketgate explain sshd 192.0.2.7"""
WORDS = {"allow": ("granted", Tone.GOOD), "deny": ("denied", Tone.BAD)}
KEYS = ("name", "user")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("name", metavar="NAME", help="the daemon, as sshd")
    parser.add_argument("address", metavar="ADDR", help="the client's address")
    parser.add_argument(
        "facts", nargs="*", metavar="name=HOST|user=USER", help="instead of looking them up"
    )
    parser.add_argument(
        "--files",
        action="store_true",
        help="by the files as they are now, and whether that differs from what is in force",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="with --files, instead of socketgate.toml"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(allow=None, deny=None)
    add_gates(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it; the answer is the exit code."""
    question = question_of(arguments)
    differs = ""
    if arguments.files:
        config = configured(arguments)
        answer = asyncio.run(by_files(question, config))
        differs = difference(arguments, question, answer)
    else:
        answer = by_gate(arguments, question)
    warning = own_session_warning(question, answer)
    if arguments.json:
        show(json_text({**answer, "warning": warning or None, "differs": differs or None}))
    else:
        paint = paint_for(sys.stdout)
        show(answer_text(question, answer, paint))
        for text in (differs, warning):
            if text:
                print(paint_for(sys.stderr)(Tone.WARNING, f"socketgate: {text}"), file=sys.stderr)
    return ExitCode.OK if answer["verdict"] == "allow" else ExitCode.DENIED


def question_of(arguments: argparse.Namespace) -> Question:
    """What the command line asks; raises ConfigError."""
    given: dict[str, str] = {}
    for pair in arguments.facts:
        key, equals, value = pair.partition("=")
        if key not in KEYS or not equals or not value:
            raise ConfigError(f"{printable(pair)!r}: write name=HOST or user=USER")
        given[key] = value
    address = canonical_address(arguments.address)
    if address is None:
        raise ConfigError(f"{printable(arguments.address)!r} is no IPv4 or IPv6 address")
    return Question(arguments.name, address, given.get("name"), given.get("user"))


def by_gate(arguments: argparse.Namespace, question: Question) -> ExplainAnswer:
    """The running gate's own answer; raises SocketgateError."""
    gate = find_gate(question.daemon, arguments.gates)
    parameters: Mapping[str, object] = {
        "daemon": question.daemon,
        "address": question.address,
        "name": question.name,
        "user": question.user,
    }
    return gate.ask("Explain", parameters, ExplainAnswer)


async def by_files(question: Question, config: Config) -> ExplainAnswer:
    """The answer by the files as they are now; raises ConfigError."""
    sources = read_sources(config.rules)
    table = build_table(sources)
    bans = Bans(config.bans.never_ban)
    for ban in _bans(config.bans.store):
        bans.apply(ban)
    lookups = Lookups(config.lookups)
    try:
        lookups.watch_forward(table.forward_names)
        await lookups.forward_settled(config.lookups.name_seconds)
        return await explain(question, _grounds(table, bans, lookups))
    finally:
        lookups.close()


def _bans(store: Path) -> list[Ban]:
    try:
        return Store(store).bans(time.time())
    except OSError:
        return []


def _grounds(table: RuleTable, bans: Bans, lookups: Lookups) -> Grounds:
    def kept(need: Need, request: Request) -> tuple[Found, float] | None:
        found = lookups.cached(need.fact, request)
        return None if found is None else (found, lookups.age(need.fact, request))

    async def look_up(need: Need, request: Request) -> Found:
        return await lookups.look_up(need.fact, request)

    errors = table.errors
    wrong = (f"{count(len(errors), 'error')} in the files: a gate would not take them",)
    return Grounds(
        table=table,
        generation=None,
        server=Endpoint(),
        kept=kept,
        look_up=look_up,
        bans=bans,
        limits=wrong if errors else (),
    )


def difference(arguments: argparse.Namespace, question: Question, answer: ExplainAnswer) -> str:
    """How the files' answer differs from that of the gate; empty when it doesn't."""
    try:
        running = by_gate(arguments, question)
    except (GateUnreachable, NotPermitted) as error:
        return f"this can't be compared with what is in force: {error}"
    deciding = ("verdict", "by", "file", "line")
    if all(running[key] == answer[key] for key in deciding):  # type: ignore[literal-required]  # keys of both
        return ""
    word = WORDS[running["verdict"]][0]
    return (
        f"the running gate says otherwise: {word}, by {_reason(running)} "
        f"(generation {running['generation']})"
    )


def own_session_warning(question: Question, answer: ExplainAnswer) -> str:
    """Whether who is typing would be the one refused."""
    own = own_address()
    if not own or answer["verdict"] == "allow":
        return ""
    try:
        same = parse_address(own.partition("%")[0]) == parse_address(question.address)
    except ValueError:
        return ""
    return f"this would refuse your own session: you are connected from {own}" if same else ""


def answer_text(question: Question, answer: ExplainAnswer, paint: Paint) -> str:
    """The answer for people: the verdict above its reasons."""
    word, tone = WORDS[answer["verdict"]]
    title = f"{printable(question.daemon)} from {printable(question.address)}: "
    passed = answer["not_shown"]
    rules = [_rule(one, paint) for one in answer["rules"]]
    if passed:
        rules.append(f"({count(passed, 'more rule')} passed over, none of which matches)")
    generation = answer["generation"]
    return (
        f"{title}{paint(tone, word)}, by {_reason(answer)}\n"
    ) + fields(
        [
            ("In force", [f"generation {generation}"] if generation else []),
            ("Rules", rules or ["there are none"]),
            ("Facts", [_fact(one) for one in answer["facts"]] or ["none was needed"]),
            ("Bans", [_ban(one, answer) for one in answer["bans"]]),
            ("Messages", list(map(printable, answer["messages"]))),
            ("Limits", list(map(printable, answer["limits"]))),
        ]
    )  # fmt: skip


def _reason(answer: ExplainAnswer) -> str:
    match answer["by"]:
        case "ban":
            return f"a ban of {printable(answer['bans'][0]['net'])}"
        case "rule":
            return f"{printable(answer['file'] or '')}:{answer['line']}"
        case "no rule":
            return "no rule: none matches"
        case other:
            return printable(other)


def _rule(one: ConsideredRule, paint: Paint) -> str:
    mark = paint(Tone.STRONG, "matches") if one["matched"] else "no"
    place = f"{printable(one['file'])}:{one['line']}"
    text = f" {printable(one['text'])}" if one["text"] else ""
    return f"{place}{text} - {mark}: {printable(one['why'])}"


def _fact(one: FactUsed) -> str:
    age = f", {span(one['age'])} old" if one["age"] >= 1 else ""
    note = f"; {printable(one['note'])}" if one["note"] else ""
    return f"{printable(one['fact'])} = {printable(one['answer'])} ({one['source']}{age}{note})"


def _ban(one: BanEntry, answer: ExplainAnswer) -> str:
    words = [printable(one["net"]), f"for {printable(one['daemon'])}"]
    if one["until"] is not None:
        words.append(f"another {span(one['until'] - time.time())}")
    words += [printable(text) for text in (one["origin"], one["reason"]) if text]
    if answer["never_banned"]:
        words.append("does not count: never-ban")
    return ", ".join(words)
