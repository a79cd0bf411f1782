# SPDX-License-Identifier: MIT
import threading
from collections.abc import Iterator

import pytest

from socketgate.accountcheck import account_faults
from socketgate.lookup_values import Found
from socketgate.namecheck import name_diagnostics
from socketgate.rules.names import NameUse, accounts_named
from tests.support import build
from tests.support.lookups import AT_ONCE, wait_threads_gone


@pytest.fixture(autouse=True)
def no_threads_left(no_leaks: None) -> Iterator[None]:
    """Lookups' threads end by themselves, a moment after they were told to."""
    yield
    wait_threads_gone()


def accounts(*options: str) -> list[NameUse]:
    return accounts_named(build.table("".join(f"ALL: ALL: {option}\n" for option in options)))


def test_accounts_that_exist_are_no_fault() -> None:
    assert account_faults(accounts("user root", "group root", "user root.root")) == []


def test_those_that_do_not_are_named_with_their_places() -> None:
    found = account_faults(accounts("user root", "user no-such-user", "group no-such-group"))
    assert [one.brief for one in found] == [
        '/etc/hosts.allow:2:11: unknown user: "no-such-user": who matches is refused',
        '/etc/hosts.allow:3:11: unknown group: "no-such-group": who matches is refused',
    ]


def test_check_says_it_with_the_same_words() -> None:
    uses = accounts("user no-such-user.no-such-group")
    assert account_faults(uses) == name_diagnostics(uses)


def test_an_account_is_a_fault_once_in_a_file() -> None:
    assert len(account_faults(accounts("user no-such-user", "user no-such-user"))) == 1


def test_rules_without_accounts_need_no_thread() -> None:
    assert account_faults([], look_up=_never) == []


def _never(use: NameUse) -> Found:
    raise AssertionError(use)


def test_an_account_without_an_answer_in_time_is_no_fault() -> None:
    answer = threading.Event()

    def look_up(use: NameUse) -> Found:
        if use.name == b"slow":
            answer.wait()
        return Found(answer=False)

    found = account_faults(
        accounts("user quick", "user slow", "user last"), max_seconds=AT_ONCE, look_up=look_up
    )
    answer.set()
    assert [one.line for one in found] == [1]
