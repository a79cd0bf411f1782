# SPDX-License-Identifier: MIT
"""`socketgate bans`: the bans there are, the newest last."""

import argparse
import datetime
import sys
import time

from socketgate.answers import ban_entry
from socketgate.bans import EVERY_DAEMON, NEVER, Ban, parse_address
from socketgate.cli import ExitCode
from socketgate.cli.banarguments import add_store, daemon_name, store_of, writing
from socketgate.cli.output import json_text, paint_for, printable, show, table
from socketgate.cli.times import span
from socketgate.errors import ConfigError

HELP = "show the bans"
HEADINGS = ("NET", "DAEMON", "SINCE", "LEFT", "ORIGIN", "REASON")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("address", nargs="?", metavar="ADDR", help="only bans that have it")
    parser.add_argument("--daemon", type=daemon_name, metavar="NAME", help="only what concerns it")
    parser.add_argument("--origin", metavar="WORD", help="only bans of this origin")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_store(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it; the answer is the exit code: 1 when there is none."""
    now = time.time()
    with writing(store_of(arguments)) as store:
        bans = sorted(store.bans(now), key=lambda ban: (ban.made, str(ban.net)))
    shown = [ban for ban in bans if _is_wanted(ban, arguments)]
    if arguments.json:
        show(json_text([ban_entry(ban) for ban in shown]))
    elif shown:
        paint = paint_for(sys.stdout)
        show(table(HEADINGS, [_row(ban, now) for ban in shown], paint))
    return ExitCode.OK if shown else ExitCode.DENIED


def _is_wanted(ban: Ban, arguments: argparse.Namespace) -> bool:
    if arguments.address is not None:
        try:
            bits, value = parse_address(arguments.address)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        if not ban.net.has(bits, value):
            return False
    daemon = arguments.daemon
    return (
        daemon is None or ban.concerns(daemon) or (daemon == EVERY_DAEMON == ban.daemon)
    ) and arguments.origin in (None, ban.origin)


def _row(ban: Ban, now: float) -> tuple[str, ...]:
    since = datetime.datetime.fromtimestamp(ban.made).astimezone()
    left = "for ever" if ban.until == NEVER else span(ban.until - now)
    return (
        ban.net.name,
        printable(ban.daemon),
        f"{since:%Y-%m-%d %H:%M:%S}",
        left,
        printable(ban.origin),
        printable(ban.reason),
    )
