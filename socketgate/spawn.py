# SPDX-License-Identifier: MIT
"""Start a client's program as a child: `socketgate launch`'s way, where `exec` becomes the program.

    usual          posix_spawn(3)
    umask          vfork(2), by `subprocess`
    group, user    fork(2), by `subprocess`
    nice           any of these, from a thread that has this nice value

Only fork(2) costs more the larger we are. A child of vfork(2) shares our memory, so it must not be
another user's even for a moment; what `subprocess` does in it takes no line of Python, with which
it would cost twice as much (docs/performance.md).
"""

import errno
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType

from socketgate import program
from socketgate.posixspawn import Spawner, Strings

#: Programs expect each signal's default; Python ignores SIGPIPE and SIGXFSZ for itself. In the
#: child glibc makes two system calls for each signal that isn't named here, one for each that is.
RESTORED_SIGNALS = tuple(map(int, signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}))

#: What the service manager told us for ourselves (sd_notify(3)).
OURS = frozenset({b"NOTIFY_SOCKET", b"WATCHDOG_PID", b"WATCHDOG_USEC"})

SHELL = b"/bin/sh"

#: fork(2): EAGAIN, which strerror(3) calls a resource that is temporarily unavailable.
NO_PROCESS = "no process is left (TasksMax= of the unit that starts it)"


#: Starts the program; the answer is its process, in which execve(2) has succeeded. Raises
#: CannotStart.
Start = Callable[[], int]


class Command:
    """A program with its arguments, to be started for each client. Raises CannotStart."""

    def __init__(self, words: list[str], *, is_stderr_client: bool = False) -> None:
        self._words = [os.fsencode(word) for word in words]
        own = program.own_environment()
        self._base = {name: value for name, value in own.items() if name not in OURS}
        self._base_strings = Strings(_lines(self._base))
        path = self._base.get(b"PATH", program.DEFAULT_PATH)
        self._path = program.find_program(self._words[0], path)
        self._is_stderr_client = is_stderr_client
        targets = (0, 1, 2) if is_stderr_client else (0, 1)
        self._spawner = Spawner(
            self._path, self._words, targets=targets, default_signals=RESTORED_SIGNALS
        )

    def prepare(self, fields: program.Fields, client: int) -> Start:
        """Make the start ready for a client of these lines, who is to be on 0 and 1.

        Raises CannotStart, for whatever can be known before.
        """
        if not os.access(self._path, os.X_OK):
            raise program.CannotStart(
                f"{os.fsdecode(self._path)}: No such file or directory, or no program any more"
            )
        added = program.environment_for(fields, {})
        attributes = program.attributes_for(fields)
        if (attributes.umask, attributes.gid) == (None, None):
            start = partial(self._spawn, self._strings(added), client)
        else:
            start = partial(
                _start_as,
                attributes,
                self._path,
                self._words,
                self._base | added,
                stdin=client,
                stderr=client if self._is_stderr_client else None,
            )
        return partial(_start_niced, attributes.nice, start) if attributes.nice else start

    def _strings(self, added: program.Environment) -> Strings:
        if self._base.keys().isdisjoint(added):
            return Strings(_lines(added), after=self._base_strings)
        return Strings(_lines(self._base | added))

    def _spawn(self, environment: Strings, client: int) -> int:
        try:
            return self._spawner.start(environment, client)
        except OSError as error:
            raise _cannot_start(self._path, error) from error


def _lines(environment: program.Environment) -> list[bytes]:
    return [name + b"=" + value for name, value in environment.items()]


def start_shell(
    command: bytes,
    environment: program.Environment,
    client: int | None,
    *,
    umask: int | None = None,
    nice: int = 0,
) -> int:
    """Start `/bin/sh -c` as the leader of a session and process group of its own.

    On 0, 1 and 2 it has the client, or the null device where there is none. The answer is its
    process. Raises CannotStart.
    """
    first = subprocess.DEVNULL if client is None else client
    start = partial(
        _start_as,
        program.Attributes(umask=umask),
        SHELL,
        [b"sh", b"-c", command],
        environment,
        stdin=first,
        stderr=first,
        leads_session=True,
    )
    return _start_niced(nice, start) if nice else start()


def _start_as(
    attributes: program.Attributes,
    path: bytes,
    words: list[bytes],
    environment: program.Environment,
    *,
    stdin: int,
    stderr: int | None,
    leads_session: bool = False,
) -> int:
    """Start it with the umask, group and user given, and `stdin` on 1 as well.

    It is not started as anybody else: who can't become that user ends. Raises CannotStart.
    """
    has_groups = set(os.getgroups()) == set(attributes.groups)
    try:
        process = subprocess.Popen(  # noqa: S603  # the admin's program, or a command of the rules
            words,
            executable=path,
            env=environment,
            stdin=stdin,
            stdout=stdin,
            stderr=stderr,
            close_fds=False,  # none is inheritable, see keep_to_ourselves
            start_new_session=leads_session,
            umask=-1 if attributes.umask is None else attributes.umask,
            extra_groups=None if attributes.gid is None or has_groups else attributes.groups,
            group=attributes.gid,
            user=attributes.uid,
        )
    except PermissionError as error:
        if attributes.gid is not None and error.errno == errno.EPERM:
            raise program.cannot_become(error) from error
        raise _cannot_start(path, error) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the words
        raise _cannot_start(path, error) from error
    process.returncode = 0  # whoever has its number waits for it, and nobody else
    return process.pid


def _start_niced(increment: int, start: Start) -> int:
    """Start it from a thread with this nice value: a thread's own, and its children's (nice(2))."""
    results: list[int | program.CannotStart] = []

    def run() -> None:
        program.change_nice(increment)
        try:
            results.append(start())
        except program.CannotStart as reason:
            results.append(reason)

    thread = threading.Thread(target=run, name="niced")
    try:
        thread.start()
    except RuntimeError as error:
        raise program.CannotStart(NO_PROCESS) from error
    thread.join()
    (result,) = results
    if isinstance(result, program.CannotStart):
        raise result
    return result


def _cannot_start(path: bytes, error: OSError | ValueError) -> program.CannotStart:
    reason: object = error
    if isinstance(error, OSError):
        reason = NO_PROCESS if error.errno == errno.EAGAIN else error.strerror
    return program.CannotStart(f"{os.fsdecode(path)}: {reason}")


def keep_to_ourselves() -> None:
    """Have no descriptor that we were started with, past 2, and no ignored signal reach a program.

    A signal that we take and do nothing about has its default in a program (execve(2)).
    """
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _do_nothing)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  # numbers, no paths
        if int(name) > 2:
            try:
                os.set_inheritable(int(name), False)  # noqa: FBT003  # positional only
            except OSError:
                continue  # the one the listing was read by


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """As if the signal were ignored."""
