# SPDX-License-Identifier: MIT
"""`socketgate launch`: start a program for every connection that gates hand over."""

import argparse
import socket
from pathlib import Path

from socketgate.backend import NotABackendSocket, Offer, Receiver, open_path, passed_socket
from socketgate.cli.streams import complain
from socketgate.errors import ActivationError, ConfigError
from socketgate.launcher import MOST_TOGETHER, Launcher
from socketgate.notify import Notifier
from socketgate.program import CannotStart
from socketgate.spawn import Command, Start, keep_to_ourselves

HELP = "start a program for every connection the gate hands over (resident, for busy services)"

USAGE = """
  socketgate launch [OPTION ...] -- PROGRAM [ARGUMENT ...]
  socketgate launch --commands [OPTION ...]
"""

#: Programs at once; more clients wait. A unit's TasksMax= should allow it.
DEFAULT_MAX = 512


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.usage = USAGE
    parser.add_argument(
        "--max",
        type=positive,
        metavar="N",
        help=f"programs at once; more clients wait (default: {DEFAULT_MAX}; with --commands: 64)",
    )
    parser.add_argument(
        "--commands",
        action="store_true",
        help="instead of a program for each client, run what rules say after spawn, aclexec, twist",
    )
    parser.add_argument("--stdin", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--stderr",
        choices=["journal", "client"],
        default="journal",
        help="where the program's errors go (default: %(default)s, as ours)",
    )
    parser.add_argument(
        "--listen",
        type=Path,
        metavar="PATH",
        help="listen there; else on the socket systemd passes",
    )
    parser.add_argument(
        "--gate-user",
        action="append",
        default=[],
        metavar="USER",
        help="a gate may run as USER; root, our own user and socketgate always may",
    )
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- PROGRAM ...", help="the program"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM."""
    words: list[str] = arguments.command
    if words[:1] == ["--"]:
        words = words[1:]
    if arguments.commands:
        return run_commands(arguments, words)
    if not words:
        raise ConfigError("launch: which program? (socketgate launch -- PROGRAM ARGUMENTS)")
    try:
        command = Command(words, is_stderr_client=arguments.stderr == "client")
    except CannotStart as reason:
        raise ConfigError(f"launch: {reason}") from reason
    listening = listening_socket(arguments)
    keep_to_ourselves()
    receiver = Receiver(listening, allowed_users=arguments.gate_user, batch=MOST_TOGETHER)

    def prepare(offer: Offer) -> Start:
        return command.prepare(offer.handoff.fields, offer.fd)

    places = arguments.max or DEFAULT_MAX
    Launcher(receiver, prepare, max_running=places, report=report, notifier=Notifier()).run()
    if arguments.listen:
        arguments.listen.unlink(missing_ok=True)
    return 0


def run_commands(arguments: argparse.Namespace, words: list[str]) -> int:
    """The same for the commands of rules."""
    from socketgate.cli import launch_commands  # asyncio, which a launcher of programs needs not

    if words:
        raise ConfigError("launch: --commands takes no program: the rules say what is run")
    on_stdin = launch_commands.channel_on_stdin
    way_in = on_stdin() if arguments.stdin else listening_socket(arguments)
    keep_to_ourselves()
    code = launch_commands.run(arguments, way_in, report)
    if arguments.listen:
        arguments.listen.unlink(missing_ok=True)
    return code


def listening_socket(arguments: argparse.Namespace) -> socket.socket:
    """Where gates come in. Raises ActivationError or ConfigError."""
    try:
        return open_path(arguments.listen) if arguments.listen else passed_socket()
    except NotABackendSocket as reason:
        raise ActivationError(f"launch: {reason}") from reason
    except OSError as error:
        raise ConfigError(f"launch: {arguments.listen}: {error.strerror}") from error


def report(text: str) -> None:
    """For the journal."""
    complain(f"socketgate launch: {text}")


def positive(text: str) -> int:
    """A number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} would start nothing")
    return number
