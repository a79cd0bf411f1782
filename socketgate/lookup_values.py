# SPDX-License-Identifier: MIT
"""What every lookup has in common: its limits, its result, and the check of foreign text."""

import collections
from dataclasses import dataclass
from enum import Enum

from socketgate.rules.request import PARANOID, UNKNOWN, Answer


# fmt: off
@dataclass(frozen=True, slots=True, kw_only=True)
class LookupLimits:
    """How long lookups may take, how many there may be, how long answers are kept."""

    name_seconds: float = 10.0             # what glibc gives one dead server: 5 s, twice
    ident_seconds: float = 10.0            # libwrap's rfc931_timeout, when the rule names none
    max_ident_seconds: float = 60.0        # bounds what `rfc931 N` may ask for
    account_seconds: float = 5.0           # files answer at once; this is for LDAP and the like
    netgroup_seconds: float = 5.0          # as accounts

    max_name_threads: int = 64             # threads; a dead resolver holds each for 10 s or more
    max_name_threads_per_network: int = 8  # threads for a /24 or /48, how reverse zones are cut
    max_account_threads: int = 4           # threads; answers are kept, so few are needed
    max_forward_threads: int = 4           # threads; in the background, nobody waits for them
    max_waiting: int = 4096                # connections waiting for a name or a user; a task each
    max_waiting_per_source: int = 512      # of these from one /32 or /64; they share one lookup
    max_ident: int = 256                   # ident queries at once; a descriptor each
    max_ident_per_source: int = 64         # of these to one /32 or /64, which may be silent

    good_seconds: float = 60.0             # a name that holds; resolvers keep it by its real TTL
    failed_seconds: float = 20.0           # no answer: soon right again once the zone is repaired
    paranoid_seconds: float = 30.0         # a contradiction: shields the resolver from repeats
    max_cached: int = 8192                 # answers kept; about 400 bytes each

    forward_refresh_seconds: float = 60.0  # the shortest TTL that dynamic DNS services hand out
    forward_retry_seconds: float = 10.0    # after a failure, until the resolver is back
    forward_keep_seconds: float = 86400.0  # a last good answer; an older one may be a stranger's
    max_forward_names: int = 1024          # `dns:` names watched: 34 lookups a second at most
    max_forward_addresses: int = 256       # of a name, each family: more than an answer by UDP has
# fmt: on


#: RFC 1035: no host name is longer.
MAX_NAME_BYTES = 255


@dataclass(frozen=True, slots=True)
class Found:
    """An answer, and what an admin should know about how it came about, for the journal.

    The note is empty when all went well, else one line such as `name: timed out`.
    """

    answer: Answer
    note: str = ""


class Trouble(Enum):
    """Why a lookup has no answer of its own."""

    TIMED_OUT = "timed out"
    BROKE = "the lookup broke off"
    STOPPED = "the gate is stopping"


def keep_seconds(answer: Answer, limits: LookupLimits) -> float:
    """How long an answer may be used again."""
    if answer == UNKNOWN or answer is False:
        return limits.failed_seconds
    if answer == PARANOID:
        return limits.paranoid_seconds
    return limits.good_seconds


def is_clean(text: bytes, max_bytes: int) -> bool:
    """Whether foreign text is one printable word: UTF-8, no blank, no control character."""
    if not 0 < len(text) <= max_bytes:
        return False
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        return False
    return decoded.isprintable() and not any(letter.isspace() for letter in decoded)


def shown(text: bytes) -> str:
    """Foreign text made fit for a note: short, and escaped unless it is clean."""
    text = text[:255]
    return text.decode() if is_clean(text, 255) else ascii(text)[2:-1]


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Whom a limit counts: what one client has to itself, and the network that is in."""

    source: str
    network: str


class Shares:
    """How many lookups are under way, in all and for each source, with a limit to both.

    The last quarter goes to networks that have none: whoever has a whole network of addresses to
    ask from, and a dead zone for them, leaves others room.
    """

    def __init__(self, max_total: int, max_each: int) -> None:
        self._max_total = max_total
        self._max_each = max_each
        self._plenty_until = max_total * 3 // 4
        self._total = 0
        self._of_source: collections.Counter[str] = collections.Counter()
        self._of_network: collections.Counter[str] = collections.Counter()

    @property
    def total(self) -> int:
        """How many are under way."""
        return self._total

    def over(self, who: Prefixes) -> str:
        """Whose limit doesn't allow one more, for a note; empty if there may be one."""
        if self._total >= self._max_total:
            return "all"
        if self._of_source[who.source] >= self._max_each:
            return who.source
        if self._total >= self._plenty_until and self._of_network[who.network]:
            return who.network
        return ""

    def take(self, who: Prefixes) -> bool:
        """Count one more, unless that is over a limit."""
        if self.over(who):
            return False
        self._total += 1
        self._of_source[who.source] += 1
        self._of_network[who.network] += 1
        return True

    def give_back(self, who: Prefixes) -> None:
        """Count one less."""
        self._total -= 1
        for counts, prefix in ((self._of_source, who.source), (self._of_network, who.network)):
            counts[prefix] -= 1
            if not counts[prefix]:
                del counts[prefix]
