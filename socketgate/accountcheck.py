# SPDX-License-Identifier: MIT
"""Whether the users and groups that options name exist: errors, for a reload as for `check`.

Who matches a rule with an account that isn't there is refused (hosts_options(5)), so a gate does
not take such rules over.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from socketgate.accounts import look_up_account
from socketgate.lookup_values import Found
from socketgate.rules.diagnostic import Diagnostic, Severity
from socketgate.rules.names import NameKind, NameUse, first_uses
from socketgate.rules.text import shown

#: How long the accounts of a table are looked up before it is taken without them, in seconds.
MAX_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """How a kind of name is looked up; `{}` in the texts is the name.

    `look_up` answers True if all is well, False if the name isn't there, None if that can't be
    told and why in the note, else with a text: what is wrong with it.
    """

    look_up: Callable[[bytes], Found]
    severity: Severity
    code: str
    message: str
    hint: str


ACCOUNT_CHECKS = {
    NameKind.USER: Check(
        partial(look_up_account, is_group=False),
        Severity.ERROR,
        "unknown-user",
        'unknown user: "{}": who matches is refused',
        "create the user, or name another",
    ),
    NameKind.GROUP: Check(
        partial(look_up_account, is_group=True),
        Severity.ERROR,
        "unknown-group",
        'unknown group: "{}": who matches is refused',
        "create the group, or name another",
    ),
}


def look_up_use(use: NameUse) -> Found:
    """Whether the account exists. Blocks."""
    return ACCOUNT_CHECKS[use.kind].look_up(use.name)


def account_faults(
    uses: Sequence[NameUse],
    *,
    max_seconds: float = MAX_SECONDS,
    look_up: Callable[[NameUse], Found] = look_up_use,
) -> list[Diagnostic]:
    """Those of the accounts that don't exist, each once in a file. Blocks until the deadline.

    `uses` are rules.names.accounts_named(table). getpwnam(3) may ask a network, so it runs in a
    thread that nobody waits for at exit. An account about which there is no answer in time is no
    fault: whoever matches the rule is refused then, if it must be.
    """
    wanted = first_uses(uses)
    if not wanted:
        return []
    answers: dict[NameUse, Found] = {}

    def look_all_up() -> None:
        for use in wanted:
            answers[use] = look_up(use)

    thread = threading.Thread(target=look_all_up, name="lookup-accounts", daemon=True)
    thread.start()
    thread.join(max_seconds)
    missing = (use for use in wanted if use in answers and answers[use].answer is not True)
    return [missing_account(use) for use in missing]


def missing_account(use: NameUse) -> Diagnostic:
    """What is said of an account that doesn't exist."""
    check = ACCOUNT_CHECKS[use.kind]
    name = shown(use.name)
    return use.diagnostic(check.severity, check.code, check.message.format(name), check.hint)
