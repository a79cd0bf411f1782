# SPDX-License-Identifier: MIT
"""A control socket that answers as a test says, for the command line: all but the gate is real.

with gate_answering(folder, "sshd", {"Status": status(...)}):
    main(["status", "sshd", "--gates", str(folder)])
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from socketgate.answers import SOCKET, CountersAnswer, ExplainAnswer, GateState, StatusAnswer
from socketgate.control import Control, Method, Right, Rights
from socketgate.varlink import CallFailed

Reply = Mapping[str, object] | CallFailed

HANDED_OVER, REFUSED = 8, 3


def gate_state(daemon: str = "sshd") -> GateState:
    """A listening socket with some history."""
    return {
        "daemon": daemon,
        "address": "*:22",
        "waiting": 2,
        "held": 1,
        "backends": [
            {
                "path": f"/run/socketgate/backend/{daemon}.sock",
                "channels": 1,
                "unacknowledged": 1,
                "trouble": None,
                "trouble_at": None,
            }
        ],
        "outcomes": {"handed-over": HANDED_OVER, "refused": REFUSED, "error": 0},
        "top_refusals": [
            {"file": "/etc/hosts.deny", "line": 4, "ban": None, "refused": 2},
            {"file": None, "line": None, "ban": "198.51.100.0/24", "refused": 1},
        ],
        "last_refused": [
            {
                "at": 1_700_000_000.0,
                "address": "192.0.2.7",
                "file": "/etc/hosts.deny",
                "line": 4,
                "ban": None,
            }
        ],
    }


def status(*daemons: str, error: str | None = None) -> StatusAnswer:
    """The state of a gate that serves these daemons."""
    return {
        "version": "1.2.3",
        "pid": 4711,
        "started_at": 1_700_000_000.0,
        "rules": {
            "generation": 5,
            "count": 17,
            "loaded_at": 1_700_000_000.0,
            "files": ["/etc/hosts.allow", "/etc/hosts.deny"],
            "error": error,
        },
        "bans": 6,
        "commands": None,
        "gates": [gate_state(daemon) for daemon in daemons or ("sshd",)],
    }


def counters(handed_over: int = HANDED_OVER) -> CountersAnswer:
    """The numbers of a gate for sshd."""
    return {
        "started_at": 1_700_000_000.0,
        "rules_generation": 5,
        "rules_count": 17,
        "rules_loaded_at": 1_700_000_000.0,
        "rules_in_error": False,
        "commands_in_trouble": False,
        "bans": 6,
        "gates": [
            {
                "daemon": "sshd",
                "address": "*:22",
                "waiting": 2,
                "held": 1,
                "outcomes": {"handed-over": handed_over, "refused": REFUSED, "error": 1},
            }
        ],
    }


def explanation(verdict: str = "deny", line: int = 4) -> ExplainAnswer:
    """A verdict by a rule of hosts.deny that needed the name."""
    return {
        "verdict": verdict,
        "by": "rule",
        "file": "/etc/hosts.deny",
        "line": line,
        "text": "ALL: .example.org",
        "generation": 5,
        "not_in_force": None,
        "rules": [
            {
                "file": "/etc/hosts.deny",
                "first_line": 1,
                "line": 3,
                "count": 3,
                "text": "",
                "matched": False,
                "why": "none of them",
            },
            {
                "file": "/etc/hosts.deny",
                "first_line": line,
                "line": line,
                "count": 1,
                "text": "ALL: .example.org",
                "matched": True,
                "why": "the client name is a.example.org",
            },
        ],
        "facts": [
            {
                "fact": "client name",
                "answer": "a.example.org",
                "source": "kept",
                "age": 61.0,
                "note": None,
            }
        ],
        "messages": [],
        "bans": [],
        "never_banned": False,
        "unbanned": None,
        "limits": [],
    }


@contextlib.contextmanager
def gate_answering(folder: Path, name: str, replies: Mapping[str, Reply]) -> Iterator[Path]:
    """Serve these methods in a gate's folder. The answer: the folder of all gates."""
    (folder / name).mkdir()
    started = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def method(reply: Reply) -> Method:
        async def answer(_parameters: Mapping[str, object]) -> Mapping[str, object]:
            if isinstance(reply, CallFailed):
                raise reply
            return reply

        return Method(Right.LOOK, answer)

    async def serve() -> None:
        methods = {name: method(reply) for name, reply in replies.items()}
        control = Control(folder / name / SOCKET, Rights(frozenset(), frozenset()), methods)
        control.open()
        started.set()
        await stop.wait()
        await control.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        started.wait(20.0)
        yield folder
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
