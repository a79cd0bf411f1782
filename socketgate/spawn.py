# SPDX-License-Identifier: MIT
"""Start a client's program as a child: `socketgate launch`'s way, where `exec` becomes the program.

The usual start is posix_spawn(3), whose cost doesn't grow with our own size. What it can't do
(nice, group, user, umask) is done between fork(2) and execve(2), for the few rules that ask for it.
"""

import errno
import os
import signal
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from socketgate import program
from socketgate.posixspawn import Spawner, Strings

#: Programs expect each signal's default; Python ignores SIGPIPE and SIGXFSZ for itself. In the
#: child glibc makes two system calls for each signal that isn't named here, one for each that is.
RESTORED_SIGNALS = tuple(map(int, signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}))

#: What the service manager told us for ourselves (sd_notify(3)).
OURS = frozenset({b"NOTIFY_SOCKET", b"WATCHDOG_PID", b"WATCHDOG_USEC"})

MAX_REASON_BYTES = 4096

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
        self._targets = (0, 1, 2) if is_stderr_client else (0, 1)
        self._spawner = Spawner(
            self._path, self._words, targets=self._targets, default_signals=RESTORED_SIGNALS
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
        if not attributes.is_empty:
            become = partial(self._become, attributes, client)
            return partial(_fork, become, self._path, self._words, self._base | added)
        if self._base.keys().isdisjoint(added):
            environment = Strings(_lines(added), after=self._base_strings)
        else:
            environment = Strings(_lines(self._base | added))
        return partial(self._spawn, environment, client)

    def _spawn(self, environment: Strings, client: int) -> int:
        try:
            return self._spawner.start(environment, client)
        except OSError as error:
            raise program.CannotStart(f"{os.fsdecode(self._path)}: {_reason(error)}") from error

    def _become(self, attributes: program.Attributes, client: int) -> None:
        program.become(attributes)
        for target in self._targets:
            os.dup2(client, target)


def _lines(environment: program.Environment) -> list[bytes]:
    return [name + b"=" + value for name, value in environment.items()]


def start_shell(
    command: bytes,
    environment: program.Environment,
    client: int | None,
    attributes: program.Attributes | None = None,
) -> int:
    """Start `/bin/sh -c` as the leader of a session and process group of its own.

    On 0, 1 and 2 it has the client, or the null device where there is none. Of the attributes its
    umask and nice value count. The answer is its process. Raises CannotStart.
    """
    words = [b"sh", b"-c", command]
    if attributes is not None and not attributes.is_empty:
        return _fork(partial(_become_shell, attributes, client), SHELL, words, environment)
    first: tuple[int, ...] | tuple[int, int, bytes, int, int]
    if client is None:
        first = (os.POSIX_SPAWN_OPEN, 0, b"/dev/null", os.O_RDWR, 0)
    else:
        first = (os.POSIX_SPAWN_DUP2, client, 0)
    try:
        return os.posix_spawn(
            SHELL,
            words,
            environment,
            file_actions=[
                first,
                (os.POSIX_SPAWN_DUP2, 0, 1),
                (os.POSIX_SPAWN_DUP2, 0, 2),
            ],
            setsigdef=RESTORED_SIGNALS,
            setsid=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL in the command
        raise program.CannotStart(f"{os.fsdecode(SHELL)}: {_reason(error)}") from error


def _become_shell(attributes: program.Attributes, client: int | None) -> None:
    os.setsid()
    if attributes.umask is not None:
        os.umask(attributes.umask)
    if attributes.nice:
        program.change_nice(attributes.nice)
    first = os.open(os.devnull, os.O_RDWR) if client is None else client
    for target in (0, 1, 2):
        os.dup2(first, target)


def _fork(
    become: Callable[[], None],
    path: bytes,
    words: list[bytes],
    environment: program.Environment,
) -> int:
    """What posix_spawn(3) does, for a child that has to `become` something first.

    When it returns, execve(2) has succeeded. Raises CannotStart.
    """
    try:
        reason_out, reason_in = os.pipe2(os.O_CLOEXEC)  # execve(2) closes it: nothing went wrong
    except OSError as error:
        raise program.CannotStart(f"pipe: {error.strerror}") from error
    with os.fdopen(reason_out, "rb") as reasons:
        try:
            pid = os.fork()
        except OSError as error:
            os.close(reason_in)
            raise program.CannotStart(f"fork: {_reason(error)}") from error
        if pid == 0:
            _be_the_child(become, path, words, environment, reason_in)
        os.close(reason_in)
        reason = reasons.read(MAX_REASON_BYTES)
    if reason:
        os.waitpid(pid, 0)
        raise program.CannotStart(reason.decode(errors="replace"))
    return pid


def _be_the_child(
    become: Callable[[], None],
    path: bytes,
    words: list[bytes],
    environment: program.Environment,
    reason_in: int,
) -> NoReturn:
    """The child's part. Never returns into the parent's code, whatever happens."""
    try:
        become()
        for number in RESTORED_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        os.execve(path, words, environment)  # noqa: S606  # no shell
    except (program.CannotStart, OSError, ValueError) as error:
        os.write(reason_in, str(error).encode(errors="replace")[:MAX_REASON_BYTES])
    finally:
        os._exit(127)


def _reason(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return str(error)
    return NO_PROCESS if error.errno == errno.EAGAIN else error.strerror or ""


def keep_to_ourselves() -> None:
    """Have no descriptor that we were started with, past 2, reach a program."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  # numbers, no paths
        if int(name) > 2:
            try:
                os.set_inheritable(int(name), False)  # noqa: FBT003  # positional only
            except OSError:
                continue  # the one the listing was read by
