# SPDX-License-Identifier: MIT
"""What the admin should know about host files, and about rules that are never reached."""

import re
from collections.abc import Iterator, Mapping

from socketgate.rules.addresslines import QUAD
from socketgate.rules.diagnostic import Findings
from socketgate.rules.host import Library, names_itself
from socketgate.rules.hostfile import paths_in
from socketgate.rules.lines import NumberedLines, Places, Spot
from socketgate.rules.lintword import host_file_word_faults
from socketgate.rules.request import TableName
from socketgate.rules.rule import Origins
from socketgate.rules.shadow import hidden_rules
from socketgate.rules.source import Directory, Source, Sources, Text
from socketgate.rules.syntax import Parsed
from socketgate.rules.word import Reading

#: Words between C's white space, but for plain IPv4 addresses.
_HOST_FILE_WORD = re.compile(
    rb"(?<![^ \t\n\v\f\r])(?!" + QUAD + rb"(?:[ \t\n\v\f\r]|\Z))[^ \t\n\v\f\r]+"
)


def host_file_findings(files: Mapping[bytes, Source], reading: Reading) -> list[Findings]:
    """What is wrong in the host files, file by file."""
    found: list[Findings] = []
    for path, source in sorted(files.items(), key=lambda item: item[0]):
        findings = Findings(path.decode("utf-8", "surrogateescape"))
        if isinstance(source, Text):
            _lint_host_file(findings, path, source.data, reading)
        elif isinstance(source, Directory):
            message = "a folder, not a file: matches nothing"
            findings.error("host-file-is-folder", Spot(1, 1, b""), message, "name a file in it")
        found.append(findings)
    return found


def _lint_host_file(findings: Findings, path: bytes, data: bytes, reading: Reading) -> None:
    places = Places(data)
    back = {name for name in _named_in(path, reading.library) if path in _all_of(name, reading)}
    for found in _HOST_FILE_WORD.finditer(data):
        for fault in host_file_word_faults(found[0], reading):
            spot = places.spot(found.start() + fault.offset)
            findings.add(fault.severity, fault.code, spot, fault.message, fault.hint)
        if found[0] in back:
            hint = "leave it out" if found[0] == path else "leave it out, here or further down"
            spot = places.spot(found.start())
            findings.error("host-file-names-itself", spot, names_itself(found[0]), hint)


def _all_of(path: bytes, reading: Reading) -> set[bytes]:
    """The host file, those that it names, those that these name."""
    reached: set[bytes] = set()
    waiting = {path}
    while waiting:
        reached |= waiting
        waiting = {name for one in waiting for name in _named_in(one, reading.library)} - reached
    return reached


def _named_in(path: bytes, library: Library) -> Iterator[bytes]:
    return paths_in(library.get(path, ()))


def hidden_findings(
    sources: Sources, allow: Parsed, deny: Parsed, max_spans: int | None
) -> list[Findings]:
    """Rules that are never reached."""
    hidden = hidden_rules((allow, deny), max_spans)
    if not hidden:
        return []
    origins = Origins(sources.allow_origin, sources.deny_origin)
    rules = {rule.number: rule for rule in (*allow.rules, *deny.rules)}
    findings = {
        TableName.ALLOW: Findings(sources.allow_origin),
        TableName.DENY: Findings(sources.deny_origin),
    }
    lines = {TableName.ALLOW: _lines(sources.allow), TableName.DENY: _lines(sources.deny)}
    for number, by_number in hidden.items():
        place, before = origins.place(number), origins.place(by_number)
        rule, first = rules.get(number), lines[before.table].shown(before.line)
        findings[place.table].warning(
            "never-reached",
            # A rule that is only a number is a line of its own.
            lines[place.table].spot(place.line) if rule is None else rule.line.spot(0),
            f"never reached: {before.origin}:{first} matches all its clients first",
            "remove the rule, or move it up",
        )
    return list(findings.values())


def _lines(source: Source) -> NumberedLines:
    return NumberedLines(source.data if isinstance(source, Text) else b"")
