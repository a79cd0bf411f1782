# SPDX-License-Identifier: MIT
"""The options of hosts_options(5): a table of keywords, and the steps a rule's options become.

    ": severity mail.info : spawn x %a" ──parse_options()──▶ (Act(Severity), Command(SPAWN, ...))

A bad option becomes a Fail: it refuses when the rule matches, not when the file is read. Steps are
carried out in order by rules/steps.py; what is to be done comes out as actions.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache, partial

from socketgate.rules.option import (
    Action,
    Banners,
    KeepAlive,
    Linger,
    Nice,
    RunAsGroup,
    RunAsUser,
    Severity,
    Umask,
)
from socketgate.rules.request import Access
from socketgate.rules.text import SPACES, find_outside, shown, whole_number, whole_octal

LEVELS = frozenset(b"emerg alert crit err warning notice info debug".split())
FACILITIES = frozenset(
    b"kern user mail daemon auth lpr news uucp cron "
    b"local0 local1 local2 local3 local4 local5 local6 local7".split()
)
DEFAULT_NICE = 10
MAX_UMASK = 0o777
#: No keyword is longer.
_MAX_KEYWORD = 20


@dataclass(frozen=True, slots=True)
class Jump:
    """`allow` or `deny`: the decision, at once."""

    access: Access


@dataclass(frozen=True, slots=True)
class Fail:
    """A bad option: libwrap's text, and for the admin what kind of mistake it is."""

    text: str
    code: str
    hint: str


@dataclass(frozen=True, slots=True)
class Act:
    """Something to be done with the connection."""

    action: Action


@dataclass(frozen=True, slots=True)
class LookUpUser:
    """`rfc931`: the user's name is asked for here."""

    timeout_seconds: int | None


@dataclass(frozen=True, slots=True)
class BecomeAccount:
    """`user` or `group`: only if the accounts exist."""

    action: RunAsUser | RunAsGroup


class CommandKind(Enum):
    """The options whose value is a shell command."""

    ACLEXEC = "aclexec"
    SPAWN = "spawn"
    TWIST = "twist"


@dataclass(frozen=True, slots=True)
class Command:
    """A shell command, with `%` letters."""

    kind: CommandKind
    text: bytes


@dataclass(frozen=True, slots=True)
class Environment:
    """`setenv`: name and value, with `%` letters."""

    text: bytes


Step = Jump | Fail | Act | LookUpUser | BecomeAccount | Command | Environment


@dataclass(frozen=True, slots=True)
class Field:
    """One option as it stands in the rule."""

    start: int
    keyword: bytes
    value: bytes | None
    is_last: bool


class ValueRule(Enum):
    """Whether a keyword takes a value."""

    NEEDED = "needed"
    OPTIONAL = "optional"
    FORBIDDEN = "forbidden"


NEEDED, OPTIONAL, FORBIDDEN = ValueRule


@dataclass(frozen=True, slots=True)
class Keyword:
    """What hosts_options(5) says of one keyword."""

    parse: Callable[[bytes], Step]
    usage: str
    value: ValueRule = NEEDED
    must_be_last: bool = False


_FIELD = re.compile(rb"(?:\\:|[^:])*")
_KEYWORD = re.compile(rb"[^= \t\r\n]*")
_ASSIGNMENT = re.compile(rb"[ \t\r\n]*=?[ \t\r\n]*")


def split_options(text: bytes) -> tuple[Field, ...]:
    """The fields between colons; `\\:` is a colon within one."""
    fields = []
    start = 0
    while start < len(text):
        found = _FIELD.match(text, start)
        end = found.end() if found else start
        fields.append(_field(text[start:end], start, is_last=end + 1 >= len(text)))
        start = end + 1
    return tuple(fields)


def _field(raw: bytes, start: int, *, is_last: bool) -> Field:
    stripped = raw.replace(b"\\:", b":").strip(SPACES)
    start += len(raw) - len(raw.lstrip(SPACES))
    keyword = stripped[: _span(_KEYWORD, stripped, 0)]
    value = stripped[_span(_ASSIGNMENT, stripped, len(keyword)) :]
    return Field(start, keyword, value or None, is_last)


def _span(pattern: re.Pattern[bytes], text: bytes, start: int) -> int:
    found = pattern.match(text, start)
    return found.end() if found else start


def parse_option(field: Field) -> Step:
    """The step one option becomes; the checks in libwrap's order."""
    name = shown(field.keyword)
    keyword = KEYWORDS.get(field.keyword.lower())
    if not field.keyword:
        return Fail("missing option name", "missing-option", "remove the extra colon")
    if keyword is None:
        return Fail(f'bad option name: "{name}"', "unknown-option", suggestion(field.keyword))
    if field.value is None and keyword.value is NEEDED:
        text = f'option "{name}" requires value'
        return Fail(text, "missing-value", f"write: {keyword.usage}")
    if field.value is not None and keyword.value is FORBIDDEN:
        text = f'option "{name}" requires no value'
        return Fail(text, "forbidden-value", f"write: {keyword.usage}")
    if keyword.must_be_last and not field.is_last:
        text = f'option "{name}" must be at end'
        return Fail(text, "option-not-last", f"move {keyword.usage.split()[0]} behind the others")
    return keyword.parse(field.value or b"")


def suggestion(keyword: bytes) -> str:
    """What an unknown option may have been meant for."""
    if near := near_keyword(keyword):
        return f"did you mean {near}?"
    for beginning, hint in _MEANT.items():
        if re.match(beginning, keyword):
            return hint
    return "see hosts_options(5) for the options there are"


#: What unknown options begin with, and what to write instead.
_MEANT = {
    rb"[/(]": "write spawn before a shell command",
    rb"#": "put comments on lines of their own, with # in the first column",
    rb"[0-9]+\Z": "write a port in the place of the daemon, as in 22 : ALL",
    rb"(?i:accept|permit)\Z": "did you mean allow?",
    rb"(?i:drop|refuse|reject)\Z": "did you mean deny?",
    rb"[A-Za-z0-9]+[,;]": "write a colon between options",
    rb"(?i:all)\Z": "write DAEMONS : CLIENTS : OPTIONS",
}


@lru_cache(maxsize=1000)
def near_keyword(keyword: bytes) -> str | None:
    """The option that is one slip away."""
    word = keyword[:_MAX_KEYWORD].lower()
    return next((name.decode() for name in KEYWORDS if is_slip(word, name)), None)


def is_slip(word: bytes, meant: bytes) -> bool:
    """Whether a letter of a short word is missing, too many, another or a neighbour's."""
    return not _with_one_less(word).isdisjoint(_with_one_less(meant))


def _with_one_less(word: bytes) -> set[bytes]:
    """The word, whole and without each of its letters: words one slip apart share one."""
    return {word} | {word[:index] + word[index + 1 :] for index in range(len(word))}


def _bad(text: str, value: bytes, hint: str) -> Fail:
    return Fail(f'{text}: "{shown(value)}"', "bad-value", hint)


def _linger(value: bytes) -> Step:
    seconds = whole_number(value)
    if seconds is None or seconds < 0:
        return _bad("bad linger value", value, "write a number of seconds")
    return Act(Linger(seconds))


def _rfc931(value: bytes) -> Step:
    if not value:
        return LookUpUser(None)
    seconds = whole_number(value)
    if seconds is None or seconds <= 0:
        return _bad("bad rfc931 timeout", value, "write a number of seconds above 0, or nothing")
    return LookUpUser(seconds)


def _nice(value: bytes) -> Step:
    increment = whole_number(value) if value else DEFAULT_NICE
    if increment is None:
        return _bad("bad nice value", value, "write a number, or nothing for 10")
    return Act(Nice(increment))


def _umask(value: bytes) -> Step:
    mode = whole_octal(value)
    if mode is None or mode > MAX_UMASK:
        return _bad("bad umask value", value, "write octal digits, such as 022")
    return Act(Umask(mode))


def _severity(value: bytes) -> Step:
    dot = find_outside(value, b".")
    facility, level = (value[:dot], value[dot + 1 :]) if dot >= 0 else (b"", value)
    for word, known in ((facility, FACILITIES), (level, LEVELS)):
        if word.lower() not in known and (word or known is LEVELS or dot >= 0):
            names = " ".join(sorted(name.decode() for name in known))
            return _bad("bad syslog facility or severity", word, f"write one of: {names}")
    name = facility.lower().decode()
    return Act(Severity(name if name not in ("", "kern") else None, level.lower().decode()))


def _setenv(value: bytes) -> Step:
    name = value.split(None, 1)[0] if value.split() else b""
    if b"=" in name and b"%" not in name:
        return Fail("memory allocation failure", "bad-setenv", "write: setenv NAME VALUE")
    return Environment(value)


def _user(value: bytes) -> Step:
    dot = find_outside(value, b".")
    if dot < 0:
        return BecomeAccount(RunAsUser(value, None))
    return BecomeAccount(RunAsUser(value[:dot], value[dot + 1 :]))


KEYWORDS = {
    b"allow": Keyword(lambda _: Jump(Access.ALLOW), "allow", FORBIDDEN, must_be_last=True),
    b"deny": Keyword(lambda _: Jump(Access.DENY), "deny", FORBIDDEN, must_be_last=True),
    b"spawn": Keyword(partial(Command, CommandKind.SPAWN), "spawn COMMAND"),
    b"twist": Keyword(partial(Command, CommandKind.TWIST), "twist COMMAND", must_be_last=True),
    b"aclexec": Keyword(partial(Command, CommandKind.ACLEXEC), "aclexec COMMAND"),
    b"severity": Keyword(_severity, "severity [FACILITY.]LEVEL"),
    b"keepalive": Keyword(lambda _: Act(KeepAlive()), "keepalive", FORBIDDEN),
    b"linger": Keyword(_linger, "linger SECONDS"),
    b"rfc931": Keyword(_rfc931, "rfc931 [SECONDS]", OPTIONAL),
    b"banners": Keyword(lambda folder: Act(Banners(folder)), "banners FOLDER"),
    b"nice": Keyword(_nice, "nice [INCREMENT]", OPTIONAL),
    b"setenv": Keyword(_setenv, "setenv NAME VALUE"),
    b"umask": Keyword(_umask, "umask OCTAL"),
    b"user": Keyword(_user, "user NAME[.GROUP]"),
    b"group": Keyword(lambda name: BecomeAccount(RunAsGroup(name)), "group NAME"),
}  # fmt: skip
