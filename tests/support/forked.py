# SPDX-License-Identifier: MIT
"""A function run by another user, in a child of this process (the tests run as root)."""

import os
import traceback
from collections.abc import Callable, Sequence

NOBODY = 65534
#: The largest number of a user or group; many databases have some above 2**31.
LARGEST_NUMBER = (1 << 32) - 2


def as_nobody(
    work: Callable[[], str], *, folder: int | None = None, groups: Sequence[int] = ()
) -> str:
    """What a function answers when nobody(65534) runs it, in this folder if one is given."""
    return as_user(NOBODY, work, folder=folder, groups=groups)


def as_user(
    uid: int, work: Callable[[], str], *, folder: int | None = None, groups: Sequence[int] = ()
) -> str:
    """The same for any user, also for a number that no account has."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(uid, work, write_end, folder, groups)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as file:
        answer = file.read()
    os.waitpid(pid, 0)
    return answer.decode()


def _child(
    uid: int,
    work: Callable[[], str],
    write_end: int,
    folder: int | None,
    groups: Sequence[int],
) -> None:
    """Never returns."""
    answer = ""
    try:
        if folder is not None:
            os.fchdir(folder)
        os.setgroups(groups)
        os.setgid(uid)
        os.setuid(uid)
        answer = work()
    except BaseException:  # noqa: BLE001  # whatever it is, the test is to see it
        answer = traceback.format_exc()
    finally:
        os.write(write_end, answer.encode())
        os._exit(0)
