# SPDX-License-Identifier: MIT
"""`socketgate metrics`: the running gates' numbers for Prometheus."""

import argparse
import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

from socketgate.activation import Listener, passed_fds, passed_listeners
from socketgate.answers import CountersAnswer
from socketgate.cli import ExitCode
from socketgate.cli.gates import Gate, add_gates, ask_all, known_gates
from socketgate.cli.output import write
from socketgate.cli.streams import complain
from socketgate.errors import ActivationError, ConfigError, NotPermitted, SocketgateError
from socketgate.metrics import MAX_REQUEST_BYTES, Answers, Scrapes, Silence, encode, write_file

HELP = "print the gates' numbers for Prometheus, write them to a file, or serve them"
EPILOG = """\
Example: socketgate metrics --output /var/lib/prometheus/node-exporter/socketgate.prom"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = EPILOG
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="write FILE in one step, for node_exporter's textfile collector",
    )
    where.add_argument(
        "--serve",
        action="store_true",
        help="answer HTTP on the sockets that systemd passes (socketgate-metrics.socket)",
    )
    add_gates(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it; the answer is the exit code."""

    def read() -> Answers:
        return read_gates(known_gates(arguments.gates))

    if arguments.serve:
        encode({})  # what is missing is said now, and not to whoever scrapes
        asyncio.run(_serve(_sockets(), Scrapes(read)))
    elif arguments.output is None:
        write(encode(read())[0].decode())
    else:
        return _write(arguments.output, encode(read())[0])
    return ExitCode.OK


def read_gates(gates: Sequence[Gate]) -> Answers:
    """What each gate answers, or why it gives none. Raises NotPermitted."""
    answers: dict[str, CountersAnswer | Silence] = {}
    for gate, answer in zip(gates, ask_all(gates, "Counters", CountersAnswer), strict=True):
        if isinstance(answer, NotPermitted):
            raise answer
        if isinstance(answer, SocketgateError):
            answers[gate.name] = Silence.WAITING if gate.is_waiting else Silence.DOWN
        else:
            answers[gate.name] = answer
    return answers


def _write(path: Path, text: bytes) -> int:
    try:
        write_file(path, text)
    except PermissionError as error:
        complain(f"socketgate: {path}: {error.strerror}")
        return ExitCode.NOT_PERMITTED
    except OSError as error:
        raise ConfigError(f"--output {path}: {error.strerror}") from error
    return ExitCode.OK


def _sockets() -> list[Listener]:
    """What systemd passed; raises ActivationError."""
    if not (passed := passed_fds()):
        raise ActivationError(
            "systemd passed no sockets: 'systemctl enable --now socketgate-metrics.socket' starts "
            "it with one (by hand: systemd-socket-activate -l 9823 --fdname=metrics socketgate "
            "metrics --serve)"
        )
    return passed_listeners(lambda: passed)


async def _serve(listeners: Sequence[Listener], scrapes: Scrapes) -> None:
    """Answer until SIGTERM."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    servers = [
        await asyncio.start_server(scrapes.serve, sock=one.sock, limit=MAX_REQUEST_BYTES)
        for one in listeners
    ]
    await stopped.wait()
    for server in servers:
        server.close()
