# SPDX-License-Identifier: MIT
"""Building a daemon's policy out of a table's rules. Near-linear in the number of rules."""

from collections.abc import Mapping, Sequence

from socketgate.rules.addresslines import AddressLines
from socketgate.rules.facts import Facts
from socketgate.rules.flat import quad_table, six_table, span_key
from socketgate.rules.host import AnyText
from socketgate.rules.pattern import Anything
from socketgate.rules.policy import Compiled, NotCovered, Policy, Segment
from socketgate.rules.request import Endpoint, Request, TableName
from socketgate.rules.rule import Broken, Origins, Rule, WordList, client_addresses
from socketgate.rules.spans import EVERY_ADDRESS, Spans
from socketgate.rules.syntax import Parsed
from socketgate.rules.word import ClientWord, DaemonWord, Reading, parse_daemon_word


class _DependsOnServer(Exception):
    """Whether the daemon list matches is only known with the server's address or name."""


def compile_policy(
    allow: Parsed,
    deny: Parsed,
    *,
    daemon: bytes,
    server_port: int | None,
    by_number: Mapping[int, Rule | Broken],
    origins: Origins,
    compiled: Compiled | None = None,
) -> Policy:
    """The rules as this daemon sees them on this port.

    Of a large table only what isn't `compiled` yet is looked at; raises NotCovered.
    """
    facts = Facts(Request(daemon=daemon, server=Endpoint(port=server_port)))
    view = _View(facts, compiled)
    view.add(allow, TableName.ALLOW)
    is_split = view.has_aclexec
    if compiled is not None and is_split != (len(compiled.segments) > 1):
        raise NotCovered
    if is_split:
        view.end_segment()
    of_allow = len(view.segments)
    view.add(deny, TableName.DENY)
    view.end_segment()
    segments = view.segments
    if compiled is not None:
        segments = [*compiled.segments, *segments]
        of_deny = [*compiled.segments[1:], *view.segments[of_allow:]]
    else:
        of_deny = view.segments[of_allow:]
    return Policy(
        segments=_worth_searching(segments),
        segments_by_file=view.segments,
        deny_segments=of_deny,
        residual=view.residual,
        everyone=view.everyone,
        address_lines=view.address_lines,
        by_number=by_number,
        origins=origins,
    )


def _worth_searching(segments: Sequence[Segment]) -> Sequence[Segment]:
    """Without those that have no rule; at least one."""
    return [one for one in segments if not one.is_empty] or segments[:1]


class _View:
    """Sorts the rules into those that go by address and the others."""

    def __init__(self, facts: Facts, compiled: Compiled | None) -> None:
        self._facts = facts
        self._compiled = compiled
        self._quad_keys: list[int] = []
        self._six_keys: list[int] = []
        self.segments: list[Segment] = []
        self.residual: list[Rule] = []
        self.everyone: list[Rule | Broken] = []
        self.address_lines: list[AddressLines] = []
        #: Whether a rule so far may count as not matching after all: then what follows it in the
        #: same file is skipped, and the next file must have spans of its own.
        self.has_aclexec = False

    def add(self, file: Parsed, table: TableName) -> None:
        """Add a file's rules."""
        for word, lines in file.address_rules.items():
            if parse_daemon_word(word, Reading()).matches(self._facts):
                self._add_lines(lines)
        for rule in file.rules:
            self._add_rule(rule)
        if file.broken is not None and table is TableName.DENY:
            self.everyone.append(file.broken)
            self._add_spans(EVERY_ADDRESS, file.broken.number)

    def end_segment(self) -> None:
        """What was added since the last one becomes a segment."""
        self.segments.append(Segment(quad_table(self._quad_keys), six_table(self._six_keys)))
        self._quad_keys, self._six_keys = [], []

    def _add_lines(self, lines: AddressLines) -> None:
        self.address_lines.append(lines)
        self._quad_keys += lines.quad_keys()
        self._six_keys += lines.six_keys()

    def _add_rule(self, rule: Rule) -> None:
        try:
            if not self._daemon_matches(rule.daemons):
                return
            addresses = client_addresses(rule.clients)
        except _DependsOnServer:
            addresses = None
        self.everyone.append(rule)
        self.has_aclexec = self.has_aclexec or rule.has_aclexec
        if addresses is None:
            self.residual.append(rule)
        else:
            self._add_spans(addresses, rule.number)

    def _add_spans(self, addresses: Spans, number: int) -> None:
        if self._compiled is not None and self._compiled.covers(number):
            return
        self._quad_keys += [span_key(*span, number, 32) for span in addresses.quads]
        self._six_keys += [span_key(*span, number, 128) for span in addresses.sixes]

    def _daemon_matches(self, daemons: WordList) -> bool:
        return daemons.holds(self._word_matches)

    def _word_matches(self, word: DaemonWord | ClientWord) -> bool:
        """Whether a daemon word matches whatever the server's end is."""
        if isinstance(word, DaemonWord) and not word.daemon.matches(self._facts):
            return False
        if word.host is not None and word.host != AnyText(Anything(), by_address=False):
            raise _DependsOnServer
        return True
