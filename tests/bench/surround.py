# SPDX-License-Identifier: MIT
"""Where it is measured: peers installed, and a network, an /etc and a control group of our own.

In the network namespace every IPv4 address of rulesets.SPANS is this machine's own, so that clients
come from everywhere; its ports, its limits and its load are nobody else's.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support import cgroup

#: Debian's packages: peers, and what the helpers are built with.
PACKAGES = (
    "haproxy",
    "xinetd",
    "ucspi-tcp",
    "tcpd",
    "libwrap0-dev",
    "libc6-dev",
    "gcc",
    "iproute2",
)
INSIDE = "--inside"

#: As under systemd, which sets it (systemd's 50-default.conf); a namespace begins with 10.
JOURNAL_QUEUE = (Path("/proc/sys/net/unix/max_dgram_qlen"), "512")
OWN_NETWORKS = ("0.0.0.0/1", "128.0.0.0/2")

#: policy-rc.d's answer to every start of a service: it is forbidden.
FORBID_STARTS = "#!/bin/sh\nexit 101\n"
POLICY = Path("/usr/sbin/policy-rc.d")


def install_peers() -> None:
    """Install what is missing, without a service of it being started."""
    said = subprocess.run(
        ("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *PACKAGES),
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    missing = [name for name in PACKAGES if f"{name} installed" not in said.splitlines()]
    if not missing:
        return
    sys.stderr.write(f"tests/bench/run: installing {' '.join(missing)}\n")
    has_policy = POLICY.exists()
    if not has_policy:
        POLICY.write_text(FORBID_STARTS)
        POLICY.chmod(0o755)
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ("apt-get", "-qq", "-y", "--no-install-recommends", "install", *missing)
    try:
        subprocess.run(("apt-get", "-qq", "update"), env=env, check=True)
        subprocess.run(apt, env=env, check=True, stdout=subprocess.DEVNULL)
    finally:
        if not has_policy:
            POLICY.unlink()


def enter_namespace(words: Sequence[str]) -> None:
    """Become the same program in a network namespace of its own. Does not return."""
    words = (sys.executable, "-m", "tests.bench.main", INSIDE, *words)
    os.execvp("unshare", ("unshare", "--net", "--mount", "--", *words))  # noqa: S606  # no shell wanted


def set_up_network() -> None:
    """Loopback up, everything on it."""
    subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
    for network in OWN_NETWORKS:
        words = ("ip", "route", "add", "local", network, "dev", "lo", "table", "local")
        subprocess.run(words, check=True)
    path, value = JOURNAL_QUEUE
    path.write_text(value)
    os.environ["PATH"] = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


@contextmanager
def own_etc(folder: Path) -> Iterator[None]:
    """An /etc that can be written and is nobody else's, in a mount namespace of our own."""
    folder.mkdir()
    with ExitStack() as stack:
        mount = ("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(folder))
        subprocess.run(mount, check=True)
        stack.callback(subprocess.run, ("umount", str(folder)), check=True)
        for name in ("changes", "work"):
            (folder / name).mkdir()
        layers = f"lowerdir=/etc,upperdir={folder}/changes,workdir={folder}/work"
        subprocess.run(("mount", "-t", "overlay", "-o", layers, "overlay", "/etc"), check=True)
        stack.callback(subprocess.run, ("umount", "/etc"), check=True)
        yield


@contextmanager
def own_group() -> Iterator[None]:
    """A control group for us and all we start, so that what all of it uses can be told.

    What an earlier run left that was killed is removed.
    """
    cgroup.remove_stale()
    name = cgroup.name_for("bench")
    outside = cgroup.parents()
    groups = cgroup.make(name)
    try:
        cgroup.enter(groups)
        yield
    finally:
        cgroup.enter(outside)
        for group in cgroup.remove(name):
            sys.stderr.write(f"{group} is left\n")


def used_seconds() -> float:
    """Processor time of our group since its begin: processes that ended and were never seen too."""
    for group in cgroup.parents():
        if (group / "cpuacct.usage").exists():
            return int((group / "cpuacct.usage").read_text()) / 1e9
        if (group / "cpu.stat").exists():
            rows = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
            return int(rows["usage_usec"]) / 1e6
    raise FileNotFoundError("no control group tells the processor time")
