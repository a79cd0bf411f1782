# SPDX-License-Identifier: MIT
"""One daemon's view of a table: the rules that can concern it, addresses flattened.

    segments   address rules and all rules whose clients go by address alone, as disjoint spans
    residual   the others, in order: only those before the rule that the spans give are tried
    everyone   all rules that are values, for addresses in spellings that spans can't tell

`verdict` is the fast path: one bisect, and a ready verdict. It answers None when anything but the
address counts, or anything must be done; then decide() has the answer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, inet_pton
from struct import unpack

from socketgate.rules.address import Subject
from socketgate.rules.addresslines import AddressLines
from socketgate.rules.facts import Facts
from socketgate.rules.flat import QuadTable, SixTable, split_six
from socketgate.rules.request import UNKNOWN, Access, Request
from socketgate.rules.rule import DENY_BASE, NO_RULE, Broken, Origins, Rule
from socketgate.rules.steps import CONSTANT_STEPS, Run
from socketgate.rules.verdict import Verdict

from_bytes = int.from_bytes

#: So many ready verdicts are kept at once, 20 MB at the worst: making one takes longer than finding
#: its rule, and the same addresses of a botnet come again and again.
_MAX_READY = 65_536


@dataclass(frozen=True, slots=True)
class Segment:
    """Disjoint spans of both families."""

    quads: QuadTable
    sixes: SixTable

    @property
    def is_empty(self) -> bool:
        """Whether no address has a rule here: there is but the span that each table begins with."""
        owners = (self.quads.owners, self.sixes.owners)
        return all(len(one) == 1 and one[0] == NO_RULE for one in owners)


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a large table's rules by address were compiled to earlier, for one daemon and port.

    `segments` is one for both files or, where a rule has `aclexec`, one for each.
    """

    segments: tuple[Segment, ...]
    #: The numbers of the last lines they cover; what was appended since has higher ones.
    allow_until: int
    deny_until: int

    def covers(self, number: int) -> bool:
        """Whether the segments have this rule's addresses."""
        return number <= (self.deny_until if number >= DENY_BASE else self.allow_until)


class NotCovered(Exception):
    """What was appended can't be added to what is compiled: compile all of it anew."""


def address_rule_verdict(number: int, origins: Origins) -> Verdict:
    """The verdict of a rule that is nothing but a number: of one address, without real options."""
    is_deny = (number >= DENY_BASE) != bool(number & 1)
    return Verdict(Access.DENY if is_deny else Access.ALLOW, origins.place(number))


class Policy:
    """See above. Immutable but for the verdicts it keeps ready."""

    __slots__ = (
        "_find_quad", "_find_six", "_first_residual", "_ready",
        "address_lines", "by_number", "deny_segments", "everyone", "origins", "residual",
        "segments", "segments_by_file",
    )  # fmt: skip

    def __init__(
        self,
        *,
        segments: Sequence[Segment],
        segments_by_file: Sequence[Segment],
        deny_segments: Sequence[Segment],
        residual: Sequence[Rule],
        everyone: Sequence[Rule | Broken],
        address_lines: Sequence[AddressLines],
        by_number: Mapping[int, Rule | Broken],
        origins: Origins,
    ) -> None:
        self.segments = segments
        #: Those compiled for this policy, as `Compiled` has them.
        self.segments_by_file = segments_by_file
        #: Those of hosts.deny alone, for a rule of hosts.allow that does not count after all.
        self.deny_segments = deny_segments
        self.residual = residual
        self.everyone = everyone
        self.address_lines = address_lines
        self.by_number = by_number
        self.origins = origins
        self._find_quad = _least_quad(segments)
        self._find_six = _least_six(segments)
        self._first_residual = residual[0].number if residual else NO_RULE
        self._ready: dict[int, Verdict | None] = {}

    def verdict(self, address: str) -> Verdict | None:
        """The verdict for an address as accept(2) gives it, if nothing else counts; else None.

        IPv4, IPv6 or IPv4-mapped, in the spelling of getnameinfo(3).
        """
        try:
            if ":" not in address:
                number = self._find_quad(from_bytes(inet_pton(AF_INET, address)))
            elif "." in address:
                number = self._find_quad(from_bytes(inet_pton(AF_INET, _without_prefix(address))))
            else:
                number = self._find_six(*unpack("!QQ", inet_pton(AF_INET6, address)))
        except (OSError, ValueError):
            return None
        if self._first_residual < number:
            return None
        try:
            return self._ready[number]
        except KeyError:
            return self._make_ready(number)

    def first_by_address(self, client: Subject, *, after_allow: bool) -> int:
        """The number of the first rule that goes by address alone and has the client, or NO_RULE.

        `after_allow`: of hosts.deny only. Rules of `everyone` are not looked at for addresses that
        no span can tell.
        """
        segments = self.deny_segments if after_allow else self.segments
        if (quad := client.canonical) is not None:
            return min((segment.quads.find(quad) for segment in segments), default=NO_RULE)
        if (six := client.six) is not None:
            halves = split_six(six)
            return min((segment.sixes.find(*halves) for segment in segments), default=NO_RULE)
        if client.quad is None:
            return NO_RULE
        first = DENY_BASE if after_allow else 0
        numbers = (lines.net_of(client.quad, first) for lines in self.address_lines)
        return min(numbers, default=NO_RULE)

    def _make_ready(self, number: int) -> Verdict | None:
        verdict = self._constant_verdict(number)
        if len(self._ready) >= _MAX_READY:
            self._ready.clear()
        self._ready[number] = verdict
        return verdict

    def _constant_verdict(self, number: int) -> Verdict | None:
        """The verdict of a rule, if it is the same for everybody."""
        if number == NO_RULE:
            return Verdict(Access.ALLOW)
        match self.by_number.get(number):
            case None:
                return address_rule_verdict(number, self.origins)
            case Broken(messages=messages):
                return Verdict(Access.DENY, None, (), messages)
            case rule if all(isinstance(step, CONSTANT_STEPS) for step in rule.steps):
                return _verdict_without_facts(rule)
            case _:
                return None


def _without_prefix(address: str) -> str:
    """An IPv4-mapped address as IPv4; raises ValueError for others that have dots.

    To libwrap ::ffff:255.255.255.255 is one of those.
    """
    if not address.startswith("::ffff:") or address.endswith(":255.255.255.255"):
        raise ValueError(address)
    return address[len("::ffff:") :]


def _least_quad(segments: Sequence[Segment]) -> Callable[[int], int]:
    """The search in several segments: the rule that comes first counts."""
    finds = [segment.quads.find for segment in segments]
    if len(finds) == 1:
        return finds[0]
    return lambda quad: min([find(quad) for find in finds])


def _least_six(segments: Sequence[Segment]) -> Callable[[int, int], int]:
    finds = [segment.sixes.find for segment in segments]
    if len(finds) == 1:
        return finds[0]
    return lambda high, low: min([find(high, low) for find in finds])


def _verdict_without_facts(rule: Rule) -> Verdict:
    run = Run(Facts(Request(daemon=UNKNOWN)))
    run.facts.place = rule.place
    access = run.carry_out(rule.steps)
    if access is None:
        access = Access.DENY if rule.number >= DENY_BASE else Access.ALLOW
    return Verdict(access, rule.place, tuple(run.actions), tuple(run.facts.messages))
