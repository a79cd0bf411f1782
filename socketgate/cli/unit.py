# SPDX-License-Identifier: MIT
"""`socketgate unit`: prints, installs or removes the units that put a program behind the gate."""

import argparse
import os
import pwd
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from socketgate.cli import ExitCode
from socketgate.cli.output import json_text, write
from socketgate.cli.streams import complain
from socketgate.errors import ConfigError
from socketgate.unitcheck import (
    parse_listens,
    parse_name,
    parse_program,
    parse_socket_path,
    parse_user,
)
from socketgate.unitfile import Plan, UnitFile, Way, possible_paths, render
from socketgate.unitinstall import Changes, install, remove
from socketgate.unitprograms import PLAIN, find_program

HELP = "print, install or remove the units that put a program behind the gate"
USAGE = """
  socketgate unit NAME --listen ADDRESS [OPTION ...] -- PROGRAM [ARGUMENT ...]
  socketgate unit NAME --listen ADDRESS [OPTION ...] --backend PATH
  socketgate unit NAME --remove [--root DIR] [--force]"""
EPILOG = "Example: socketgate unit sshd --listen 22 -- /usr/sbin/sshd -i"
LINE_WIDTH = 100


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.usage, parser.epilog = USAGE, EPILOG
    parser.add_argument("name", metavar="NAME", help="the daemon's name in the rules, as sshd")
    parser.add_argument(
        "--listen",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="PORT, ADDRESS:PORT, [ADDRESS]:PORT, /path or vsock:CID:PORT; may be repeated",
    )
    _add_ways(parser)
    _add_actions(parser)
    program = parser.add_argument(
        "program", nargs="+", metavar="PROGRAM", help="after --, the program and its arguments"
    )
    # With nargs="*" argparse would take it as given, and empty, right after NAME.
    program.required = False


def run(arguments: argparse.Namespace) -> int:
    """Do it; the answer is the exit code."""
    name = parse_name(arguments.name)
    root = Path(arguments.root)
    try:
        if not root.is_dir():
            raise ConfigError(f"--root {root}: no such folder")
        if arguments.remove:
            return _remove(arguments, name, root)
        plan = make_plan(arguments, name, root)
        return _install(arguments, plan, root) if arguments.install else _print(arguments, plan)
    except PermissionError as error:
        complain(f"socketgate: {error.filename}: {error.strerror}")
        return ExitCode.NOT_PERMITTED
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}") from error


def make_plan(arguments: argparse.Namespace, name: str, root: Path) -> Plan:
    """What the arguments ask for; raises ConfigError."""
    listens = parse_listens(arguments.listen)
    words: tuple[str, ...] = ()
    program = PLAIN
    if arguments.backend:
        _refuse_with_backend(arguments)
    else:
        words = parse_program(arguments.program or [])
        program = find_program(words, has_user=bool(arguments.user))
        if arguments.handoff:
            raise ConfigError("--handoff is for --backend; else it follows from how programs start")
    way = Way.ITSELF if arguments.backend else Way.RESIDENT if arguments.resident else Way.EACH
    return Plan(
        name=name,
        listens=listens,
        way=way,
        words=words,
        program=program,
        user=parse_user(arguments.user) if arguments.user else "",
        backends=tuple(parse_socket_path(path) for path in arguments.backend),
        handoff=arguments.handoff or "channel",
        systemd_version=arguments.systemd_version,
    )


def notes_about(plan: Plan) -> list[str]:
    """What the admin should know of the program, where it is to listen."""
    program = plan.program
    on_port = [program.on_port] if any(one.port == program.port for one in plan.listens) else []
    return [note for note in (*program.notes, *on_port) if note]


def what_is_missing(plan: Plan) -> Iterator[str]:
    """What the units speak of and this machine doesn't have: no client could be served."""
    if plan.words and not os.access(plan.words[0], os.X_OK):
        yield f"{plan.words[0]} isn't there, or may not be executed: no client can be served."
    if plan.user and not plan.user.isdigit():
        try:
            pwd.getpwnam(plan.user)
        except KeyError:
            yield f"There is no user {plan.user}: no client can be served."


def _add_ways(parser: argparse.ArgumentParser) -> None:
    ways = parser.add_argument_group(
        "how the program gets its clients (default: a unit of its own for each client)"
    )
    ways.add_argument(
        "--resident",
        "--launch",
        action="store_true",
        help="one process that starts it for each client: cheaper where many come",
    )
    ways.add_argument(
        "--backend",
        metavar="PATH",
        action="append",
        default=[],
        help="it listens on this socket by itself (socketgate-backend(7)); may be repeated",
    )
    ways.add_argument(
        "--handoff",
        choices=["channel", "connection"],
        help="with --backend: many clients on one channel (default), or a connection for each",
    )
    ways.add_argument("--user", metavar="USER", help="the user it runs as (default: root)")


def _add_actions(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_argument_group("what to do (default: print the files)")
    choice = actions.add_mutually_exclusive_group()
    choice.add_argument("--install", action="store_true", help="write the files")
    choice.add_argument("--remove", action="store_true", help="remove what --install wrote")
    actions.add_argument("--root", metavar="DIR", default="/", help="of another system's files")
    actions.add_argument(
        "--force", action="store_true", help="overwrite or remove files that were changed, too"
    )
    actions.add_argument("--json", action="store_true", help="print JSON")
    actions.add_argument(
        "--systemd-version",
        metavar="N",
        type=int,
        help="leave out what this version doesn't know (default: nothing)",
    )


def _refuse_with_backend(arguments: argparse.Namespace) -> None:
    if arguments.program:
        raise ConfigError(
            "--backend PATH is a program that runs by itself: no PROGRAM goes with it"
        )
    if arguments.resident:
        raise ConfigError("--backend PATH and --resident exclude each other")


def _print(arguments: argparse.Namespace, plan: Plan) -> int:
    files = render(plan)
    if arguments.json:
        described = [{"path": file.path, "text": file.text} for file in files]
        _print_json(files=described, notes=notes_about(plan))
        return ExitCode.OK
    notes = [_note(note) + "\n" for note in notes_about(plan)]
    write("\n".join([*notes, *map(_shown, files)]))
    return ExitCode.OK


def _install(arguments: argparse.Namespace, plan: Plan, root: Path) -> int:
    changes = install(root, render(plan), possible_paths(plan.name), force=arguments.force)
    notes = [*notes_about(plan), *(what_is_missing(plan) if root == Path("/") else ())]
    _report(arguments, changes, notes, _next_after_install(plan.name, root, changes))
    return ExitCode.OK


def _remove(arguments: argparse.Namespace, name: str, root: Path) -> int:
    if arguments.listen or arguments.program:
        raise ConfigError("--remove needs the name and nothing else")
    changes = remove(root, possible_paths(name), force=arguments.force)
    if not changes.removed:
        complain(f"socketgate: nothing of {name} is installed")
        return ExitCode.DENIED
    _report(arguments, changes, (), _next_after_remove(name, root, changes))
    return ExitCode.OK


def _next_after_install(name: str, root: Path, changes: Changes) -> str:
    if root != Path("/"):
        return f"systemctl --root={root} enable socketgate@{name}.socket"
    if changes.replaced and not (changes.written or changes.removed):
        return ""
    if changes.replaced:
        return f"systemctl daemon-reload && systemctl restart socketgate@{name}.socket"
    return f"systemctl daemon-reload && systemctl enable --now socketgate@{name}.socket"


def _next_after_remove(name: str, root: Path, changes: Changes) -> str:
    if root != Path("/"):
        return f"systemctl --root={root} disable socketgate@{name}.socket"
    sockets = f"socketgate@{name}.socket"
    if any(path.endswith("-gated.socket") for path in changes.removed):
        sockets += f" {name}-gated.socket"
    # Stopped by name, and before systemd reads the files again: then it no longer knows the second.
    return (
        f"systemctl stop {sockets};"
        f" systemctl disable socketgate@{name}.socket && systemctl daemon-reload"
    )


def _report(
    arguments: argparse.Namespace, changes: Changes, notes: Sequence[str], command: str
) -> None:
    if arguments.json:
        _print_json(written=changes.written, removed=changes.removed, notes=notes, next=command)
        return
    lines = [
        *(f"wrote {path}" for path in changes.written),
        *(f"removed {path}" for path in changes.removed),
        *map(_note, notes),
        f"Next: {command}" if command else "Nothing has changed.",
    ]
    write("".join(f"{line}\n" for line in lines))


def _shown(file: UnitFile) -> str:
    """A file as `systemctl cat` shows it."""
    return f"# {file.path}\n{file.text}"


def _note(text: str) -> str:
    return textwrap.fill(
        f"Note: {text}",
        LINE_WIDTH,
        initial_indent="# ",
        subsequent_indent="# ",
        break_on_hyphens=False,
    )


def _print_json(**values: object) -> None:
    write(json_text(values))
