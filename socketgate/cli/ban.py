# SPDX-License-Identifier: MIT
"""`socketgate ban`: refuse an address or a network for a while, whatever the rules say."""

import argparse
import time

from socketgate.bans import EVERY_DAEMON, NEVER, Ban, Net
from socketgate.cli import ExitCode
from socketgate.cli.banarguments import (
    add_store,
    daemon_name,
    duration,
    nets,
    no_session_of_ours,
    not_spared,
    not_there,
    one_line,
    store_of,
    word,
    writing,
)
from socketgate.cli.streams import complain

HELP = "refuse an address or a network for a while, whatever the rules say"
EPILOG = "Example: socketgate ban 192.0.2.7 --for 10m --reason 'scans us'"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("net", nargs="+", metavar="ADDR|NET", help="192.0.2.7, 2001:db8::/64")
    parser.add_argument(
        "--for",
        dest="seconds",
        type=duration,
        metavar="TIME",
        help="how long: 90s, 10m, 12h, 7d, 2w (default, and -1: until unban)",
    )
    parser.add_argument(
        "--daemon",
        type=daemon_name,
        default=EVERY_DAEMON,
        metavar="NAME",
        help="for this daemon only (default: ALL)",
    )
    parser.add_argument(
        "--prefix",
        type=int,
        metavar="N",
        help="ban an IPv6 address with all that share its first N bits (a customer has 64)",
    )
    parser.add_argument("--reason", type=one_line, default="", metavar="TEXT", help="for people")
    parser.add_argument("--origin", type=word, metavar="WORD", help="who bans")
    parser.add_argument(
        "--force", action="store_true", help="even if it has the address you come from"
    )
    add_store(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it; the answer is the exit code."""
    banned = nets(arguments.net, arguments.prefix)
    if not arguments.force:
        no_session_of_ours(banned)
    not_spared(arguments, banned)
    if hint := not_there(arguments.daemon):
        complain(f"socketgate: {hint}")
    now = time.time()
    with writing(store_of(arguments)) as store:
        store.append([_ban(arguments, net, now) for net in banned], now)
    return ExitCode.OK


def _ban(arguments: argparse.Namespace, net: Net, now: float) -> Ban:
    return Ban(
        net=net,
        daemon=arguments.daemon,
        made=int(now),
        until=NEVER if arguments.seconds is None else int(now + arguments.seconds),
        origin=arguments.origin or "",
        reason=arguments.reason,
    )
