# SPDX-License-Identifier: MIT
"""`socketgate check`: everything that is wrong with the rules, with its place and a hint."""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence

from socketgate.cli import ExitCode
from socketgate.cli.findingtext import as_json, as_text, in_order
from socketgate.cli.match import add_files, configured
from socketgate.cli.output import (
    Paint,
    Tone,
    add_pager,
    json_text,
    paint_for,
    printable,
    show,
)
from socketgate.config import Config
from socketgate.configfiles import DEFAULT_PATH, read_files
from socketgate.filecheck import (
    ban_diagnostics,
    file_diagnostics,
    gates_reader,
    missing_diagnostics,
    unreadable_diagnostics,
)
from socketgate.namecheck import name_diagnostics
from socketgate.rulefiles import read_sources
from socketgate.rules.diagnostic import Diagnostic, Severity
from socketgate.rules.names import NameUse, names_used
from socketgate.rules.source import Sources
from socketgate.rules.table import RuleTable, build_table
from socketgate.socketunits import socket_names
from socketgate.surroundings import daemon_diagnostics, group_diagnostics
from socketgate.trust import trusted_uids
from socketgate.wording import count

HELP = "say what is wrong with the rules, where, and what to write instead"
EPILOG = """\
The configuration is checked first; then the rules, whether gates can read them, and the bans.
Errors are what keeps a gate from taking rules over, or from starting; warnings are legal and
probably not meant.
Exit status: 0 nothing is wrong, or only warnings; 2 errors, with --strict warnings too."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_files(parser)
    parser.add_argument("--strict", action="store_true", help="let warnings count as errors")
    parser.add_argument(
        "--no-lookups",
        action="store_true",
        help="ask no database for users, groups, netgroups or host names",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_pager(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it; the answer is the exit code."""
    config = configured(arguments)
    sources = read_sources(config.rules)
    table = build_table(sources, thorough=True)
    found = list(table.diagnostics)
    uses = list(without_faulty(names_used(table, sources), found))
    found += of_machine(config, uses, has_lookups=not arguments.no_lookups)
    found += of_files(arguments, config, sources)
    found = in_order(found, sources)
    left_out = table.dropped_count
    if arguments.json:
        text = json_text(as_json(found, left_out))
    else:
        paint = paint_for(sys.stdout)
        blocks = [as_text(one, paint) for one in found]
        text = "\n".join([*blocks, summary(found, left_out, table, sources, paint)])
    show(text, by_pager=not arguments.no_pager)
    worst = set(Severity) if arguments.strict else {Severity.ERROR}
    return ExitCode.WRONG if any(one.severity in worst for one in found) else ExitCode.OK


def without_faulty(uses: Iterable[NameUse], found: Iterable[Diagnostic]) -> Iterator[NameUse]:
    """The names that no error is in: of the others, nothing more needs to be said."""
    columns: dict[tuple[str, int], list[int]] = {}
    for one in found:
        if one.severity is Severity.ERROR:
            columns.setdefault((one.origin, one.line), []).append(one.column)
    for use in uses:
        faulty = columns.get((use.origin, use.line), ())
        if not any(use.column <= column < use.column + len(use.name) for column in faulty):
            yield use


def of_machine(
    config: Config, uses: Sequence[NameUse], *, has_lookups: bool
) -> Iterator[Diagnostic]:
    """Names that this machine doesn't know. `uses` are those in the rules. Raises ConfigError."""
    yield from daemon_diagnostics(uses, config, socket_names())
    if has_lookups:
        for name, daemon in config.daemons.items():  # raises ConfigError, as a gate's start does
            trusted_uids(daemon.backend_users, config.where("daemon", name, "backend-users"))
        yield from name_diagnostics(uses)
        yield from group_diagnostics(config)


def of_files(
    arguments: argparse.Namespace, config: Config, sources: Sources
) -> Iterator[Diagnostic]:
    """Files that aren't there, that anybody may change, or that gates can't read; the bans.

    Those of the command line may be drafts, which no gate reads.
    """
    settings = [str(arguments.config or DEFAULT_PATH)]
    settings += [str(path) for path, _ in read_files(arguments.config)]
    host_files = [os.fsdecode(path) for path in sorted(sources.host_files)]
    yield from missing_diagnostics(config, sources)
    yield from file_diagnostics([sources.allow_origin, sources.deny_origin, *settings, *host_files])
    reader = gates_reader()
    if reader is not None and not (arguments.allow or arguments.deny or arguments.config):
        paths = [sources.allow_origin, sources.deny_origin, *host_files, *settings]
        yield from unreadable_diagnostics([*paths, str(config.bans.store)], reader)
    yield from ban_diagnostics(config.bans.store)


def summary(
    found: Sequence[Diagnostic],
    left_out: int,
    table: RuleTable,
    sources: Sources,
    paint: Paint,
) -> str:
    """One line that says what it comes to."""
    files = printable(f"{sources.allow_origin}, {sources.deny_origin}")
    if not found:
        rules = count(table.rule_count, "rule")
        effect = "" if table.rule_count else ": everybody is let in"
        return paint(Tone.GOOD, "No problems") + f" in {rules} ({files}){effect}.\n"
    errors = sum(one.severity is Severity.ERROR for one in found)
    parts = [paint(Tone.BAD, count(errors, "error"))] if errors else []
    if len(found) > errors:
        parts.append(paint(Tone.WARNING, count(len(found) - errors, "warning")))
    if left_out:
        parts.append(f"{left_out} more left out")
    effect = " A gate would go on with what it has." if errors else ""
    return f"{', '.join(parts)}.{effect}\n"
