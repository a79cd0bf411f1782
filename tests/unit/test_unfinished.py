# SPDX-License-Identifier: MIT
import pytest

from socketgate.compiler import Made
from socketgate.largerules import Mistake
from socketgate.rules.table import build_table
from socketgate.unfinished import EMPTIED_SECONDS, MISSING_NEWLINE, NEWLINE_SECONDS, Unfinished
from tests.support.build import sources

NEWLINE = Mistake(MISSING_NEWLINE, "end the last line with a newline")
OTHER = Mistake("no-colon", "write DAEMONS : CLIENTS")


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def unfinished(clock: Clock) -> Unfinished:
    return Unfinished(clock)


def made(deny: str) -> Made:
    read = sources(deny=deny)
    return read, build_table(read)


BEFORE = made("ALL: ALL\n")


def test_a_missing_newline_is_awaited_for_a_while(unfinished: Unfinished, clock: Clock) -> None:
    until = clock.now + NEWLINE_SECONDS
    assert (unfinished.newline_awaited_until([NEWLINE]), unfinished.awaits_newline) == (until, True)


def test_looking_again_prolongs_nothing(unfinished: Unfinished, clock: Clock) -> None:
    until = unfinished.newline_awaited_until([NEWLINE])
    clock.now += NEWLINE_SECONDS / 2
    assert unfinished.newline_awaited_until([NEWLINE]) == until


def test_a_newline_that_never_comes_is_a_mistake(unfinished: Unfinished, clock: Clock) -> None:
    unfinished.newline_awaited_until([NEWLINE])
    clock.now += NEWLINE_SECONDS
    assert (unfinished.newline_awaited_until([NEWLINE]), unfinished.awaits_newline) == (None, False)


@pytest.mark.parametrize("mistakes", [[OTHER], [NEWLINE, OTHER]])
def test_other_mistakes_are_not_waited_with(
    unfinished: Unfinished, mistakes: list[Mistake]
) -> None:
    assert unfinished.newline_awaited_until(mistakes) is None


def test_the_next_writing_gets_its_own_time(unfinished: Unfinished, clock: Clock) -> None:
    unfinished.newline_awaited_until([NEWLINE])
    unfinished.forget_newline()
    clock.now += NEWLINE_SECONDS
    assert unfinished.newline_awaited_until([NEWLINE]) == clock.now + NEWLINE_SECONDS


def test_a_mistake_soon_after_a_file_was_emptied_brings_the_rules_back(
    unfinished: Unfinished, clock: Clock
) -> None:
    unfinished.replaced(BEFORE, sources())
    clock.now += EMPTIED_SECONDS
    assert unfinished.before_emptied() is BEFORE


def test_they_come_back_once(unfinished: Unfinished) -> None:
    unfinished.replaced(BEFORE, sources())
    unfinished.before_emptied()
    assert unfinished.before_emptied() is None


def test_a_mistake_much_later_brings_nothing_back(unfinished: Unfinished, clock: Clock) -> None:
    unfinished.replaced(BEFORE, sources())
    clock.now += EMPTIED_SECONDS + 1
    assert unfinished.before_emptied() is None


def test_rules_that_were_changed_do_not_come_back(unfinished: Unfinished) -> None:
    unfinished.replaced(BEFORE, sources(deny="sshd: ALL\n"))
    assert unfinished.before_emptied() is None


def test_rules_that_came_after_the_empty_file_end_its_writing(unfinished: Unfinished) -> None:
    unfinished.replaced(BEFORE, sources())
    unfinished.replaced(made(""), sources(deny="sshd: ALL\n"))
    assert unfinished.before_emptied() is None


def test_of_two_files_emptied_one_after_the_other_both_come_back(unfinished: Unfinished) -> None:
    read = sources(allow="sshd: 192.0.2.1\n", deny="ALL: ALL\n")
    both = read, build_table(read)
    left = sources(allow="sshd: 192.0.2.1\n")
    unfinished.replaced(both, left)
    unfinished.replaced((left, build_table(left)), sources())
    assert unfinished.before_emptied() is both
