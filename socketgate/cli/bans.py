# SPDX-License-Identifier: MIT
"""`socketgate bans`: the bans there are, the newest last."""

import argparse
import datetime
import sys
import time

from socketgate.answers import ban_entry
from socketgate.bans import EVERY_DAEMON, NEVER, Ban, Net
from socketgate.cli import ExitCode
from socketgate.cli.banarguments import add_store, daemon_name, nets, store_of, writing
from socketgate.cli.output import add_pager, json_text, paint_for, printable, show, table
from socketgate.cli.streams import complain
from socketgate.cli.times import span

HELP = "show the bans"
EPILOG = "Exit status: 0, or 1 if ADDR or NET was given and nothing of it is banned."
NO_BANS = "socketgate: there are no bans"
HEADINGS = ("NET", "DAEMON", "SINCE", "LEFT", "ORIGIN", "REASON")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = EPILOG
    parser.add_argument(
        "net", nargs="?", metavar="ADDR|NET", help="only bans that have it, or a part of it"
    )
    parser.add_argument("--daemon", type=daemon_name, metavar="NAME", help="only what concerns it")
    parser.add_argument("--origin", metavar="WORD", help="only bans of this origin")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_pager(parser)
    add_store(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it; the answer is the exit code."""
    now = time.time()
    wanted = nets([arguments.net], None)[0] if arguments.net is not None else None
    with writing(store_of(arguments)) as store:
        bans = sorted(store.bans(now), key=lambda ban: (ban.made, str(ban.net)))
    shown = [ban for ban in bans if _is_wanted(ban, wanted, arguments)]
    if arguments.json:
        show(json_text([ban_entry(ban) for ban in shown]), by_pager=not arguments.no_pager)
    elif shown:
        text = table(HEADINGS, [_row(ban, now) for ban in shown], paint_for(sys.stdout))
        show(text, by_pager=not arguments.no_pager)
    else:
        complain("socketgate: there is no such ban" if bans else NO_BANS)
    return ExitCode.OK if shown or wanted is None else ExitCode.DENIED


def _is_wanted(ban: Ban, net: Net | None, arguments: argparse.Namespace) -> bool:
    daemon = arguments.daemon
    return (
        (net is None or ban.net.meets(net))
        and (daemon is None or ban.concerns(daemon) or (daemon == EVERY_DAEMON == ban.daemon))
        and arguments.origin in (None, ban.origin)
    )


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
