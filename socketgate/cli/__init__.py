# SPDX-License-Identifier: MIT
"""The command line: one module for each verb.

A verb's module has `HELP` (one line), `configure(parser)`, which adds its arguments, and
`run(arguments)`, which returns the exit code. Only the module of the verb that was typed is
imported, so that `socketgate exec`, a part of every connection, starts fast.
"""

import argparse
import difflib
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from enum import IntEnum
from typing import NoReturn, Protocol

from socketgate import __version__
from socketgate.cli.streams import complain, put
from socketgate.errors import GateUnreachable, NotPermitted, SocketgateError

#: verb -> its module in this package, in the order `socketgate --help` lists them.
VERBS = {
    "run": "run",
    "exec": "exec",
    "launch": "launch",
    "check": "check",
    "match": "match",
    "unit": "unit",
    "status": "status",
    "top": "top",
    "explain": "explain",
    "reload": "reload",
    "ban": "ban",
    "unban": "unban",
    "bans": "bans",
    "metrics": "metrics",
    "import": "import_xinetd",
}

#: The verbs whose last words are a program and its own arguments, which are left as they are.
PROGRAMS = frozenset({"exec", "launch", "unit"})


class ExitCode(IntEnum):
    """What the exit codes mean, for every verb."""

    OK = 0
    DENIED = 1
    WRONG = 2
    UNREACHABLE = 3
    NOT_PERMITTED = 4


#: What a shell says of a command that SIGINT ended: Ctrl-C is no error.
INTERRUPTED = 128 + signal.SIGINT

#: The errors that don't mean "wrong".
EXIT_CODES = {GateUnreachable: ExitCode.UNREACHABLE, NotPermitted: ExitCode.NOT_PERMITTED}


def exit_code(error: SocketgateError) -> ExitCode:
    """What a command ends with that met this error."""
    return EXIT_CODES.get(type(error), ExitCode.WRONG)


#: What to type first, on the screen that lists the verbs.
EPILOG = """\
to begin with:
  socketgate check                         what is wrong with the rules
  socketgate match sshd 192.0.2.7          who would get in
  socketgate unit sshd --listen 2222 -- /usr/sbin/sshd -i
                                           a gate: prints units, or installs them
  socketgate status                        how the gates are

'socketgate VERB --help' says more about each; so does socketgate(8)."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as everything else does, and where there is more."""

    def error(self, message: str) -> NoReturn:
        """End the program with exit code 2."""
        complain(f"{self.prog}: {message}: '{self.prog} --help' says more")
        self.exit(ExitCode.WRONG)


class Verb(Protocol):
    """What a verb's module offers."""

    HELP: str

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the verb's arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it; the answer is the exit code."""


def load_verb(name: str) -> Verb:
    """The module of a verb."""
    module: Verb = importlib.import_module(f"socketgate.cli.{VERBS[name]}")
    return module


def build_parser() -> argparse.ArgumentParser:
    """The parser of all verbs, which knows their help; a verb that was typed has its own."""
    parser = Parser(
        prog="socketgate",
        description="TCP Wrappers for systemd: hosts.allow and hosts.deny for every daemon",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"socketgate {__version__}")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name in VERBS:
        subparsers.add_parser(name, help=load_verb(name).HELP)
    return parser


def parse(name: str, words: Sequence[str]) -> argparse.Namespace:
    """What is typed after a verb: options and words in any order, as of other commands.

    argparse can do that (`parse_intermixed_args`), but not in a subparser.
    """
    verb = load_verb(name)
    parser = Parser(prog=f"socketgate {name}", description=verb.HELP)
    verb.configure(parser)
    parser.set_defaults(run=verb.run)
    if name in PROGRAMS:
        return parser.parse_args(words)
    ends_options = words[-1:] == ["--"]  # and nothing comes after: argparse takes it for a word
    return parser.parse_intermixed_args(words[:-1] if ends_options else words)


def unknown_verb(word: str) -> str:
    """What to say of a word that is no verb; empty for one that is, and for an option."""
    if word in VERBS or (word.startswith("-") and word != "--"):
        return ""
    if not word:
        return "which verb? 'socketgate --help' lists them"
    close = difflib.get_close_matches(word, VERBS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "'socketgate --help' lists those there are"
    return f"there is no verb {word!r}: {hint}"


def _level_for_journal() -> str:
    """What makes a line one of level `err` where journald reads standard error (sd-daemon(3)).

    systemd.exec(5), JOURNAL_STREAM: its device and inode are those of the descriptor.
    """
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return ""
    is_journal = os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
    return "<3>" if is_journal else ""


def main(words: Sequence[str]) -> int:
    """Run one command; the answer is the exit code. Errors for the user are one line on stderr."""
    try:
        try:
            return _run(words)
        finally:
            put("")  # what print() and argparse have left: at the interpreter's end it is too late
    except SocketgateError as error:
        complain(f"{_level_for_journal()}socketgate: {error}")
        return exit_code(error)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(words: Sequence[str]) -> int:
    """The same. Raises SocketgateError; SystemExit for --help, --version and what argparse says."""
    named = words[0] if words else ""
    if problem := unknown_verb(named):
        complain(f"socketgate: {problem}")
        return ExitCode.WRONG
    if named not in VERBS:
        build_parser().parse_args(words)
    arguments = parse(named, words[1:])
    code: int = arguments.run(arguments)
    return code
