# SPDX-License-Identifier: MIT
"""What the control socket can do with a running gate: look, explain, reload."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from socketgate.answers import INTERFACE, ExplainAnswer, ReloadAnswer
from socketgate.config import Limits
from socketgate.control import Method, Right
from socketgate.explain import Grounds, explain, parse_question
from socketgate.gate import Gate
from socketgate.identify import WILDCARDS, is_ip
from socketgate.lookup_values import Shares
from socketgate.lookups import Lookups
from socketgate.report import Report
from socketgate.rules.request import UNKNOWN, Endpoint
from socketgate.varlink import CallFailed

#: Explanations under way at once; who asks for more waits.
MAX_EXPLAINED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """The methods of io.socketgate.Gate."""

    report: Report
    lookups: Lookups
    deciding: Shares
    limits: Limits
    reload_now: Callable[[], None]
    #: Names that are looked up for `explain` are not to take the gate's clients' place.
    explaining: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_EXPLAINED))

    def methods(self) -> dict[str, Method]:
        """Each with the right it takes."""
        report = self.report
        return {
            "Status": Method(Right.LOOK, report.status),
            "Counters": Method(Right.LOOK, report.counters),
            "Rules": Method(Right.LOOK, report.rules_answer),
            "Bans": Method(Right.LOOK, report.list_bans),
            "Explain": Method(Right.LOOK, self.explain),
            "Reload": Method(Right.CHANGE, self.reload),
        }

    async def explain(self, parameters: Mapping[str, object]) -> ExplainAnswer:
        """What a client would be told now."""
        question = parse_question(parameters)
        gate = next(
            (one for one in self.report.gates if one.listener.name == question.daemon), None
        )
        if gate is None:
            raise CallFailed(f"{INTERFACE}.NoSuchDaemon", {"daemon": question.daemon})
        rules = self.report.rules
        grounds = Grounds(
            sources=rules.sources,
            table=rules.table,
            generation=rules.generation,
            server=server_end(gate),
            kept=self.lookups.kept,
            look_up=self.lookups.find_out,
            bans=self.report.bans,
            limits=self._limits_of(gate),
            trouble=rules.last_error,
        )
        async with self.explaining:
            return await explain(question, grounds)

    async def reload(self, _parameters: Mapping[str, object]) -> ReloadAnswer:
        """Read the files; the answer comes when they are in force or known to be wrong."""
        rules = self.report.rules
        before = rules.generation
        self.reload_now()
        await rules.settled()
        if rules.last_error:
            raise CallFailed(f"{INTERFACE}.ReloadFailed", {"message": rules.last_error})
        return {
            "generation": rules.generation,
            "changed": rules.generation != before,
            "count": rules.table.rule_count,
        }

    def _limits_of(self, gate: Gate) -> tuple[str, ...]:
        """How near the gate is to what it can take, and what it can't do now."""
        trouble = self.report.commands_trouble()
        return (
            f"{self.deciding.total} of {self.limits.deciding_connections} clients wait for lookups",
            f"{gate.handoff.held_count} of {self.limits.held_connections} wait for a backend",
            *([f"commands can't be run: {trouble}"] if trouble else []),
        )


def server_end(gate: Gate) -> Endpoint:
    """The server's end as far as it is known without a client: of a wildcard only the port."""
    if not is_ip(gate.listener):
        return Endpoint()
    address, port = gate.listener.sock.getsockname()[:2]
    return Endpoint(UNKNOWN if address in WILDCARDS else address.encode(), port)
