# SPDX-License-Identifier: MIT
"""The process beside each box that ends it, however the test ended.

    test ──pipe──▶ keeper ──▶ unshare (mounts, pids) ──▶ systemd-nspawn ──▶ systemd, the box's PID 1

It is told what to do by its standard input: a line is "power off", the end of file without one
says that the test is dead: then everything in the box is killed at once. It says one line, the
process id of the box's systemd. The box dies with the keeper too (PR_SET_PDEATHSIG), so a killed
keeper leaves no more than empty control groups behind.
Run as a script: name, root folder, NAME=VALUE settings.
"""

import os
import select
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.support import cgroup

#: systemd(1): power off, as `systemctl poweroff` would.
POWER_OFF = signal.SIGRTMIN + 4
BOOT_SECONDS = 120.0
POWER_OFF_SECONDS = 90.0
POLL_SECONDS = 0.005


class BoxDied(Exception):
    """The box ended before its systemd ran; what it said is on stderr."""


def start(arguments: list[str], groups: list[Path]) -> int:
    """Start the box's root stage in new mount and process namespaces that end with this process."""
    box_root = str(Path(__file__).with_name("box_root.py"))
    words = [
        *("setpriv", "--pdeathsig", "KILL"),
        *("unshare", "--mount", "--propagation", "private"),
        *("--pid", "--fork", "--kill-child", "--mount-proc"),
        *(sys.executable, box_root, *arguments),
        *(f"cgroup={group}" for group in groups),
    ]
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, 2, 1),
    ]
    return os.posix_spawnp(words[0], words, os.environ, file_actions=actions)


def children(pid: int) -> list[int]:
    """The processes a process started."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def is_systemd(pid: int) -> bool:
    """Whether a process is PID 1 of its namespace and runs systemd."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return fields["Name"].strip() == "systemd" and fields["NSpid"].split()[-1] == "1"


def find_leader(outer: int, box: int) -> int:
    """Wait for the box's systemd: the namespace's first process, or nspawn's child."""
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline and not is_readable(box, POLL_SECONDS):
        first = children(outer)
        for pid in first + [child for parent in first for child in children(parent)]:
            if is_systemd(pid):
                return pid
        if is_readable(0, 0):
            break
    raise BoxDied("no systemd came up")


def is_readable(fd: int, seconds: float) -> bool:
    """Whether a descriptor becomes readable within the time; a pidfd is when its process ended."""
    return bool(select.select([fd], [], [], seconds)[0])


def wait_for_the_end(leader: int, box: int) -> bool:
    """Keep the box while the test wants it. False: it has to be killed."""
    select.select([0, box], [], [])
    if is_readable(box, 0):
        return True
    if not os.read(0, 100):
        return False
    signal.pidfd_send_signal(leader, POWER_OFF)
    return is_readable(box, POWER_OFF_SECONDS)


def keep(name: str, arguments: list[str]) -> bool:
    """One box from start to end, nothing left afterwards. Whether it ended in good order."""
    outer = start(arguments, cgroup.make(name))
    box = os.pidfd_open(outer)
    try:
        leader = find_leader(outer, box)
        leader_fd = os.pidfd_open(leader)
        os.write(1, f"{leader}\n".encode())
        in_order = wait_for_the_end(leader_fd, box)
    finally:
        signal.pidfd_send_signal(box, signal.SIGKILL)
        os.waitpid(outer, 0)
    return in_order


def main() -> None:
    """Ends with status 0 when the box was powered off and nothing of it is left."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    cgroup.remove_stale()
    name = cgroup.name_for(sys.argv[1])
    in_order = False
    try:
        in_order = keep(name, sys.argv[1:])
    except BoxDied as error:
        sys.stderr.write(f"{error}\n")
    finally:
        left = cgroup.remove(name)
    for group in left:
        sys.stderr.write(f"{group} is left\n")
    sys.exit(0 if in_order and not left else 1)


if __name__ == "__main__":
    main()
