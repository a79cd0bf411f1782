# SPDX-License-Identifier: MIT
"""`socketgate match --jsonl`: requests in, verdicts out, a line each; to test rules in CI.

{"daemon": "sshd", "addr": "192.0.2.7", "deny": "ALL: ALL\\n"}
{"verdict": "deny", "twist": false, "file": "deny", "line": 1, "errors": []}

Other keys: name, user, saddr, sname, cport, sport, aclexec; allow and deny (texts instead of the
files), files (texts for rules that say `{DIR}/name`; null is a folder), netgroups (lists of hosts
instead of the machine's). Whatever other keys there are is the user's own affair. Names and user
count as known before the rules are asked, as in tcpdmatch(8).

Bad lines of rules are taken as libwrap takes them. A line that is no request is denied, `errors`
says why, and the exit status is 2 in the end.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TextIO

from socketgate.cli import ExitCode
from socketgate.cli.clientwords import MAX_PORT
from socketgate.cli.matchtext import FACTS, verdict_json
from socketgate.cli.streams import put
from socketgate.dryrun import Given, answer_given, with_given_files
from socketgate.rules.request import UNKNOWN, Endpoint, Fact, Request
from socketgate.rules.source import Directory, Source, Sources, Text
from socketgate.rules.table import RuleTable, build_table

DIRECTORY = b"{DIR}"
#: Where the host files of a line are taken to be. Nothing there is read from the disk.
FOLDER = b"/{DIR}"


class NoRequest(Exception):
    """What is wrong with a line."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What replaces the files for one line; None where nothing does."""

    allow: bytes | None = None
    deny: bytes | None = None
    files: tuple[tuple[bytes, bytes | None], ...] = ()


def answer_lines(lines: Iterable[bytes], output: TextIO, sources: Sources) -> int:
    """Answer each line at once, while anybody reads; the answer is the exit code."""
    tables = {Rules(): build_table(sources)}
    code = ExitCode.OK
    for line in lines:
        try:
            answer = _answer(line, tables, sources)
        except NoRequest as error:
            code = ExitCode.WRONG
            answer = {
                "verdict": "deny", "twist": False, "file": None, "line": None,
                "errors": [str(error)],
            }  # fmt: skip
        if not put(json.dumps(answer) + "\n", output):
            break
    return code


def _answer(line: bytes, tables: dict[Rules, RuleTable], sources: Sources) -> dict[str, object]:
    values = _parse(line)
    rules = Rules(_rule_text(values, "allow"), _rule_text(values, "deny"), _files(values))
    if rules not in tables:
        if len(tables) > 1:  # the configured files', and the last line's
            tables.popitem()
        tables[rules] = build_table(_replaced(sources, rules))
    return verdict_json(answer_given(tables[rules], _request(values), _given(values)))


def _parse(line: bytes) -> Mapping[str, object]:
    try:
        values = json.loads(line.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise NoRequest(f"not JSON: {error}") from error
    if not isinstance(values, dict):
        raise NoRequest("not a JSON object")
    return values


def _replaced(sources: Sources, rules: Rules) -> Sources:
    files: dict[bytes, Source] = {
        name: Directory() if text is None else Text(text) for name, text in rules.files
    }
    return with_given_files(
        replace(
            sources,
            allow=sources.allow if rules.allow is None else Text(rules.allow),
            deny=sources.deny if rules.deny is None else Text(rules.deny),
            host_files={},
        ),
        files,
        FOLDER,
    )


def _request(values: Mapping[str, object]) -> Request:
    daemon, address = _text(values, "daemon"), _text(values, "addr")
    if daemon is None or address is None:
        raise NoRequest("daemon and addr must be there")
    facts = _facts(values)
    return Request(
        daemon=daemon,
        facts=dict(facts.items()),
        seen=frozenset(facts),
        client=Endpoint(address or UNKNOWN, _port(values, "cport")),
        server=Endpoint(_text(values, "saddr") or UNKNOWN, _port(values, "sport")),
    )


def _facts(values: Mapping[str, object]) -> dict[Fact, bytes]:
    return {fact: text for key, fact in FACTS.items() if (text := _text(values, key))}


def _given(values: Mapping[str, object]) -> Given:
    return Given(
        statuses=_statuses(values.get("aclexec")),
        netgroups=_netgroups(values),
    )


def _text(values: Mapping[str, object], key: str) -> bytes | None:
    value = values.get(key)
    return None if value is None else _bytes(value, key)


def _bytes(value: object, key: str) -> bytes:
    """A text's bytes: UTF-8, or what lone surrogates stand for (PEP 383)."""
    if not isinstance(value, str):
        raise NoRequest(f"{key} must be a text")
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise NoRequest(f"{key}: {error.reason}") from error


def _rule_text(values: Mapping[str, object], key: str) -> bytes | None:
    text = _text(values, key)
    return None if text is None else text.replace(DIRECTORY, FOLDER)


def _files(values: Mapping[str, object]) -> tuple[tuple[bytes, bytes | None], ...]:
    files = values.get("files")
    if files is None:
        return ()
    if not isinstance(files, dict):
        raise NoRequest("files must be an object: names and texts")
    return tuple((_bytes(name, "files"), _rule_text(files, name)) for name in files)


def _port(values: Mapping[str, object], key: str) -> int | None:
    value = values.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_PORT:
        raise NoRequest(f"{key} must be a port: a number up to {MAX_PORT}")
    return value


def _statuses(value: object) -> tuple[int, ...]:
    statuses = value if isinstance(value, list) else [0 if value is None else value]
    for status in statuses:
        if not isinstance(status, int) or isinstance(status, bool):
            raise NoRequest("aclexec must be an exit status, or a list of them")
    return tuple(statuses) or (0,)


def _netgroups(values: Mapping[str, object]) -> Mapping[bytes, frozenset[bytes]] | None:
    groups = values.get("netgroups")
    if groups is None:
        return None
    if not isinstance(groups, dict) or not all(isinstance(one, list) for one in groups.values()):
        raise NoRequest("netgroups must be an object: names and lists of hosts")
    return {
        _bytes(name, "netgroups"): frozenset(_bytes(host, "netgroups").lower() for host in hosts)
        for name, hosts in groups.items()
    }
