# SPDX-License-Identifier: MIT
"""The first program in a box's namespaces: builds its root file system, then becomes its systemd.

    tmpfs on /run ▶ overlay over the root folder ▶ nothing enabled but systemd itself ▶ nspawn

All mounts are in a mount namespace that ends with the box's last process: nothing to unmount.
Run as a script by box_keeper.py: name, root folder, then `cgroup=`, `bind-ro=SOURCE:TARGET`,
`by=unshare`.
"""

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.support import cgroup
from tests.support.box_plain import become_systemd

#: What is mounted here stays in the box's mount namespace and hides nothing a box needs.
SCRATCH = Path("/run/box")

#: Generators that make units of what the machine under the box has.
MASKED_GENERATORS = """
    bless-boot cryptsetup debug fstab getty gpt-auto hibernate-resume integritysetup rc-local ssh
    sysv tpm2 veritysetup
"""

#: Units that a test never needs, and that touch hardware, other file systems or the network.
MASKED_UNITS = """
    getty.target console-getty.service systemd-logind.service systemd-user-sessions.service
    systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-ask-password-wall.path
    systemd-ask-password-console.path systemd-networkd.service systemd-resolved.service
    systemd-timesyncd.service systemd-tmpfiles-clean.timer systemd-journal-flush.service
    systemd-sysusers.service systemd-remount-fs.service systemd-sysctl.service
    systemd-random-seed.service systemd-journal-catalog-update.service systemd-update-done.service
    ldconfig.service systemd-hwdb-update.service systemd-firstboot.service
    systemd-machine-id-commit.service systemd-pcrphase.service systemd-pcrphase-sysinit.service
    systemd-network-generator.service dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount
    sys-kernel-tracing.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount
    systemd-binfmt.service modprobe@.service kmod-static-nodes.service systemd-modules-load.service
    systemd-udevd.service systemd-udevd-kernel.socket systemd-udevd-control.socket
    systemd-udev-trigger.service systemd-journald-audit.socket systemd-pstore.service
    systemd-initctl.socket syslog.socket remote-fs.target rsyslog.service xinetd.service
    cron.service
"""

JOURNALD = """
[Journal]
Storage=volatile
RateLimitIntervalSec=0
RateLimitBurst=0
ForwardToSyslog=no
ForwardToWall=no
"""

#: PID 1 starts here: nspawn mounts the v1 controllers read-only, with which MemoryMax=, TasksMax=
#: and CPUQuota= would silently do nothing.
INIT = """\
#!/bin/sh
for mount in /sys/fs/cgroup/*/; do
    mount=${mount%/}
    [ -L "$mount" ] || mount -o remount,rw,bind "$mount" 2>/dev/null
done
exec /lib/systemd/systemd "$@"
"""


def mount(kind: str, target: Path, options: str) -> None:
    """mount(8)."""
    subprocess.run(["mount", "-t", kind, "-o", options, kind, str(target)], check=True)


def lay_out(lower: Path) -> Path:
    """A writable copy of a root folder that costs nothing and is gone with the namespace."""
    mount("tmpfs", Path("/run"), "mode=755,size=4g")
    root, upper, work = (SCRATCH / name for name in ("root", "upper", "work"))
    for folder in (root, upper, work):
        folder.mkdir(parents=True)
    mount("overlay", root, f"lowerdir={lower},upperdir={upper},workdir={work}")
    return root


def put(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file in the box's root, in place of whatever was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)


def link(path: Path, target: str) -> None:
    """Make a symbolic link in the box's root, in place of whatever was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def make_fresh(root: Path, name: str) -> None:
    """Make the root that of a machine where nothing is set up and nothing starts but systemd."""
    settings = root / "etc/systemd"
    for pattern in ("*.wants", "*.requires"):
        for folder in (settings / "system").glob(pattern):
            shutil.rmtree(folder)
    for unit in MASKED_UNITS.split():
        link(settings / "system" / unit, "/dev/null")
    for generator in MASKED_GENERATORS.split():
        link(settings / "system-generators" / f"systemd-{generator}-generator", "/dev/null")
    link(settings / "system-generators" / "postgresql-generator", "/dev/null")
    link(settings / "system/default.target", "/lib/systemd/system/multi-user.target")
    put(settings / "journald.conf.d/box.conf", JOURNALD)
    put(root / "etc/fstab", "")
    put(root / "etc/machine-id", f"{uuid.uuid4().hex}\n")
    put(root / "etc/hostname", f"{name}\n")
    put(root / "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost\n")
    put(root / "box-init", INIT, 0o755)
    shutil.rmtree(root / "var/log/journal", ignore_errors=True)
    # The rules of the machine below, and what keeps packages there from starting services.
    for unwanted in ("etc/hosts.allow", "etc/hosts.deny", "usr/sbin/policy-rc.d"):
        (root / unwanted).unlink(missing_ok=True)


def version_of_systemd(root: Path) -> int:
    """The major version of a root folder's systemd, by its library's name: nothing of it is run."""
    for pattern in ("usr/lib/*/systemd", "usr/lib/systemd", "usr/lib64/systemd"):
        for library in root.glob(f"{pattern}/libsystemd-core-*.so"):
            version = library.stem.removeprefix("libsystemd-core-")
            return int(version.split(".")[0].split("~")[0].split("-")[0])
    return 0


def become_nspawn(root: Path, name: str, binds: list[str], *, is_v2: bool) -> None:
    """Run systemd by systemd-nspawn(1), all capabilities and system calls left to it."""
    words = [
        *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--settings=no"),
        *("--private-network", f"--machine={name}", f"--directory={root}"),
        *("--resolv-conf=off", "--timezone=off", "--link-journal=no", "--notify-ready=no"),
        *("--capability=all", "--system-call-filter=@known", "--kill-signal=SIGRTMIN+4"),
        *("--console=pipe", *(f"--bind-ro={bind}" for bind in binds)),
        *("/box-init", "--show-status=no"),
    ]
    if is_v2:
        os.environ["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] = "1"
    os.execvp(words[0], words)  # noqa: S606  # it becomes the box


def main() -> None:
    """Become the box."""
    name, lower, *settings = sys.argv[1:]
    values: dict[str, list[str]] = {"cgroup": [], "bind-ro": [], "by": []}
    for setting in settings:
        key, _, value = setting.partition("=")
        values[key].append(value)
    cgroup.enter([Path(group) for group in values["cgroup"]])
    root = lay_out(Path(lower))
    make_fresh(root, name)
    # systemd 258 and later knows no control groups but v2.
    is_v2 = version_of_systemd(root) >= 258
    if shutil.which("systemd-nspawn") and not values["by"]:
        become_nspawn(root, name, values["bind-ro"], is_v2=is_v2)
    become_systemd(root, name, values["bind-ro"], is_v2=is_v2)


if __name__ == "__main__":
    main()
