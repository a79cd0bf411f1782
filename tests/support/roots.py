# SPDX-License-Identifier: MIT
"""Root folders of other systems for boxes: Debian releases with their own systemd and Python.

    with Box("gate", root=make_root("trixie")) as box: ...

Made by mmdebstrap(1) from the mirror that this machine's apt uses, once for each recipe (half a
minute, 300 MB) and kept in CACHE, which is safe to delete while no test runs. Nothing in them is
ever changed: a box writes to a layer above.
"""

import datetime
import fcntl
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import commands

#: Beside the machine's other packages, so that all checkouts share it.
CACHE = Path("/var/cache/socketgate-tests/roots")

#: A slow mirror; an ordinary one takes half a minute.
MAKE_SECONDS = 300.0

#: What a box needs to boot, what the tests run in it, and the foreign package managers.
PACKAGES = """
    systemd systemd-sysv dbus iproute2 procps mount openssh-server
    python3 python3-systemd python3-sdnotify
    rpm pacman-package-manager
"""

#: What tests run in a box besides, which is then no bare machine but much like this one.
TOOLS = "fail2ban openssh-client rsync"

#: Settings of this machine's apt that say how its mirror is reached and how old it may be.
APT_SETTINGS = ("Acquire::http", "Acquire::https", "Acquire::Check-")


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A release of Debian that tests can boot."""

    suite: str
    systemd: str
    is_rolling: bool = False


SYSTEMS = {
    system.suite: system
    for system in (
        System(suite="bookworm", systemd="252"),
        System(suite="trixie", systemd="257"),
        System(suite="sid", systemd="the newest", is_rolling=True),
    )
}  # fmt: skip


class RootNotMade(Exception):
    """There is no such root and it can't be made; the text has what was said."""


def make_root(suite: str, more: str = "") -> Path:
    """A root folder of this release, and more packages, made if it isn't there yet.

    Needs root and a mirror.
    """
    words = recipe(SYSTEMS[suite], f"{PACKAGES} {more}")
    root = CACHE / f"{suite}-{digest(words, SYSTEMS[suite])}"
    if root.is_dir():
        return root
    CACHE.mkdir(parents=True, exist_ok=True)
    with locked(suite):
        if not root.is_dir():
            fill(root, words)
    return root


def recipe(system: System, packages: str) -> list[str]:
    """mmdebstrap's arguments but for the folder."""
    return [
        *("--quiet", "--mode=root", "--variant=apt"),
        *(f"--aptopt={line}" for line in apt_settings()),
        f"--include={','.join(packages.split())}",
        system.suite,
    ]


def digest(words: list[str], system: System) -> str:
    """What tells one recipe's root from another's. One of a rolling release lasts a week."""
    week = datetime.datetime.now(tz=datetime.UTC).date().isocalendar()[:2]
    recipe_text = repr((words, week if system.is_rolling else ""))
    return hashlib.sha256(recipe_text.encode()).hexdigest()[:12]


@contextmanager
def locked(suite: str) -> Iterator[None]:
    """Alone with this release's roots, whoever else runs tests on this machine."""
    with (CACHE / f"{suite}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fill(root: Path, words: list[str]) -> None:
    """Make the root beside its place, and move it there when it is complete."""
    unfinished = root.with_suffix(".new")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    made = commands.run(
        ["mmdebstrap", *words, str(unfinished), mirror()],
        check=False,
        timeout_seconds=MAKE_SECONDS,
    )
    if made.returncode != 0:
        raise RootNotMade(f"mmdebstrap {' '.join(words)}:\n{made.stderr}")
    # The box's own: nothing of this one may be taken for it.
    for name in ("etc/hostname", "etc/resolv.conf", "usr/sbin/policy-rc.d"):
        (unfinished / name).unlink(missing_ok=True)
    unfinished.rename(root)


def mirror() -> str:
    """The address of the mirror that this machine's apt uses, not the one for security updates."""
    words = ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"]
    lines = commands.run(words).stdout.splitlines()
    for line in lines:
        label, _, address = line.rpartition(" ")
        if label == "Debian":
            return address
    raise RootNotMade("this machine's apt has no Debian mirror; run apt-get update")


def apt_settings() -> list[str]:
    """The lines of this machine's apt configuration that a root is to be made with."""
    words = ["apt-config", "dump", "--no-empty"]
    lines = commands.run(words).stdout.splitlines()
    return [line for line in lines if line.startswith(APT_SETTINGS)]
