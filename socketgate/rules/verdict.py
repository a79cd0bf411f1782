# SPDX-License-Identifier: MIT
"""The judgement, with all that follows from it."""

from dataclasses import dataclass

from socketgate.rules.option import Action
from socketgate.rules.request import Access, Request, RulePlace


@dataclass(frozen=True, slots=True)
class Verdict:
    """Allow or deny, and the rule it came from (None: no rule decided).

    `actions` are what options ask for, in order, also when the verdict is DENY; `messages` the
    warnings and errors libwrap would have logged. `request` is the request as the decision left it:
    expansions clean the texts they show. None: the request is as it was.
    """

    access: Access
    place: RulePlace | None = None
    actions: tuple[Action, ...] = ()
    messages: tuple[str, ...] = ()
    request: Request | None = None
