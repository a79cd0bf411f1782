# SPDX-License-Identifier: MIT
"""`socketgate metrics`: the running gates' numbers for Prometheus."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from socketgate.activation import Listener, passed_listeners
from socketgate.answers import INTERFACE, CountersAnswer
from socketgate.cli import ExitCode
from socketgate.cli.gates import Gate, add_gates, running_gates
from socketgate.cli.output import write
from socketgate.errors import ConfigError, NotPermitted
from socketgate.metrics import MAX_REQUEST_BYTES, Answers, Scrapes, encode, write_file
from socketgate.varlink import SERVICE, CallFailed, NotVarlink, ask

HELP = "print the gates' numbers for Prometheus, write them to a file, or serve them"
EPILOG = """\
Example: socketgate metrics --output /var/lib/prometheus/node-exporter/socketgate.prom"""

#: How long a gate may take to answer, in seconds: a scrape as a whole has ten by default.
PATIENCE_SECONDS = 3.0
#: Gates asked at once, so that one which hangs doesn't take the time of the others.
MAX_ASKED_AT_ONCE = 16


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
        return read_gates(running_gates(arguments.gates))

    if arguments.serve:
        encode({})  # what is missing is said now, and not to whoever scrapes
        asyncio.run(_serve(passed_listeners(), Scrapes(read)))
    elif arguments.output is None:
        write(encode(read())[0].decode())
    else:
        return _write(arguments.output, encode(read())[0])
    return ExitCode.OK


def read_gates(gates: Sequence[Gate]) -> Answers:
    """What each gate answers, None for one that doesn't. Raises NotPermitted."""
    with ThreadPoolExecutor(MAX_ASKED_AT_ONCE) as pool:
        return dict(zip([gate.name for gate in gates], pool.map(_counters, gates), strict=True))


def _counters(gate: Gate) -> CountersAnswer | None:
    method = f"{INTERFACE}.Counters"
    try:
        return ask(str(gate.path), method, {}, CountersAnswer, PATIENCE_SECONDS)
    except CallFailed as error:
        if error.name != f"{SERVICE}.PermissionDenied":
            return None
        raise NotPermitted(
            f"the gate {gate.name} tells only root, its own user and the groups that [control] in "
            "socketgate.toml names"
        ) from error
    except PermissionError as error:
        raise NotPermitted(f"{gate.path}: {error.strerror}") from error
    except (NotVarlink, OSError):
        return None


def _write(path: Path, text: bytes) -> int:
    try:
        write_file(path, text)
    except PermissionError as error:
        print(f"socketgate: {path}: {error.strerror}", file=sys.stderr)
        return ExitCode.NOT_PERMITTED
    except OSError as error:
        raise ConfigError(f"--output {path}: {error.strerror}") from error
    return ExitCode.OK


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
