# SPDX-License-Identifier: MIT
"""`socketgate import xinetd`: prints the units and rules for an xinetd configuration."""

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path

from socketgate.cli import ExitCode
from socketgate.cli.output import json_text, printable, write
from socketgate.cli.streams import complain
from socketgate.unitfile import UnitFile
from socketgate.xinetd import load_configuration
from socketgate.xinetdplan import Imported, Left, import_services

HELP = "print the units and rules that do what another program's configuration says"
EPILOG = """\
Nothing is written. What has no counterpart is said in comments, by file and line.
Exit status: 0, or 2 if something in the files can't be read; the rest is printed all the same.
Example: socketgate import xinetd /etc/xinetd.conf"""
ABOVE = "/etc/hosts.allow, above all that is there:"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument("format", choices=["xinetd"], help="whose configuration it is")
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="as /etc/xinetd.conf; it may include"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Do it; the answer is the exit code."""
    read = load_configuration(arguments.files)
    done = import_services(read.services)
    if arguments.json:
        write(json_text([_described(one) for one in done]))
    else:
        remarks = [f"# {printable(remark)}\n" for remark in read.remarks]
        write("\n".join([*remarks, *map(_shown, done)]))
    faults = [*read.faults, *(fault for service in read.services for fault in service.faults)]
    for fault in faults:
        complain(f"socketgate: {printable(fault)}")
    return ExitCode.WRONG if faults else ExitCode.OK


def _shown(one: Imported | Left) -> str:
    """A service for people, ready to be copied from."""
    if isinstance(one, Left):
        return f"# {one.service.name} is not imported:\n#   {printable(one.reason)}\n"
    parts = [
        f"# {one.service.name} ({one.service.place}) as the daemon {one.plan.name}",
        *(f"#   {printable(remark)}" for remark in one.remarks),
        *(f"# {note}" for note in one.plan.program.notes),
        f"# The same units by: {_command(one)}",
        "",
    ]
    for file in _files(one):
        parts += [f"# {file.path}", file.text]
    if one.rules.lines:
        parts += [f"# {ABOVE}", *one.rules.lines, ""]
    return "\n".join(parts)


def _files(one: Imported) -> Iterator[UnitFile]:
    yield from one.files
    for path, words in one.rules.files:
        yield UnitFile(path, "\n".join([*words, ""]))


def _command(one: Imported) -> str:
    """How `socketgate unit` writes them; drop-ins are for the admin to write."""
    plan = one.plan
    listens = [f"--listen={listen.text}" for listen in plan.listens]
    user = [f"--user={plan.user}"] if plan.user else []
    words = ["socketgate", "unit", plan.name, *listens, *user, "--install", "--", *plan.words]
    return shlex.join(words)


def _described(one: Imported | Left) -> dict[str, object]:
    if isinstance(one, Left):
        return {"service": one.service.name, "daemon": None, "reason": one.reason}
    return {
        "service": one.service.name,
        "daemon": one.plan.name,
        "remarks": [*one.remarks, *one.plan.program.notes],
        "command": _command(one),
        "files": [{"path": file.path, "text": file.text} for file in _files(one)],
        "rules": list(one.rules.lines),
    }
