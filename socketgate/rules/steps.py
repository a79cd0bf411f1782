# SPDX-License-Identifier: MIT
"""Carrying out the options of the rule that matched, one after the other (hosts_options(5))."""

from collections.abc import Iterable

from socketgate.rules.expand import ExpansionTooLong, expanded
from socketgate.rules.facts import Facts
from socketgate.rules.keyword import (
    Act,
    BecomeAccount,
    Command,
    CommandKind,
    Environment,
    Fail,
    Jump,
    LookUpUser,
    Step,
)
from socketgate.rules.option import Action, Inherited, RunAsGroup, RunAsUser, SetEnv, Spawn, Twist
from socketgate.rules.request import Access, AccountExists, CommandStatus, RulePlace
from socketgate.rules.text import SPACES, shown

#: Steps that depend on nothing but the rule: they give the same verdict for every request.
CONSTANT_STEPS = (Jump, Fail, Act)


class Run:
    """What the options of one decision have led to so far."""

    __slots__ = ("aclexec_failed", "actions", "facts", "rule")

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.actions: list[Action] = []
        #: The rule that matched and whose options are being carried out.
        self.rule: RulePlace | None = None
        #: The last aclexec failed: a rule with options then counts as not matching, in the
        #: following table too. Fresh for each decision.
        self.aclexec_failed = False

    def carry_out(self, steps: Iterable[Step]) -> Access | None:
        """Go through a rule's options. An Access ends the decision at once."""
        try:
            for step in steps:
                access = self._carry_out(step)
                if access is not None:
                    return access
        except ExpansionTooLong as text:
            self.facts.warn(f"percent_x: expansion too long: {text}...")
            return Access.DENY
        return None

    def _carry_out(self, step: Step) -> Access | None:
        match step:
            case Jump(access):
                return access
            case Fail(text):
                return self._refuse(text)
            case Act(action):
                self.actions.append(action)
            case LookUpUser(timeout_seconds):
                self.facts.user(timeout_seconds)
            case BecomeAccount(action):
                return self._become(action)
            case Environment(text):
                return self._set_environment(self._expand(text))
            case Command(kind, text):  # pragma: no branch  # there is no other step
                return self._command(kind, self._expand(text))
        return None

    def _refuse(self, text: str) -> Access:
        self.facts.error(text)
        return Access.DENY

    def _expand(self, text: bytes) -> bytes:
        return expanded(text, self.facts).strip(SPACES)

    def _become(self, action: RunAsUser | RunAsGroup) -> Access | None:
        """The group is looked at first, as in libwrap."""
        if action.group is not None and not self._exists(action.group, is_group=True):
            return self._refuse(f'unknown group: "{shown(action.group)}"')
        if isinstance(action, RunAsUser) and not self._exists(action.user, is_group=False):
            return self._refuse(f'unknown user: "{shown(action.user)}"')
        self.actions.append(action)
        return None

    def _exists(self, name: bytes, *, is_group: bool) -> bool:
        return self.facts.answer(AccountExists(name, is_group)) is True

    def _set_environment(self, text: bytes) -> Access | None:
        """The name is what setenv(3) takes for one, or the client is refused as in libwrap."""
        raw, *rest = (
            text.replace(b"\t", b" ").replace(b"\r", b" ").replace(b"\n", b" ").split(b" ", 1)
        )
        name = raw.strip(SPACES)
        if not name or b"=" in name:
            return self._refuse("memory allocation failure")
        value = text[len(raw) :].strip(SPACES) if rest else b""
        self.actions.append(SetEnv(name, value))
        return None

    def _command(self, kind: CommandKind, command: bytes) -> Access | None:
        match kind:
            case CommandKind.SPAWN:
                self.actions.append(Spawn(command))
                return None
            case CommandKind.TWIST:
                self.actions.append(Twist(command))
                return Access.DENY
            case CommandKind.ACLEXEC:  # pragma: no branch  # there is no other kind
                return self._ask(command)

    def _ask(self, command: bytes) -> Access | None:
        occurrence = self.facts.commands_run.get(command, 0)
        self.facts.commands_run[command] = occurrence + 1
        inherited = tuple(action for action in self.actions if isinstance(action, Inherited))
        status = self.facts.answer(CommandStatus(command, occurrence, inherited))
        if not isinstance(status, int):
            return self._refuse("aclexec command could not be run to its end")
        self.aclexec_failed = status != 0
        return None
