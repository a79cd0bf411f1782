# SPDX-License-Identifier: MIT
"""Become a box's systemd without systemd-nspawn, by unshare(1) and mount(8) alone.

For machines that have no systemd-container package: what nspawn would do, by hand. This process
already is PID 1 of the box's process namespace and alone in its mount namespace.
"""

import os
import subprocess
import sys
from pathlib import Path

#: device nodes that are bound from the machine below.
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

#: v1 hierarchies a hybrid box gets, if the machine has them.
CONTROLLERS = ("memory", "pids", "cpu", "cpuacct")

#: file system, where, options
MOUNTS = (
    ("proc", "proc", "nosuid,nodev,noexec"),
    ("sysfs", "sys", "ro,nosuid,nodev,noexec"),
    ("tmpfs", "dev", "nosuid,mode=755"),
    ("devpts", "dev/pts", "newinstance,ptmxmode=666,mode=620,gid=5"),
    ("tmpfs", "dev/shm", "nosuid,nodev"),
    ("tmpfs", "run", "nosuid,nodev,mode=755"),
    ("tmpfs", "tmp", "nosuid,nodev"),
)  # fmt: skip

#: Shared, else credentials of units fail; moved, so that nothing of the machine below is left.
ENTER = """
hostname "$1" && ip link set lo up && mount --make-rshared "$2" && cd "$2" && mount --move . / &&
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /box-init --show-status=no
"""


def mount(*words: str) -> None:
    """mount(8)."""
    subprocess.run(["mount", *words], check=True)


def mount_devices(root: Path) -> None:
    """The API file systems and a /dev with the few nodes programs expect."""
    for kind, where, options in MOUNTS:
        (root / where).mkdir(exist_ok=True)
        mount("-t", kind, "-o", options, kind, str(root / where))
    for name in DEVICES:
        (root / "dev" / name).touch()
        mount("--bind", f"/dev/{name}", str(root / "dev" / name))
    (root / "dev/ptmx").symlink_to("pts/ptmx")
    (root / "dev/fd").symlink_to("/proc/self/fd")


def mount_control_groups(root: Path, *, is_v2: bool) -> None:
    """The control groups below the box's own, as systemd expects to find them."""
    top = root / "sys/fs/cgroup"
    if is_v2 or not Path("/sys/fs/cgroup/systemd").exists():
        mount("-t", "cgroup2", "-o", "nosuid,nodev,noexec", "cgroup", str(top))
        return
    mount("-t", "tmpfs", "-o", "nosuid,nodev,noexec,mode=755", "tmpfs", str(top))
    hierarchies = [(name, name) for name in CONTROLLERS if Path("/sys/fs/cgroup", name).exists()]
    for name, options in [*hierarchies, ("systemd", "none,name=systemd")]:
        (top / name).mkdir()
        mount("-t", "cgroup", "-o", options, "cgroup", str(top / name))
    (top / "unified").mkdir()
    mount("-t", "cgroup2", "cgroup", str(top / "unified"))


def bind_read_only(root: Path, bind: str) -> None:
    """Show a folder of the machine in the box: SOURCE:TARGET."""
    source, _, target = bind.partition(":")
    where = root / target.lstrip("/")
    where.mkdir(parents=True, exist_ok=True)
    mount("--bind", source, str(where))
    mount("-o", "remount,ro,bind", str(where))


def become_systemd(root: Path, name: str, binds: list[str], *, is_v2: bool) -> None:
    """Leave the machine's other namespaces and run systemd; the process stays the same."""
    words = ["unshare", "--cgroup", "--uts", "--ipc", "--net", sys.executable, __file__]
    os.execvp(words[0], [*words, str(root), name, "v2" if is_v2 else "v1", *binds])  # noqa: S606  # it becomes the box


def main() -> None:
    """In the new namespaces: mount what they determine, then become systemd."""
    root, name, version, *binds = sys.argv[1:]
    mount_devices(Path(root))
    mount_control_groups(Path(root), is_v2=version == "v2")
    for bind in binds:
        bind_read_only(Path(root), bind)
    os.execvp("sh", ["sh", "-c", ENTER, "sh", name, root])  # noqa: S606  # it becomes the box


if __name__ == "__main__":
    main()
