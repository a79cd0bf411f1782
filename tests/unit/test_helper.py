# SPDX-License-Identifier: MIT
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest

from socketgate.helper import Calls, Helper

PATIENCE_SECONDS = 20


class Broken(Exception):
    """What a call may raise."""


def break_down() -> None:
    raise Broken


def nothing() -> None:
    pass


@pytest.fixture
def helper() -> Iterator[Helper]:
    with closing(Helper()) as made:
        yield made


def test_two_calls_are_made_at_once(helper: Helper) -> None:
    both = threading.Barrier(2)
    made: list[int] = []

    def meet() -> None:
        made.append(both.wait(PATIENCE_SECONDS))

    helper.make([meet, meet])
    assert sorted(made) == [0, 1]


@pytest.mark.parametrize("count", range(6))
def test_each_call_has_been_made_once_afterwards(helper: Helper, count: int) -> None:
    made: list[int] = []
    helper.make([partial(made.append, number) for number in range(count)])
    assert sorted(made) == list(range(count))


def test_a_call_that_is_alone_needs_no_other_thread(helper: Helper) -> None:
    made_by: list[int] = []
    helper.make([lambda: made_by.append(threading.get_ident())])
    assert made_by == [threading.get_ident()]


@pytest.mark.parametrize("calls", [(break_down, nothing), (nothing, break_down)])
def test_what_a_call_raises_is_raised_whoever_made_it(helper: Helper, calls: Calls) -> None:
    with pytest.raises(Broken):
        helper.make(calls)


@pytest.mark.parametrize("calls", [(break_down, nothing), (nothing, break_down)])
def test_calls_are_made_after_one_that_failed(helper: Helper, calls: Calls) -> None:
    made: list[int] = []
    with pytest.raises(Broken):
        helper.make(calls)
    helper.make([lambda: made.append(0), lambda: made.append(1)])
    assert sorted(made) == [0, 1]
