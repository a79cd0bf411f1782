# SPDX-License-Identifier: MIT
"""`socketgate run`: the gate itself, started by systemd with its sockets."""

import argparse
from pathlib import Path

from socketgate.cli import ExitCode
from socketgate.daemon import run as run_daemon
from socketgate.errors import SocketgateError
from socketgate.notify import Notifier

HELP = "the gate: accept, decide, hand over (started by systemd with its sockets)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="instead of /etc/socketgate/socketgate.toml"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop."""
    try:
        run_daemon(arguments.config)
    except SocketgateError as error:
        Notifier().status(str(error))  # `systemctl status` shows it, and so does ours
        raise
    return ExitCode.OK
