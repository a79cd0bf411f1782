# SPDX-License-Identifier: MIT
"""`socketgate match`: what the rules would say to a client, and why. Executes nothing."""

import argparse
import asyncio
import re
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from socketgate.cli import ExitCode
from socketgate.cli.clientwords import port, split_at, values_by_key
from socketgate.cli.matchlines import answer_lines
from socketgate.cli.matchtext import FACTS, answer_json, answer_text
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
from socketgate.config import Config, OnError, load_config
from socketgate.dryrun import Answer, Given, answer_given, answer_looked_up, canonical_address
from socketgate.errors import ConfigError, RuleError
from socketgate.filecheck import missing_diagnostics
from socketgate.lookups import Lookups
from socketgate.rulefiles import read_sources
from socketgate.rules.request import UNKNOWN, Access, Endpoint, Request
from socketgate.rules.table import RuleTable, build_table
from socketgate.socketunits import socket_names
from socketgate.surroundings import nearest_socket
from socketgate.wording import count

HELP = "say what the rules would answer a client, and why"
USAGE = """
  socketgate match DAEMON ADDRESS [name=HOST] [user=USER] [KEY=VALUE ...] [OPTION ...]
  socketgate match DAEMON ADDRESS|HOST --resolve [OPTION ...]
  socketgate match --jsonl [OPTION ...] <REQUESTS"""
EPILOG = """\
DAEMON may be DAEMON@SERVER, ADDRESS may be USER@ADDRESS. What isn't given is unknown.
KEY: name, user (the client's), cport (its port); saddr, sname, sport (the server's address, name
and port); aclexec (the exit statuses that commands are taken to have: 0, or 1,0).
Exit status: 0 granted, 1 denied, 2 the command line, the configuration or the rules are wrong.
Example: socketgate match sshd 192.0.2.7 name=host.example.org"""

#: So many errors in the rules are shown; `check` shows them all.
MAX_ERRORS = 10
#: Besides the facts.
OTHER_KEYS = ("saddr", "sport", "cport", "aclexec")
STATUSES = re.compile(r"-?[0-9]{1,3}(?:,-?[0-9]{1,3})*")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks: a client by an address or, to be resolved, by a name."""

    daemon: str
    client: str
    given: dict[str, str]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.usage, parser.epilog = USAGE, EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_files(parser)
    parser.add_argument(
        "--resolve", action="store_true", help="look names up, as the gate would for a client"
    )
    parser.add_argument(
        "--libwrap",
        action="store_true",
        help="decide as libwrap does: bad lines are skipped or refuse, dns:NAME means nothing",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument(
        "--jsonl",
        action="store_true",
        help="answer requests from standard input: one JSON object on each line",
    )
    add_pager(parser)
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)


def add_files(parser: argparse.ArgumentParser) -> None:
    """The options that say where the rules are."""
    parser.add_argument(
        "--allow", metavar="FILE", type=Path, help="instead of the configured hosts.allow"
    )
    parser.add_argument(
        "--deny", metavar="FILE", type=Path, help="instead of the configured hosts.deny"
    )
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="instead of /etc/socketgate/socketgate.toml"
    )


def configured(arguments: argparse.Namespace) -> Config:
    """The configuration with the files of the command line; raises ConfigError."""
    config = load_config(arguments.config)
    rules = replace(
        config.rules,
        allow=arguments.allow or config.rules.allow,
        deny=arguments.deny or config.rules.deny,
    )
    typed = {("rules", key) for key in ("allow", "deny") if vars(arguments)[key]}
    places = {key: place for key, place in config.places.items() if key not in typed}
    return replace(config, rules=rules, places=places)


def run(arguments: argparse.Namespace) -> int:
    """Do it; the answer is the exit code."""
    asked = None if arguments.jsonl else parse_words(arguments.words)
    config = configured(arguments)
    if arguments.libwrap or asked is None:
        config = replace(config, rules=replace(config.rules, on_error=OnError.LIBWRAP))
    if asked is None:
        if arguments.words or arguments.resolve:
            raise ConfigError(
                "--jsonl takes its requests from standard input, and looks nothing up"
            )
        sources = read_sources(config.rules, extensions=False)
        return answer_lines(sys.stdin.buffer, sys.stdout, sources)
    near = nearest_socket(asked.daemon, socket_names())
    if near and near != asked.daemon.lower():
        complain(f"socketgate: no socket is called {asked.daemon}: did you mean {near}?")
    given = given_by(asked)
    addresses = client_addresses(asked.client, may_resolve=arguments.resolve)
    sources = read_sources(config.rules, extensions=not arguments.libwrap)
    for warning in missing_diagnostics(config, sources):
        complain(f"socketgate: {printable(warning.origin)}: {warning.message}")
    table = build_table(sources)
    if config.rules.on_error is OnError.KEEP:
        refuse_errors(table, as_json=arguments.json)
    requests = [request_of(asked, address) for address in addresses]
    if arguments.resolve:
        answers = asyncio.run(look_all_up(table, requests, given, config))
    else:
        answers = [answer_given(table, request, given) for request in requests]
    if arguments.json:
        described = [answer_json(one, table, sources, given) for one in answers]
        text = json_text(described if is_name(asked.client) else described[0])
    else:
        paint = paint_for(sys.stdout)
        text = "\n".join(answer_text(one, table, sources, given, paint) for one in answers)
    show(text, by_pager=not arguments.no_pager)
    denied = any(one.verdict.access is Access.DENY for one in answers)
    return ExitCode.DENIED if denied else ExitCode.OK


def parse_words(words: Sequence[str]) -> Asked:
    """The request; raises ConfigError."""
    if len(words) < 2:
        raise ConfigError("name a daemon and a client: socketgate match sshd 192.0.2.7")
    (daemon, server), (user, client) = split_at(words[0]), split_at(words[1])
    pairs = list(words[2:])
    if server is not None:
        pairs.append(f"{'sname' if canonical_address(server) is None else 'saddr'}={server}")
    if client is None:
        client = user
    else:
        pairs.append(f"user={user}")
    if not daemon or not client:
        raise ConfigError("neither the daemon nor the client may be empty")
    return Asked(daemon, client, values_by_key(pairs, (*FACTS, *OTHER_KEYS)))


def given_by(asked: Asked) -> Given:
    """The facts that are known beforehand; raises ConfigError."""
    facts = {FACTS[key]: _bytes(value) for key, value in asked.given.items() if key in FACTS}
    statuses = asked.given.get("aclexec", "0")
    if not STATUSES.fullmatch(statuses):
        raise ConfigError("aclexec must be an exit status, or several with commas: 1,0")
    return Given(facts, tuple(map(int, statuses.split(","))))


def request_of(asked: Asked, address: str) -> Request:
    """What the rules are asked about a client of this address; raises ConfigError."""
    server = asked.given.get("saddr", "unknown")
    canonical = server if server == "unknown" else canonical_address(server)
    if canonical is None:
        raise ConfigError(f"saddr={printable(server)}: no IP address")
    return Request(
        daemon=_bytes(asked.daemon),
        client=Endpoint(_bytes(address), _port(asked, "cport")),
        server=Endpoint(_bytes(canonical), _port(asked, "sport")),
    )


def _port(asked: Asked, key: str) -> int | None:
    return port(key, asked.given[key]) if key in asked.given else None


def is_name(client: str) -> bool:
    """Whether the client is named by its host name, which may have several addresses."""
    return client != UNKNOWN.decode() and canonical_address(client) is None


def client_addresses(client: str, *, may_resolve: bool) -> list[str]:
    """The client's addresses: one, or all that a name has; raises ConfigError."""
    if not is_name(client):
        return [canonical_address(client) or client]
    if not may_resolve:
        raise ConfigError(
            f"{printable(client)} is no IP address: add --resolve to have a name looked up"
        )
    try:
        found = socket.getaddrinfo(client, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no host name"
        raise ConfigError(f"{printable(client)}: {reason}") from error
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def refuse_errors(table: RuleTable, *, as_json: bool) -> None:
    """Raise RuleError for rules that a gate would not put in force; the first errors are shown."""
    errors = table.errors
    if not errors:
        return
    if as_json:
        write(json_text({"verdict": None, "errors": [error.brief for error in errors]}))
    paint = paint_for(sys.stderr)
    for error in errors[:MAX_ERRORS]:
        complain(paint(Tone.BAD, printable(error.brief)))
    raise RuleError(
        f"{count(len(errors), 'error')} in the rules: a gate would keep its previous ones"
        " ('socketgate check' says more, --libwrap decides in spite of them)"
    )


async def look_all_up(
    table: RuleTable, requests: Sequence[Request], given: Given, config: Config
) -> list[Answer]:
    """The answers, with all that the gate would look up."""
    lookups = Lookups(config.lookups)
    try:
        lookups.watch_forward(table.forward_names)
        await lookups.forward_settled(config.lookups.name_seconds)
        return [await answer_looked_up(table, request, given, lookups) for request in requests]
    finally:
        lookups.close()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
