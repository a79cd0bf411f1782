# SPDX-License-Identifier: MIT
"""A control group of its own for each box, in every hierarchy the machine has (v1, hybrid or v2).

Without it every box's systemd would be in the caller's group, and what it makes there would stay
behind. A group's name ends with the process id of its keeper and the namespace that id counts in:
what a killed keeper left behind is known by that, and the next box removes it.
"""

import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PREFIX = "socketgate-box-"

#: A group whose last process just died can be busy for a moment, and only v2 would tell when not.
REMOVE_TRIES = 200
PAUSE_SECONDS = 0.01


def parents() -> list[Path]:
    """Our own group in every hierarchy, see cgroups(7), /proc/PID/cgroup."""
    found = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers:
            mount = ROOT / controllers.removeprefix("name=")
        else:
            mount = ROOT / "unified" if (ROOT / "unified").is_dir() else ROOT
        group = mount / path.lstrip("/")
        if group.is_dir():
            found.append(group)
    return found


def make(name: str) -> list[Path]:
    """Make a box's group in every hierarchy."""
    groups = [parent / name for parent in parents()]
    for group in groups:
        group.mkdir()
        if (group / "cgroup.clone_children").exists() and (group / "cpuset.cpus").exists():
            # A v1 cpuset takes no process before it has processors and memory (cpuset(7)).
            for setting in ("cpuset.cpus", "cpuset.mems"):
                (group / setting).write_text((group.parent / setting).read_text())
            (group / "cgroup.clone_children").write_text("1")
    return groups


def enter(groups: list[Path]) -> None:
    """Move this process, and so all it starts, into the groups."""
    for group in groups:
        (group / "cgroup.procs").write_text("0")


def remove(name: str) -> list[Path]:
    """Remove a box's groups with all below them. The answer is what could not be removed."""
    groups = [parent / name for parent in parents()]
    for _ in range(REMOVE_TRIES):
        groups = [group for group in groups if not _removed(group)]
        if not groups:
            break
        time.sleep(PAUSE_SECONDS)
    return groups


def name_for(box: str) -> str:
    """The name of the groups of a box that this process keeps."""
    return f"{PREFIX}{box}-{_process_namespace()}-{os.getpid()}"


def remove_stale() -> None:
    """Remove the groups of boxes whose keeper is no more, as far as we can see the keepers."""
    pattern = f"{PREFIX}*-{_process_namespace()}-*"
    names = {group.name for parent in parents() for group in parent.glob(pattern)}
    for name in names:
        keeper = name.rpartition("-")[2]
        if keeper.isdigit() and not _is_alive(keeper):
            remove(name)


def _process_namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino


def _is_alive(pid: str) -> bool:
    """Whether a process runs; one that nobody has reaped yet does not (proc(5), state Z)."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _removed(group: Path) -> bool:
    for path, _, _ in os.walk(group, topdown=False):
        try:
            Path(path).rmdir()
        except OSError:
            return False
    return not group.exists()
