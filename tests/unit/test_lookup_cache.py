# SPDX-License-Identifier: MIT
from socketgate.lookup_cache import LookupCache
from socketgate.lookup_values import Found, LookupLimits
from socketgate.rules.request import PARANOID, UNKNOWN

LIMITS = LookupLimits(good_seconds=60.0, failed_seconds=20.0, paranoid_seconds=30.0, max_cached=2)
GOOD = Found(b"a.example")


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_is_found_again() -> None:
    cache = LookupCache(LIMITS, Clock())
    cache.put("a", GOOD, cache.generation)
    assert cache.get("a") == GOOD


def test_an_answer_whose_time_is_over_is_not_found() -> None:
    clock = Clock()
    cache = LookupCache(LIMITS, clock)
    cache.put("a", GOOD, cache.generation)
    clock.now += 60.0
    assert cache.get("a") is None


def test_each_kind_of_answer_is_kept_for_its_own_time() -> None:
    clock = Clock()
    cache = LookupCache(
        LookupLimits(good_seconds=60, failed_seconds=20, paranoid_seconds=30), clock
    )
    for answer in (b"a.example", UNKNOWN, PARANOID):
        cache.put(answer, Found(answer), cache.generation)
    kept = []
    for seconds in (19.0, 2.0, 10.0, 30.0):
        clock.now += seconds
        kept.append(sum(cache.get(a) is not None for a in (b"a.example", UNKNOWN, PARANOID)))
    assert kept == [3, 2, 1, 0]


def test_the_least_recently_used_answer_goes_first() -> None:
    cache = LookupCache(LIMITS, Clock())
    cache.put("a", GOOD, 0)
    cache.put("b", GOOD, 0)
    cache.get("a")
    cache.put("c", GOOD, 0)
    assert [cache.get(key) is not None for key in "abc"] == [True, False, True]


def test_the_cache_grows_no_further_than_its_limit() -> None:
    cache = LookupCache(LIMITS, Clock())
    for number in range(100):
        cache.put(number, GOOD, 0)
    assert len(cache) == LIMITS.max_cached


def test_a_flush_forgets_every_answer() -> None:
    cache = LookupCache(LIMITS, Clock())
    cache.put("a", GOOD, cache.generation)
    cache.flush()
    assert cache.get("a") is None


def test_an_answer_asked_for_before_a_flush_is_not_kept_after_it() -> None:
    cache = LookupCache(LIMITS, Clock())
    generation = cache.generation
    cache.flush()
    cache.put("a", GOOD, generation)
    assert cache.get("a") is None
