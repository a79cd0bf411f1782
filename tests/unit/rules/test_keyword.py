# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.keyword import (
    Act,
    BecomeAccount,
    Command,
    CommandKind,
    Environment,
    Fail,
    Field,
    Jump,
    LookUpUser,
    Step,
    parse_option,
    split_options,
)
from socketgate.rules.option import (
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


def steps_of(text: bytes) -> list[Step]:
    return [parse_option(field) for field in split_options(text + b"\n")]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (b"", []),
        (b" allow\n", [Field(1, b"allow", None, is_last=True)]),
        (b"\n", [Field(1, b"", None, is_last=True)]),
        (b"a:\n", [Field(0, b"a", None, is_last=False), Field(3, b"", None, is_last=True)]),
        (b"a b\\:c\n", [Field(0, b"a", b"b:c", is_last=True)]),
        (b"a \\\\:c\n", [Field(0, b"a", b"\\:c", is_last=True)]),
        (b"a == b\n", [Field(0, b"a", b"= b", is_last=True)]),
        (b"a=\n", [Field(0, b"a", None, is_last=True)]),
        (b"= x\n", [Field(0, b"", b"x", is_last=True)]),
        (b" keepalive\v\n", [Field(1, b"keepalive", None, is_last=True)]),
        (b"\f linger 1 \f\n", [Field(2, b"linger", b"1", is_last=True)]),
        (b"spawn \v\n", [Field(0, b"spawn", None, is_last=True)]),
        (b"linger \v1\n", [Field(0, b"linger", b"\v1", is_last=True)]),
    ],
)
def test_options_are_split_at_colons(text: bytes, fields: list[Field]) -> None:
    assert list(split_options(text)) == fields


@pytest.mark.parametrize(
    ("text", "step"),
    [
        (b"ALLOW", Jump(Access.ALLOW)),
        (b"deny", Jump(Access.DENY)),
        (b"spawn x %h", Command(CommandKind.SPAWN, b"x %h")),
        (b"twist x", Command(CommandKind.TWIST, b"x")),
        (b"aclexec = x", Command(CommandKind.ACLEXEC, b"x")),
        (b"severity mail.info", Act(Severity("mail", "info"))),
        (b"severity Kern.ERR", Act(Severity(None, "err"))),
        (b"severity info", Act(Severity(None, "info"))),
        (b"keepalive", Act(KeepAlive())),
        (b"linger 010", Act(Linger(10))),
        (b"rfc931", LookUpUser(None)),
        (b"rfc931 5", LookUpUser(5)),
        (b"banners /etc/b", Act(Banners(b"/etc/b"))),
        (b"nice", Act(Nice(10))),
        (b"nice -5", Act(Nice(-5))),
        (b"setenv A b c", Environment(b"A b c")),
        (b"umask 022", Act(Umask(0o22))),
        (b"user nobody", BecomeAccount(RunAsUser(b"nobody", None))),
        (b"user nobody.nogroup", BecomeAccount(RunAsUser(b"nobody", b"nogroup"))),
        (b"group kmem", BecomeAccount(RunAsGroup(b"kmem"))),
    ],
)
def test_an_option_becomes_a_step(text: bytes, step: Step) -> None:
    assert steps_of(text) == [step]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "missing option name"),
        (b"Bogus x", 'bad option name: "Bogus"'),
        (b"spawn", 'option "spawn" requires value'),
        (b"keepalive 3", 'option "keepalive" requires no value'),
        (b"Twist x: allow", 'option "Twist" must be at end'),
        (b"severity mail.", 'bad syslog facility or severity: ""'),
        (b"severity .info", 'bad syslog facility or severity: ""'),
        (b"severity foo.bar", 'bad syslog facility or severity: "foo"'),
        (b"linger -1", 'bad linger value: "-1"'),
        (b"rfc931 0", 'bad rfc931 timeout: "0"'),
        (b"rfc931 x", 'bad rfc931 timeout: "x"'),
        (b"nice x", 'bad nice value: "x"'),
        (b"umask 1777", 'bad umask value: "1777"'),
        (b"umask 9", 'bad umask value: "9"'),
    ],
)
def test_a_bad_option_fails_with_libwraps_text(text: bytes, message: str) -> None:
    first = steps_of(text)[0]
    assert isinstance(first, Fail)
    assert first.text == message
