# SPDX-License-Identifier: MIT
"""inotify(7) says when, never what: something about one of these files may have changed.

Folders are watched, not files: every folder on the way to each file and to the real files behind
symbolic links, each for the one name in it that matters. So an editor's rename, a swapped link, a
deleted and re-created file or folder are all seen. After each call of `on_change` the owner says
again which files matter; that renews whatever watch the change made void.
"""

import asyncio
import contextlib
import select
from collections.abc import Callable, Iterable

from socketgate.errors import LimitReached
from socketgate.pathwalk import walk

try:
    from inotify_simple import INotify, flags
except ImportError:  # a distribution without it
    from socketgate.inotify import INotify, flags

EVENTS = (
    flags.MODIFY | flags.CLOSE_WRITE | flags.ATTRIB | flags.CREATE | flags.DELETE
    | flags.MOVED_FROM | flags.MOVED_TO | flags.DELETE_SELF | flags.MOVE_SELF | flags.ONLYDIR
)  # fmt: skip
#: Events that concern the folder itself, or everything: no name of a file goes with them.
ABOUT_THE_FOLDER = (
    flags.DELETE_SELF | flags.MOVE_SELF | flags.IGNORED | flags.UNMOUNT | flags.Q_OVERFLOW
)


def names_on_the_way(path: str) -> set[tuple[str, str]]:
    """(folder, name) for every step to a file: if none of them changes, it is the same file.

    What isn't there yet is waited for in the last folder there is.
    """
    steps: set[tuple[str, str]] = set()
    with contextlib.suppress(
        OSError
    ):  # a loop of links, or one that just went: the steps so far tell when it changes
        for step in walk(path):
            steps.add((step.folder, step.name))
    return steps


def open_inotify() -> INotify:
    """An inotify instance, of the package's or of our own. Raises LimitReached."""
    try:
        return INotify(nonblocking=True)
    except OSError as error:  # inotify_init(2)
        raise LimitReached(
            f"changes of the rule files can't be watched: inotify_init: {error.strerror}: "
            "raise fs.inotify.max_user_instances (sysctl.d(5)), each gate takes one"
        ) from error


class Watcher:
    """Calls back soon after something about watched files may have changed.

    One for the whole process.
    """

    def __init__(self, make_inotify: Callable[[], INotify] = open_inotify) -> None:
        self._inotify = make_inotify()
        self._wanted: dict[Callable[[], None], frozenset[tuple[str, str]]] = {}
        #: For each watched folder (by its watch descriptor), the names in it and who wants to know.
        self._names: dict[int, dict[str, set[Callable[[], None]]]] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._inotify.fileno(), self._on_readable)
        self._readiness = select.poll()
        self._readiness.register(self._inotify.fileno(), select.POLLIN)

    def watch(self, on_change: Callable[[], None], paths: Iterable[str]) -> bool:
        """From here on, call `on_change` for these files and no others.

        The answer: whether anything is watched that wasn't. Then the files may have changed just
        before, and are to be read once more. Raises OSError when a folder can't be watched; the
        others are.
        """
        wanted = frozenset(step for path in paths for step in names_on_the_way(path))
        added = wanted - self._wanted.get(on_change, frozenset())
        self._wanted[on_change] = wanted
        return self._renew() or bool(added)

    def look(self) -> None:
        """Call back now for all that has happened so far; the loop would, but in its own order."""
        if self._readiness.poll(0):
            self._on_readable()

    def close(self) -> None:
        """Watch nothing any more."""
        self._loop.remove_reader(self._inotify.fileno())
        self._inotify.close()

    def _renew(self) -> bool:
        """Watch every wanted folder as it is now; one that was replaced gets a new watch.

        Says whether there was one.
        """
        names: dict[int, dict[str, set[Callable[[], None]]]] = {}
        failure: OSError | None = None
        for on_change, steps in self._wanted.items():
            for folder, name in steps:
                try:
                    watch = self._inotify.add_watch(folder, EVENTS)
                except (FileNotFoundError, NotADirectoryError):
                    continue  # it went meanwhile; the watch on its own folder tells when it is back
                except OSError as error:
                    failure = OSError(error.errno, error.strerror, folder)
                    continue
                names.setdefault(watch, {}).setdefault(name, set()).add(on_change)
        for watch in self._names.keys() - names.keys():
            self._remove(watch)
        has_new = not names.keys() <= self._names.keys()
        self._names = names
        if failure is not None:
            raise failure
        return has_new

    def _remove(self, watch: int) -> None:
        try:
            self._inotify.rm_watch(watch)
        except OSError:
            return  # EINVAL: it went with its folder

    def _on_readable(self) -> None:
        changed: set[Callable[[], None]] = set()
        for event in self._inotify.read(timeout=0):
            if event.mask & flags.Q_OVERFLOW:
                changed.update(self._wanted)
            elif event.mask & ABOUT_THE_FOLDER:
                changed.update(*self._names.get(event.wd, {}).values())
            else:
                changed.update(self._names.get(event.wd, {}).get(event.name, ()))
        with contextlib.ExitStack() as calls:  # makes all of them, whatever one raises
            for on_change in changed:
                calls.callback(on_change)
