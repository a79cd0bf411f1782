# SPDX-License-Identifier: MIT
"""Where it is measured: peers installed, and a network namespace of our own.

In the namespace every IPv4 address of rulesets.SPANS is this machine's own, so that clients come
from everywhere; its ports, its limits and its load are nobody else's.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

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
    os.execvp("unshare", ("unshare", "--net", "--", *words))  # noqa: S606  # no shell wanted


def set_up_namespace() -> None:
    """Loopback up, everything on it."""
    subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
    for network in OWN_NETWORKS:
        words = ("ip", "route", "add", "local", network, "dev", "lo", "table", "local")
        subprocess.run(words, check=True)
    path, value = JOURNAL_QUEUE
    path.write_text(value)
    os.environ["PATH"] = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
