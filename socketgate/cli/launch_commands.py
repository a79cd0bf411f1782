# SPDX-License-Identifier: MIT
"""`socketgate launch --commands`: run the commands of rules, for all gates (docs/commands.md)."""

import argparse
import asyncio
import os
import signal
import socket
from collections.abc import Callable

from socketgate.backend.receiver import GATE_USER, user_id
from socketgate.commandrunner import Runner, command_environment
from socketgate.errors import ActivationError
from socketgate.notify import Notifier, watchdog_seconds

#: Commands at once, and as many twists; more wait. A unit's TasksMax= should allow it.
DEFAULT_MAX = 64


def run(arguments: argparse.Namespace, way_in: socket.socket, report: Callable[[str], None]) -> int:
    """Serve until SIGTERM; a gate's child, until the gate has ended. Owns the socket given."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # wait(2): ignored, no status would be left
    asyncio.run(_serve(arguments, way_in, report))
    return 0


def channel_on_stdin() -> socket.socket:
    """The channel that a gate started us with; 0 is the null device from here on."""
    try:
        sock = socket.socket(fileno=os.dup(0))
    except OSError as error:
        raise ActivationError("launch: --stdin is for a gate that starts us as a child") from error
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    return sock


async def _serve(
    arguments: argparse.Namespace, way_in: socket.socket, report: Callable[[str], None]
) -> None:
    loop = asyncio.get_running_loop()
    notifier = Notifier()
    users = (GATE_USER, *arguments.gate_user)
    runner = Runner(
        command_environment(),
        max_running=arguments.max or DEFAULT_MAX,
        gate_uids=frozenset({0, os.geteuid(), *map(user_id, users)}),
        report=report,
    )
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if arguments.stdin:
        runner.serve(way_in)
        idle = loop.create_task(runner.wait_idle())
        idle.add_done_callback(lambda _: stopped.set())
    else:
        runner.listen(way_in)
        idle = None
    notifier.ready("runs commands")
    _feed_watchdog(loop, notifier)
    await stopped.wait()
    notifier.stopping("waiting for commands that run")
    if idle is not None:
        idle.cancel()
    await runner.stop()


def _feed_watchdog(loop: asyncio.AbstractEventLoop, notifier: Notifier) -> None:
    seconds = watchdog_seconds()
    if seconds is not None:
        notifier.watchdog()
        loop.call_later(seconds, _feed_watchdog, loop, notifier)
