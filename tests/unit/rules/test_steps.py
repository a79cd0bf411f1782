# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.facts import FactNeeded, Facts
from socketgate.rules.keyword import parse_option, split_options
from socketgate.rules.option import (
    Action,
    Banners,
    KeepAlive,
    Linger,
    Nice,
    RunAsGroup,
    RunAsUser,
    SetEnv,
    Severity,
    Spawn,
    Twist,
    Umask,
)
from socketgate.rules.request import (
    Access,
    AccountExists,
    Answer,
    CommandStatus,
    Endpoint,
    Fact,
    Lookup,
    Request,
)
from socketgate.rules.steps import Run

ANSWERS: dict[Lookup, Answer] = {
    AccountExists(b"nobody", False): True,
    AccountExists(b"bob", False): False,
    AccountExists(b"kmem", True): True,
    AccountExists(b"staff", True): False,
    Fact.CLIENT_USER: b"bob",
}


def run_of(text: bytes) -> tuple[Access | None, Run]:
    request = Request(daemon=b"sshd", client=Endpoint(b"10.1.2.3"), facts=ANSWERS)
    run = Run(Facts(request))
    return run.carry_out(parse_option(field) for field in split_options(text + b"\n")), run


@pytest.mark.parametrize(
    ("text", "access", "actions"),
    [
        (b"allow", Access.ALLOW, ()),
        (b"spawn x %a: deny", Access.DENY, (Spawn(b"x 10.1.2.3"),)),
        (b"twist x", Access.DENY, (Twist(b"x"),)),
        (b"keepalive: linger 3: nice 4", None, (KeepAlive(), Linger(3), Nice(4))),
        (
            b"severity err: umask 22: banners /b",
            None,
            (Severity(None, "err"), Umask(18), Banners(b"/b")),
        ),
        (b"setenv A b  c", None, (SetEnv(b"A", b"b  c"),)),
        (b"setenv A\t%a", None, (SetEnv(b"A", b"10.1.2.3"),)),
        (b"setenv A", None, (SetEnv(b"A", b""),)),
        (b"setenv A\v \fb", None, (SetEnv(b"A", b"b"),)),
        (b"setenv %z x", None, (SetEnv(b"x", b""),)),
        (b"user nobody", None, (RunAsUser(b"nobody", None),)),
        (b"user nobody.kmem", None, (RunAsUser(b"nobody", b"kmem"),)),
        (b"group kmem", None, (RunAsGroup(b"kmem"),)),
        (b"rfc931: spawn %u", None, (Spawn(b"bob"),)),
        (b"spawn x: bogus", Access.DENY, (Spawn(b"x"),)),
    ],
)
def test_options_are_carried_out_in_order(
    text: bytes, access: Access | None, actions: tuple[Action, ...]
) -> None:
    found, run = run_of(text)
    assert (found, tuple(run.actions)) == (access, actions)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"bogus", 'error: bad option name: "bogus"'),
        (b"setenv A=B", "error: memory allocation failure"),
        (b"setenv %z", "error: memory allocation failure"),
        (b"setenv \v%z", "error: memory allocation failure"),
        (b"user bob", 'error: unknown user: "bob"'),
        (b"user bob.staff", 'error: unknown group: "staff"'),
        (b"group staff", 'error: unknown group: "staff"'),
        (
            b"spawn " + b"%a" * 1100,
            "warning: percent_x: expansion too long: 10.1.2.310.1.2.310.1.2.310.1.2...",
        ),
    ],
)
def test_an_error_refuses_with_libwraps_text(text: bytes, message: str) -> None:
    access, run = run_of(text)
    assert (access, run.facts.messages[-1]) == (Access.DENY, message)


def test_an_aclexec_has_what_options_before_it_set() -> None:
    with pytest.raises(FactNeeded) as raised:
        run_of(b"setenv A b: spawn x: umask 22: aclexec y: nice 3")
    assert raised.value.fact == CommandStatus(b"y", 0, (SetEnv(b"A", b"b"), Umask(18)))


def test_an_account_is_asked_about() -> None:
    with pytest.raises(FactNeeded) as raised:
        run_of(b"group other")
    assert raised.value.fact == AccountExists(b"other", True)
