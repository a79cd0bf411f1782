# SPDX-License-Identifier: MIT
import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator

import pytest

from socketgate.lookup_pool import LookupPool
from socketgate.lookup_values import Found, Trouble
from tests.support.lookups import DEADLINE_SECONDS, wait_threads_gone

AT_ONCE = 0.01  # a deadline that passes soon
IN_TIME = DEADLINE_SECONDS  # a deadline that passes only when something is broken
YES = Found(answer=True)


class Stuck:
    """A lookup that does not return until it is let go, and counts how often it runs."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.entered = threading.Semaphore(0)
        self.count = 0

    def __call__(self) -> Found:
        self.count += 1
        self.entered.release()
        self.let_go.wait(DEADLINE_SECONDS)
        return YES

    async def wait_entered(self, count: int) -> None:
        """Until it has been entered so many times."""
        for _ in range(count):
            await asyncio.to_thread(self.entered.acquire, timeout=DEADLINE_SECONDS)


@pytest.fixture(autouse=True)
def _threads_end() -> Iterator[None]:
    yield
    wait_threads_gone()


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    lookup = Stuck()
    yield lookup
    lookup.let_go.set()


def with_pool(
    scene: Callable[[LookupPool], Awaitable[object]], *, threads: int = 4, share: int = 4
) -> object:
    """What the scene comes to, with a pool that is closed after it."""

    async def play() -> object:
        pool = LookupPool("test", max_threads=threads, max_per_network=share)
        try:
            return await scene(pool)
        finally:
            pool.close()

    return asyncio.run(play())


def answer() -> Found:
    return YES


def test_a_lookup_is_answered() -> None:
    async def scene(pool: LookupPool) -> object:
        return await pool.run("a", "net", answer, timeout_seconds=IN_TIME)

    assert with_pool(scene) == YES


def test_a_waiter_leaves_at_its_deadline(stuck: Stuck) -> None:
    async def scene(pool: LookupPool) -> object:
        return await pool.run("a", "net", stuck, timeout_seconds=AT_ONCE)

    assert with_pool(scene) == Trouble.TIMED_OUT


def test_one_key_is_looked_up_once_for_all_who_wait(stuck: Stuck) -> None:
    async def scene(pool: LookupPool) -> object:
        waiters = [pool.run("a", "net", stuck, timeout_seconds=IN_TIME) for _ in range(20)]
        waiting = asyncio.gather(*waiters)
        await stuck.wait_entered(1)
        stuck.let_go.set()
        return await waiting

    assert (with_pool(scene), stuck.count) == ([YES] * 20, 1)


def test_an_answer_that_comes_after_the_deadline_is_still_reported(stuck: Stuck) -> None:
    async def scene(pool: LookupPool) -> object:
        heard: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        await pool.run(
            "a",
            "net",
            stuck,
            timeout_seconds=AT_ONCE,
            on_done=lambda found: heard.set_result(found),
        )
        stuck.let_go.set()
        return await heard

    assert with_pool(scene) == YES


def test_stuck_lookups_of_one_network_leave_threads_to_others(stuck: Stuck) -> None:
    async def scene(pool: LookupPool) -> object:
        dead = [
            asyncio.create_task(pool.run(n, "dead", stuck, timeout_seconds=IN_TIME))
            for n in range(50)
        ]
        await stuck.wait_entered(3)
        found = await pool.run("a", "alive", answer, timeout_seconds=IN_TIME)
        stuck.let_go.set()
        await asyncio.gather(*dead)
        return found

    assert with_pool(scene, threads=4, share=3) == YES


def test_the_last_threads_go_to_networks_that_have_none(stuck: Stuck) -> None:
    async def scene(pool: LookupPool) -> object:
        dead = [
            asyncio.create_task(pool.run(n, "dead", stuck, timeout_seconds=IN_TIME))
            for n in range(50)
        ]
        await stuck.wait_entered(6)
        found = await pool.run("a", "alive", answer, timeout_seconds=IN_TIME)
        stuck.let_go.set()
        await asyncio.gather(*dead)
        return found

    assert with_pool(scene, threads=8, share=8) == YES


def test_networks_take_turns(stuck: Stuck) -> None:
    order: list[str] = []

    def note(name: str) -> Callable[[], Found]:
        def work() -> Found:
            order.append(name)
            return YES

        return work

    async def scene(pool: LookupPool) -> object:
        first = asyncio.create_task(pool.run("first", "x", stuck, timeout_seconds=IN_TIME))
        await stuck.wait_entered(1)
        rest = [
            asyncio.create_task(pool.run(name, name[0], note(name), timeout_seconds=IN_TIME))
            for name in ("a1", "a2", "a3", "b1")
        ]
        await asyncio.sleep(0)  # lets the four begin
        stuck.let_go.set()
        return await asyncio.gather(first, *rest)

    with_pool(scene, threads=1, share=1)
    assert order == ["a1", "b1", "a2", "a3"]


def test_with_all_threads_stuck_a_new_lookup_waits_for_its_deadline_only(stuck: Stuck) -> None:
    async def scene(pool: LookupPool) -> object:
        await pool.run("a", "dead", stuck, timeout_seconds=AT_ONCE)
        return await pool.run("b", "alive", answer, timeout_seconds=AT_ONCE)

    assert with_pool(scene, threads=1, share=1) == Trouble.TIMED_OUT


def test_a_lookup_nobody_waits_for_any_more_leaves_the_queue(stuck: Stuck) -> None:
    async def scene(pool: LookupPool) -> object:
        await pool.run("a", "net", stuck, timeout_seconds=AT_ONCE)
        await pool.run("b", "net", answer, timeout_seconds=AT_ONCE)
        return pool.running, pool.waiting

    assert with_pool(scene, threads=1) == (1, 0)


def test_a_waiter_that_is_cancelled_leaves_the_others_waiting(stuck: Stuck) -> None:
    async def scene(pool: LookupPool) -> object:
        gone = asyncio.create_task(pool.run("a", "net", stuck, timeout_seconds=IN_TIME))
        stays = asyncio.create_task(pool.run("a", "net", stuck, timeout_seconds=IN_TIME))
        await stuck.wait_entered(1)
        gone.cancel()
        stuck.let_go.set()
        return await stays

    assert with_pool(scene) == YES


def test_threads_never_exceed_their_limit(stuck: Stuck) -> None:
    async def scene(pool: LookupPool) -> object:
        many = [
            asyncio.create_task(pool.run(n, n, stuck, timeout_seconds=IN_TIME)) for n in range(50)
        ]
        await stuck.wait_entered(2)
        threads = [thread for thread in threading.enumerate() if thread.name == "lookup-test"]
        stuck.let_go.set()
        await asyncio.gather(*many)
        return len(threads)

    assert with_pool(scene, threads=2) == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_lookup_that_raises_costs_only_its_own_waiters() -> None:
    def broken() -> Found:
        raise ZeroDivisionError

    async def scene(pool: LookupPool) -> object:
        first = await pool.run("a", "net", broken, timeout_seconds=IN_TIME)
        return first, await pool.run("b", "net", answer, timeout_seconds=IN_TIME)

    assert with_pool(scene, threads=1) == (Trouble.BROKE, YES)


def test_closing_answers_everybody_at_once(stuck: Stuck) -> None:
    async def scene(pool: LookupPool) -> object:
        waiting = [
            asyncio.create_task(pool.run(n, "net", stuck, timeout_seconds=IN_TIME))
            for n in range(3)
        ]
        await stuck.wait_entered(1)
        pool.close()
        return await asyncio.gather(*waiting)

    assert with_pool(scene, threads=1) == [Trouble.STOPPED] * 3


def test_a_closed_pool_looks_nothing_up() -> None:
    async def scene(pool: LookupPool) -> object:
        pool.close()
        return await pool.run("a", "net", answer, timeout_seconds=IN_TIME)

    assert with_pool(scene) == Trouble.STOPPED


def test_what_is_under_way_is_not_started_again(stuck: Stuck) -> None:
    async def scene(pool: LookupPool) -> object:
        return [pool.start("a", "net", stuck, lambda _found: None) for _ in range(2)]

    assert with_pool(scene) == [True, False]


def test_a_lookup_still_running_when_the_loop_is_closed_hurts_nobody(stuck: Stuck) -> None:
    async def scene(pool: LookupPool) -> object:
        return await pool.run("a", "net", stuck, timeout_seconds=AT_ONCE)

    with_pool(scene)
    stuck.let_go.set()
    wait_threads_gone()
    assert not any(thread.name == "lookup-test" for thread in threading.enumerate())


@pytest.fixture
def _no_threads_to_be_had() -> Iterator[None]:
    """Every new thread asks for a stack that no address space has room for."""
    threading.stack_size(2**47)
    yield
    threading.stack_size(0)


@pytest.mark.usefixtures("_no_threads_to_be_had")
def test_without_a_thread_a_lookup_waits_for_its_deadline_only() -> None:
    async def scene(pool: LookupPool) -> object:
        return await pool.run("a", "net", answer, timeout_seconds=AT_ONCE)

    assert with_pool(scene) == Trouble.TIMED_OUT


@pytest.mark.usefixtures("_no_threads_to_be_had")
def test_a_pool_that_got_no_thread_tries_again_at_the_next_lookup() -> None:
    async def scene(pool: LookupPool) -> object:
        await pool.run("a", "net", answer, timeout_seconds=AT_ONCE)
        threading.stack_size(0)
        return await pool.run("b", "net", answer, timeout_seconds=IN_TIME)

    assert with_pool(scene) == YES
