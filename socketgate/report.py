# SPDX-License-Identifier: MIT
"""What the control socket answers about a running gate: its state and its numbers."""

import itertools
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from socketgate import __version__
from socketgate.answers import (
    BackendState,
    BansAnswer,
    CommandsState,
    CountersAnswer,
    GateCounters,
    GateState,
    RefusalCount,
    RefusedBy,
    RefusedClient,
    RulesState,
    StatusAnswer,
    ban_entry,
)
from socketgate.bans import Ban, Bans
from socketgate.commands import Commands
from socketgate.errors import BackendUnavailable
from socketgate.gate import Gate
from socketgate.handoff import Backend
from socketgate.identify import policy_key
from socketgate.refusals import Cause
from socketgate.reload import RulesInForce
from socketgate.rules.keyword import Command
from socketgate.rules.policy import Policy
from socketgate.rules.rule import Rule
from socketgate.trust import check_path
from socketgate.varlink import invalid

#: Rules and bans that refuse the most, in a status.
TOP_REFUSALS = 5

#: Bans in one answer.
BANS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Report:
    """Looks at the parts of a gate process; changes nothing."""

    rules: RulesInForce
    bans: Bans
    gates: Sequence[Gate]
    started_at: float
    commands: Commands
    #: Where the runner of commands listens; None for a child of ours.
    runner_path: Path | None = None
    #: Whether rules have commands, by the rules' generation: it is looked for once for each.
    _has_commands: dict[int, bool] = field(default_factory=dict)

    async def status(self, _parameters: Mapping[str, object]) -> StatusAnswer:
        """All of it."""
        return {
            "version": __version__,
            "pid": os.getpid(),
            "started_at": self.started_at,
            "rules": self.rules_state(),
            "bans": self._bans_now().count,
            "commands": self._commands_state(),
            "gates": [gate_state(gate) for gate in self.gates],
        }

    async def counters(self, _parameters: Mapping[str, object]) -> CountersAnswer:
        """The numbers."""
        return {
            "started_at": self.started_at,
            "rules_generation": self.rules.generation,
            "rules_count": self.rules.table.rule_count,
            "rules_loaded_at": self.rules.loaded_at,
            "rules_in_error": bool(self.rules.last_error),
            "commands_in_trouble": bool(self.commands_trouble()),
            "bans": self._bans_now().count,
            "gates": joined(map(gate_counters, self.gates)),
        }

    async def rules_answer(self, _parameters: Mapping[str, object]) -> RulesState:
        """The rules in force."""
        return self.rules_state()

    async def list_bans(self, parameters: Mapping[str, object]) -> BansAnswer:
        """A part of the bans."""
        offset = parameters.get("offset") or 0
        if not isinstance(offset, int) or offset < 0:
            raise invalid("offset")
        bans: Iterable[Ban] = self._bans_now()
        match parameters.get("address"):
            case None:
                total = self.bans.count
            case str(address):
                bans = self._matching(address)
                total = len(bans)
            case _:
                raise invalid("address")
        start = min(offset, total)
        part = itertools.islice(bans, start, start + BANS_AT_ONCE)
        return {"bans": [ban_entry(ban) for ban in part], "total": total}

    def rules_state(self) -> RulesState:
        """The rules in force."""
        return {
            "generation": self.rules.generation,
            "count": self.rules.table.rule_count,
            "loaded_at": self.rules.loaded_at,
            "files": sorted(self.rules.paths),
            "error": self.rules.last_error or None,
        }

    def _commands_state(self) -> CommandsState | None:
        if not self._needs_commands():
            return None
        return {
            "path": None if self.runner_path is None else str(self.runner_path),
            "connected": self.commands.is_connected,
            "trouble": self.commands_trouble() or None,
        }

    def commands_trouble(self) -> str:
        """Why the rules' commands would not be run now; empty if they would or there are none."""
        return self.commands.trouble if self._needs_commands() else ""

    def _needs_commands(self) -> bool:
        """Whether a rule in force that concerns a daemon of ours has a command."""
        rules = self.rules
        if rules.generation not in self._has_commands:
            policies = (rules.table.policy(*policy_key(gate.listener)) for gate in self.gates)
            self._has_commands.clear()
            self._has_commands[rules.generation] = any(map(has_commands, policies))
        return self._has_commands[rules.generation]

    def _bans_now(self) -> Bans:
        """The bans without those that have run out since they were last looked through."""
        self.bans.expire(time.time())
        return self.bans

    def _matching(self, address: str) -> list[Ban]:
        try:
            return list(self.bans.matching(address, None, time.time()))
        except ValueError as error:
            raise invalid("address") from error


def has_commands(policy: Policy) -> bool:
    """Whether one of its rules has a command."""
    rules = (rule for rule in policy.everyone if isinstance(rule, Rule))
    return any(isinstance(step, Command) for rule in rules for step in rule.steps)


def gate_state(gate: Gate) -> GateState:
    """One listening socket."""
    return {
        "daemon": gate.listener.name,
        "address": gate.listener.address,
        "waiting": gate.waiting_count,
        "held": gate.handoff.held_count,
        "backends": [backend_state(backend) for backend in gate.handoff.backends],
        "outcomes": outcomes(gate),
        "top_refusals": [
            RefusalCount(**by(cause), refused=number)
            for cause, number in gate.audit.refusals.top(TOP_REFUSALS)
        ],
        "last_refused": [
            RefusedClient(at=at, address=address, **by(cause))
            for at, address, cause in gate.audit.refusals.last()
        ],
    }


def by(cause: Cause | None) -> RefusedBy:
    """What refused somebody; all null if it was neither a rule nor a ban."""
    match cause:
        case str(net):
            return {"file": None, "line": None, "ban": net}
        case (file, line):
            return {"file": file, "line": line, "ban": None}
        case None:
            return {"file": None, "line": None, "ban": None}


def gate_counters(gate: Gate) -> GateCounters:
    """One listening socket's numbers."""
    return {
        "daemon": gate.listener.name,
        "address": gate.listener.address,
        "waiting": gate.waiting_count,
        "held": gate.handoff.held_count,
        "outcomes": outcomes(gate),
    }


def joined(sockets: Iterable[GateCounters]) -> list[GateCounters]:
    """Sockets of one daemon and address (SO_REUSEPORT) as one: by name nobody tells them apart."""
    found: dict[tuple[str, str], GateCounters] = {}
    for one in sockets:
        total = found.setdefault((one["daemon"], one["address"]), one)
        if total is not one:
            total["waiting"] += one["waiting"]
            total["held"] += one["held"]
            for outcome, number in one["outcomes"].items():
                total["outcomes"][outcome] += number
    return list(found.values())


def outcomes(gate: Gate) -> dict[str, int]:
    """Connections by how they ended."""
    return {outcome.value: count for outcome, count in gate.audit.counts.items()}


def backend_state(backend: Backend) -> BackendState:
    """One backend."""
    trouble, at = backend_trouble(backend)
    return {
        "path": backend.path,
        "channels": len(backend.channels),
        "unacknowledged": sum(one.unacknowledged_count for one in backend.channels),
        "trouble": trouble or None,
        "trouble_at": at if trouble else None,
    }


def backend_trouble(backend: Backend) -> tuple[str, float | None]:
    """Why it would take no client now, or took none when it was last tried; empty if neither.

    And when it was tried; None if it would take none now. To try it without a client would start
    an instance of many a backend.
    """
    if not backend.channels:
        try:
            check_path(backend.path)
        except BackendUnavailable as error:
            return str(error), None
    return backend.trouble, backend.trouble_at
