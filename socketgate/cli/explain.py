# SPDX-License-Identifier: MIT
"""`socketgate explain`: what the running gate would say to a client now, and why."""

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from socketgate.accountcheck import account_faults
from socketgate.answers import ExplainAnswer
from socketgate.bans import Bans
from socketgate.banstore import Store
from socketgate.cli import ExitCode
from socketgate.cli.banarguments import is_own_session, own_address
from socketgate.cli.clientwords import port, split_at, values_by_key
from socketgate.cli.explaintext import WORDS, answer_text, reason
from socketgate.cli.findingtext import as_json, as_text, in_order
from socketgate.cli.gates import add_gates, find_gate
from socketgate.cli.match import configured
from socketgate.cli.output import (
    Tone,
    add_pager,
    json_text,
    paint_for,
    printable,
    show,
    write,
)
from socketgate.cli.streams import complain
from socketgate.config import BansConfig, Config, OnError
from socketgate.dryrun import canonical_address
from socketgate.errors import ConfigError, GateUnreachable, NotPermitted, RuleError
from socketgate.explain import Grounds, Question, explain
from socketgate.lookups import Lookups
from socketgate.rulefiles import read_sources
from socketgate.rules.diagnostic import Diagnostic
from socketgate.rules.names import accounts_named
from socketgate.rules.request import Endpoint
from socketgate.rules.source import Sources
from socketgate.rules.table import RuleTable, build_table
from socketgate.wording import count

HELP = "say what the running gate would answer a client now, and why"
USAGE = """
  socketgate explain DAEMON ADDRESS [name=HOST] [user=USER] [saddr=ADDRESS] [OPTION ...]
  socketgate explain DAEMON ADDRESS --files [KEY=VALUE ...] [sport=PORT] [OPTION ...]"""
EPILOG = """\
DAEMON may be DAEMON@SERVER, ADDRESS may be USER@ADDRESS. Names that aren't given are looked up.
KEY: name, user (the client's), saddr (the server's address, where a gate listens on several);
sport (with --files: the server's port, which a gate knows).
Exit status: 0 granted, 1 denied, 2 something is wrong, 3 no such gate runs, 4 not permitted.
Example: socketgate explain sshd 192.0.2.7"""
KEYS = ("name", "user", "saddr", "sport")
#: As a call on the control socket has it.
MAX_TEXT = 255


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.usage, parser.epilog = USAGE, EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--files",
        action="store_true",
        help="by the files as they are now, and whether that differs from what is in force",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="with --files, instead of socketgate.toml"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_pager(parser)
    parser.set_defaults(allow=None, deny=None)
    add_gates(parser)
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Do it; the answer is the exit code."""
    question = question_of(arguments.words, may_have_port=arguments.files)
    differs = ""
    if arguments.files:
        config = configured(arguments)
        sources = read_sources(config.rules)
        table = build_table(sources)
        if config.rules.on_error is OnError.KEEP and (errors := errors_of(table, sources)):
            raise refusal(errors, as_json_text=arguments.json)
        answer = asyncio.run(by_files(question, config, sources, table))
        differs = difference(arguments, question, answer)
    else:
        answer = by_gate(arguments, question)
    warning = own_session_warning(question, answer)
    if arguments.json:
        said = {"warning": warning or None, "differs": differs or None}
        show(json_text({**answer, **said, "errors": []}), by_pager=not arguments.no_pager)
    else:
        text = answer_text(question, answer, paint_for(sys.stdout))
        show(text, by_pager=not arguments.no_pager)
        for text in (differs, warning):
            if text:
                complain(paint_for(sys.stderr)(Tone.WARNING, f"socketgate: {text}"))
    return ExitCode.OK if answer["verdict"] == "allow" else ExitCode.DENIED


def question_of(words: Sequence[str], *, may_have_port: bool) -> Question:
    """What the command line asks; raises ConfigError."""
    if len(words) < 2:
        raise ConfigError("name a daemon and a client: socketgate explain sshd 192.0.2.7")
    (daemon, server), (user, address) = split_at(words[0]), split_at(words[1])
    if address is None:
        user, address = "", user
    given = values_by_key([*words[2:], *_pairs(saddr=server, user=user or None)], KEYS)
    for key, text in given.items():
        if not 0 < len(text) <= MAX_TEXT:
            raise ConfigError(f"{key}=: write a text of 1 to {MAX_TEXT} characters")
    if "sport" in given and not may_have_port:
        raise ConfigError("sport= goes with --files: a gate knows its port")
    return Question(
        daemon,
        _address(address),
        given.get("name"),
        given.get("user"),
        _address(given["saddr"]) if "saddr" in given else None,
        port("sport", given["sport"]) if "sport" in given else None,
    )


def _pairs(**texts: str | None) -> list[str]:
    return [f"{key}={text}" for key, text in texts.items() if text is not None]


def _address(text: str) -> str:
    address = canonical_address(text)
    if address is None:
        raise ConfigError(f"{printable(text)!r} is no IPv4 or IPv6 address")
    return address


def errors_of(table: RuleTable, sources: Sources) -> list[Diagnostic]:
    """What keeps a gate from taking the rules over, in the order of the files."""
    return in_order([*table.errors, *account_faults(accounts_named(table))], sources)


def refusal(errors: Sequence[Diagnostic], *, as_json_text: bool) -> RuleError:
    """Say what is wrong with the files, as `check` does: they give no answer."""
    if as_json_text:
        write(json_text({"verdict": None, "errors": as_json(errors, 0)["diagnostics"]}))
    paint = paint_for(sys.stderr)
    for error in errors:
        complain(as_text(error, paint))
    return RuleError(
        f"{count(len(errors), 'error')} in the files: a gate would keep its previous rules"
        " ('socketgate explain' without --files says what those are)"
    )


def by_gate(arguments: argparse.Namespace, question: Question) -> ExplainAnswer:
    """The running gate's own answer; raises SocketgateError."""
    gate = find_gate(question.daemon, arguments.gates)
    parameters: Mapping[str, object] = {
        "daemon": question.daemon,
        "address": question.address,
        "name": question.name,
        "user": question.user,
        "server": question.server,
    }
    return gate.ask("Explain", parameters, ExplainAnswer)


async def by_files(
    question: Question, config: Config, sources: Sources, table: RuleTable
) -> ExplainAnswer:
    """The answer by the files as they are now."""
    bans, trouble = _bans(config.bans)
    lookups = Lookups(config.lookups)
    try:
        lookups.watch_forward(table.forward_names)
        await lookups.forward_settled(config.lookups.name_seconds)
        grounds = Grounds(
            sources=sources,
            table=table,
            generation=None,
            server=Endpoint(),
            kept=lookups.kept,
            look_up=lookups.find_out,
            bans=bans,
            limits=(trouble,) if trouble else (),
        )
        return await explain(question, grounds)
    finally:
        lookups.close()


def _bans(config: BansConfig) -> tuple[Bans, str]:
    """The bans in force, and why they are unknown, if so."""
    bans = Bans(config.never_ban)
    try:
        for ban in Store(config.store).bans(time.time()):
            bans.apply(ban)
    except OSError as error:
        return bans, f"bans don't count here: {config.store} can't be read: {error.strerror}"
    return bans, ""


def difference(arguments: argparse.Namespace, question: Question, answer: ExplainAnswer) -> str:
    """How the files' answer differs from that of the gate; empty when it doesn't."""
    try:
        running = by_gate(arguments, question)
    except (GateUnreachable, NotPermitted) as error:
        return f"this can't be compared with what is in force: {error}"
    deciding = ("verdict", "by", "file", "line", "text")
    if all(running[key] == answer[key] for key in deciding):  # type: ignore[literal-required]  # keys of both
        return ""
    word = WORDS[running["verdict"]][0]
    text = f" {printable(running['text'])}" if running["text"] else ""
    return (
        f"the running gate says otherwise: {word}, by {reason(running)}{text} "
        f"(generation {running['generation']})"
    )


def own_session_warning(question: Question, answer: ExplainAnswer) -> str:
    """Whether who is typing would be the one refused."""
    if answer["verdict"] == "allow" or not is_own_session(question.address):
        return ""
    return f"this would refuse your own session: you are connected from {own_address()}"
