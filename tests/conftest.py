# SPDX-License-Identifier: MIT
"""What holds for every test: its folder is its marker, and it leaves nothing behind."""

import gc
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

TESTS = Path(__file__).parent

#: The folders whose tests don't run by a plain `pytest`; each is the marker of the same name.
MARKED_FOLDERS = frozenset({"differential", "integration", "systemd", "fault", "bench"})

hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its folder's name."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in MARKED_FOLDERS:
            item.add_marker(folder)


def descriptors() -> set[str]:
    """Our open descriptors, each with what it is open on."""
    found = set()
    for fd in os.listdir("/proc/self/fd"):  # noqa: PTH208  # only names: their targets are no paths
        try:
            target = os.readlink(f"/proc/self/fd/{fd}").removesuffix(" (deleted)")  # noqa: PTH115  # as above
            found.add(f"descriptor {fd}, {target}")
        except FileNotFoundError:
            continue  # the one the listing was read by
    return found


def children() -> set[str]:
    """The processes we started and didn't wait for.

    Without their names: subprocess returns a moment before execve(2) gives the child its own.
    """
    return {
        f"process {pid}"
        for task in Path("/proc/self/task").iterdir()
        for pid in read_text(task / "children").split()
    }


def read_text(path: Path) -> str:
    """A file of /proc; empty when what it is about just went away."""
    try:
        return path.read_text()
    except OSError:
        return ""


def threads() -> set[str]:
    """Our threads."""
    return {f"thread {thread.name}, {thread.ident}" for thread in threading.enumerate()}


def mounts() -> set[str]:
    """The mounts of our mount namespace."""
    return {f"mount {line}" for line in Path("/proc/self/mountinfo").read_text().splitlines()}


#: What a test can leave behind. Each lists what there is now.
LEAKS: tuple[Callable[[], set[str]], ...] = (descriptors, children, threads, mounts)


class Complaints(logging.Handler):
    """Keeps what asyncio says about tasks that were pending when their loop went away."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.texts.append(record.getMessage())


def left_behind(before: list[set[str]]) -> list[str]:
    """What is there now and was not before."""
    left = (thing for was, now in zip(before, LEAKS, strict=True) for thing in now() - was)
    return sorted(map(with_name, left))


def with_name(thing: str) -> str:
    """A process with its name."""
    kind, _, number = thing.partition(" ")
    if kind != "process":
        return thing
    return f"{thing}, {read_text(Path('/proc', number, 'comm')).strip()}"


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Fail a test that leaves a descriptor, process, thread, mount or asyncio task behind.

    What a fixture of a wider scope opened stands before the test and is not the test's.
    """
    complaints = Complaints()
    logging.getLogger("asyncio").addHandler(complaints)
    before = [present() for present in LEAKS]
    yield
    gc.collect(1)  # a forgotten socket warns and a pending task complains when it is collected
    left = left_behind(before)
    logging.getLogger("asyncio").removeHandler(complaints)
    if left or complaints.texts:
        pytest.fail("the test left behind:\n" + "\n".join(left + complaints.texts), pytrace=False)
