# SPDX-License-Identifier: MIT
"""Both files compiled: immutable, and cheap to compare with what another reading gives.

Sources ──build_table()──▶ RuleTable ──policy(daemon, port)──▶ Policy
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from socketgate.rules.compile import compile_policy
from socketgate.rules.diagnostic import Diagnostic, Findings, Severity
from socketgate.rules.hostfile import build_library
from socketgate.rules.lintfiles import hidden_findings, host_file_findings
from socketgate.rules.policy import Compiled, Policy
from socketgate.rules.request import TableName
from socketgate.rules.rule import Broken, Origins, Rule
from socketgate.rules.source import Excerpt, Source, Sources, Text, Unreadable
from socketgate.rules.syntax import Parsed, forward_names_of, parse
from socketgate.rules.word import Reading

#: In a larger table rules that are never reached are looked for only when it is asked for.
_MAX_SPANS = 20_000
#: So many daemons' policies are kept; a gate has a few, `match` may ask for many.
_MAX_POLICIES = 64

#: A daemon and the port it is reached on.
PolicyKey = tuple[bytes, int | None]


class RuleTable:
    """The rules of both files. Tables are equal when they were built from equal sources."""

    __slots__ = (
        "_compiled",
        "_digest",
        "_policies",
        "allow",
        "by_number",
        "deny",
        "diagnostics",
        "dropped_count",
        "origins",
        "reading",
    )

    def __init__(
        self,
        sources: Sources,
        reading: Reading,
        allow: Parsed,
        deny: Parsed,
        found: Sequence[Findings],
        compiled: Mapping[PolicyKey, Compiled] | None,
    ) -> None:
        self._digest = digest_of(sources)
        self._compiled = compiled
        self._policies: dict[PolicyKey, Policy] = {}
        self.origins = Origins(sources.allow_origin, sources.deny_origin)
        #: How the rules' words are read.
        self.reading = reading
        self.allow = allow
        self.deny = deny
        #: The rules that are values, by number; the others are in the address rules' arrays.
        self.by_number: dict[int, Rule | Broken] = {
            rule.number: rule for rule in allow.rules + deny.rules
        }
        if deny.broken is not None:
            self.by_number[deny.broken.number] = deny.broken
        #: Errors and warnings, by file and line, and how many more there are beyond those kept.
        self.diagnostics = (
            *allow.diagnostics, *deny.diagnostics, *(one for file in found for one in file.kept)
        )  # fmt: skip
        self.dropped_count = (
            allow.dropped_count + deny.dropped_count + sum(file.dropped_count for file in found)
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RuleTable) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)

    @property
    def rule_count(self) -> int:
        """How many rules there are in both files."""
        return self.allow.rule_count + self.deny.rule_count

    @property
    def errors(self) -> list[Diagnostic]:
        """What is wrong enough to keep the table from being put in force."""
        return [one for one in self.diagnostics if one.severity is Severity.ERROR]

    @property
    def forward_names(self) -> frozenset[bytes]:
        """The names in `dns:NAME` patterns: their addresses must be known before a client asks."""
        return forward_names_of(self.allow.rules + self.deny.rules)

    def policy(self, daemon: bytes, server_port: int | None) -> Policy:
        """The rules as one daemon sees them on one port. Compiled at the first call.

        Of a large table only for those it is compiled for, else KeyError; raises NotCovered.
        """
        policy = self._policies.get((daemon, server_port))
        if policy is None:
            policy = compile_policy(
                self.allow,
                self.deny,
                daemon=daemon,
                server_port=server_port,
                by_number=self.by_number,
                origins=self.origins,
                compiled=None if self._compiled is None else self._compiled[daemon, server_port],
            )
            if len(self._policies) >= _MAX_POLICIES:
                self._policies.clear()
            self._policies[daemon, server_port] = policy
        return policy


def build_table(
    sources: Sources,
    *,
    thorough: bool = False,
    compiled: Mapping[PolicyKey, Compiled] | None = None,
) -> RuleTable:
    """Compile the rules. Never fails: what is wrong with them is in the table's diagnostics.

    Rules that are never reached are looked for in large tables only by a thorough build. With
    `compiled` the sources are excerpts of those it was compiled from, and what was appended.
    """
    reading = Reading(sources.interfaces, extensions=sources.extensions)
    library = build_library(sources.host_files, reading)
    reading = Reading(sources.interfaces, library, sources.extensions)
    allow = parse(sources.allow, sources.allow_origin, TableName.ALLOW, reading)
    deny = parse(sources.deny, sources.deny_origin, TableName.DENY, reading)
    found = host_file_findings(sources.host_files, reading)
    if compiled is None:
        found += hidden_findings(sources, allow, deny, None if thorough else _MAX_SPANS)
    return RuleTable(sources, reading, allow, deny, found, compiled)


def digest_of(sources: Sources) -> bytes:
    """A value for these sources that no others have."""
    digest = hashlib.sha256()
    for part in _parts(sources):
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()


def _parts(sources: Sources) -> Iterator[bytes]:
    """Everything the table depends on, in a fixed order."""
    yield repr((sources.allow_origin, sources.deny_origin, sources.extensions)).encode()
    yield repr(sorted(sources.interfaces)).encode()
    yield from _source_parts(sources.allow)
    yield from _source_parts(sources.deny)
    for path, source in sorted(sources.host_files.items(), key=lambda item: item[0]):
        yield path
        yield from _source_parts(source)


def _source_parts(source: Source) -> Iterator[bytes]:
    yield type(source).__name__.encode()
    match source:
        case Text(data):
            yield data
        case Excerpt(parts, count, whole):
            yield repr((count, whole, [(part.number, part.physical) for part in parts])).encode()
            yield from (part.data for part in parts)
        case Unreadable(reason):
            yield reason.encode("utf-8", "surrogateescape")
        case _:
            pass
