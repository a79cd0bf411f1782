# SPDX-License-Identifier: MIT
"""`socketgate unban`: end a ban before its time."""

import argparse
import time
from collections.abc import Iterable

from socketgate.bans import Ban, Net, Unban
from socketgate.cli import ExitCode
from socketgate.cli.banarguments import add_store, daemon_name, nets, store_of, writing
from socketgate.cli.streams import complain

HELP = "end the ban of an address or a network"
EPILOG = "Ends the ban of this very network: see 'socketgate bans' for what there is."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("net", nargs="*", metavar="ADDR|NET", help="as it was banned")
    parser.add_argument("--all", action="store_true", help="end every ban")
    parser.add_argument(
        "--daemon", type=daemon_name, metavar="NAME", help="only bans for this daemon, or for ALL"
    )
    parser.add_argument("--prefix", type=int, metavar="N", help="as it was banned")
    parser.add_argument("--origin", metavar="WORD", help="only bans of this origin")
    parser.add_argument(
        "--ignore-missing", action="store_true", help="what isn't banned is no failure"
    )
    add_store(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it; the answer is the exit code."""
    wanted = nets(arguments.net, arguments.prefix)
    if bool(wanted) == arguments.all:
        complain("socketgate: unban: name addresses or networks, or --all")
        return ExitCode.WRONG
    now = time.time()
    with writing(store_of(arguments)) as store:
        bans = store.bans(now)
        ended = [
            ban
            for ban in bans
            if (arguments.all or ban.net in wanted)
            and arguments.daemon in (None, ban.daemon)
            and arguments.origin in (None, ban.origin)
        ]
        if ended:
            store.append([Unban(ban.net, ban.daemon, ban.origin) for ban in ended], now)
    if arguments.ignore_missing:
        return ExitCode.OK
    missing = [net for net in wanted if net not in {ban.net for ban in ended}]
    for net in missing:
        complain(f"socketgate: {net.name} is not banned{_hint(net, bans)}")
    return ExitCode.DENIED if missing else ExitCode.OK


def _hint(net: Net, bans: Iterable[Ban]) -> str:
    """How to see bans that aren't the one meant: of a wider net, of others, for other daemons."""
    if any(ban.net.meets(net) for ban in bans):
        return f" as such: 'socketgate bans {net.name}' shows what concerns it"
    return ""
