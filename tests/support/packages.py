# SPDX-License-Identifier: MIT
"""The project's packages, made as a release makes them, and the ways they are installed in a box.

Built once for each state of the sources and kept in .cache/packages, from a copy: whatever changes
in the project meanwhile, the packages are of one piece.
"""

import fcntl
import functools
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support import commands
from tests.support.box import Box

PROJECT = Path(__file__).resolve().parents[2]
CACHE = PROJECT / ".cache/packages"
BUILD_SECONDS = 400.0

#: A commit that is the same whoever makes it, and when.
SOMEBODY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in {
        "NAME": "tests",
        "EMAIL": "tests@localhost",
        "DATE": "2026-01-01T00:00:00Z",
    }.items()
}

#: Where rpm and pacman find what is installed; Debian's rpm has another default.
RPM = "rpm --dbpath /var/lib/rpm --nodeps"
PACMAN = "pacman --noconfirm --nodeps --nodeps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of package: the file's name and the commands of its package manager."""

    pattern: str
    install: str
    upgrade: str
    downgrade: str
    remove: str
    verify: str


KINDS = {
    "rpm": Kind(
        pattern="socketgate-[0-9]*.noarch.rpm",
        install=f"{RPM} -i",
        upgrade=f"{RPM} -U",
        downgrade=f"{RPM} -U --oldpackage",
        remove=f"{RPM} -e socketgate",
        verify=f"{RPM} -V socketgate",
    ),
    "arch": Kind(
        pattern="socketgate-*.pkg.tar.zst",
        install=f"{PACMAN} -U",
        upgrade=f"{PACMAN} -U",
        downgrade=f"{PACMAN} -U",
        remove=f"{PACMAN} -R socketgate",
        verify="pacman -Qkkq socketgate",
    ),
    "deb": Kind(
        pattern="socketgate_*.deb",
        install="dpkg -i",
        upgrade="dpkg -i",
        downgrade="dpkg -i",
        remove="dpkg --purge socketgate",
        verify="dpkg --verify socketgate",
    ),
}

#: What Arch's systemd package does after each transaction, by hooks of pacman.
ARCH_HOOK = """\
[Trigger]
Type = Path
Operation = Install
Operation = Upgrade
Operation = Remove
Target = usr/lib/*
[Action]
When = PostTransaction
Exec = /usr/local/bin/arch-hooks
"""

ARCH_HOOKS = """\
#!/bin/sh
systemd-sysusers
systemd-tmpfiles --create --prefix=/run/socketgate --prefix=/var/lib/socketgate
journalctl --update-catalog
systemctl daemon-reload
"""

#: The Python that runs the tests is of the machine that builds the packages: its folder is theirs.
BUILDER = f"{sys.version_info.major}.{sys.version_info.minor}"

#: Makes a box of Debian more like Fedora and Arch: Debian's Python doesn't look into the folder of
#: foreign packages (another version than theirs compiles nothing there, since it isn't its own),
#: Fedora enables nothing by default, Arch calls its Python `python`, and its pacman takes packages
#: that nobody has signed when they are files.
FOREIGN = f"""
cat >/usr/lib/python3/dist-packages/foreign.pth <<'END'
/usr/lib/python{BUILDER}/site-packages
import sys; sys.dont_write_bytecode = "%d.%d" % sys.version_info[:2] != "{BUILDER}"
END
mkdir -p /usr/lib/python{BUILDER}/site-packages /usr/share/licenses /usr/share/zsh/site-functions \\
    /usr/share/fish/vendor_completions.d /usr/lib/systemd/system-preset /var/lib/rpm /var/lib/pacman
echo 'disable *' >/usr/lib/systemd/system-preset/99-default-disable.preset
[ -e /usr/bin/python ] || ln -s python3 /usr/bin/python
echo 'LocalFileSigLevel = Optional' >>/etc/pacman.conf
"""


def packages() -> Path:
    """The folder with everything that is released of the sources as they are now."""
    return packages_of(None)


@functools.cache
def packages_of(version: str | None) -> Path:
    """The same, called by another version: for upgrades."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "socketgate")
        copy_project(copy)
        if version is not None:
            rename(copy, version)
        commit(copy)
        return build(copy, once=version is None)


def build(copy: Path, *, once: bool) -> Path:
    """The packages of a copy, from the cache if they were made before. Unless `once`, compared."""
    CACHE.mkdir(parents=True, exist_ok=True)
    revision = git(copy, "rev-parse", "HEAD:").strip()
    result = CACHE / revision
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.is_dir():
            forget_old_ones()
            release(copy, result, once=once)
    return result


def release(copy: Path, result: Path, *, once: bool) -> None:
    """Run packaging/release, which fails when making everything twice gives other bytes."""
    unfinished = result.with_suffix(".new")
    options = ["--once"] if once else []
    words = (str(copy / "packaging/release"), *options, str(unfinished))
    commands.run(words, timeout_seconds=BUILD_SECONDS)
    unfinished.rename(result)


def forget_old_ones(keep: int = 6) -> None:
    """Keep the cache small: what is there of sources as they no longer are."""
    folders = [path for path in CACHE.iterdir() if path.is_dir()]
    for path in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)[keep:]:
        shutil.rmtree(path)


def copy_project(copy: Path) -> None:
    """All that git knows or would add, as it is now."""
    listed = git(PROJECT, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    for name in filter(None, listed.split("\0")):
        if (PROJECT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, copy / name)


def rename(copy: Path, version: str) -> None:
    """Make it another version: in the two places where a maintainer would."""
    init = copy / "socketgate/__init__.py"
    init.write_text(
        re.sub(r'(?m)^__version__ = ".*"', f'__version__ = "{version}"', init.read_text())
    )
    changes = copy / "docs/CHANGELOG.md"
    title, text = changes.read_text().split("\n## ", maxsplit=1)
    changes.write_text(f"{title}\n## {version}\n\n- A trial.\n\n## {text}")


def commit(copy: Path) -> None:
    """Make the copy a repository of one commit."""
    git(copy, "init", "--quiet")
    git(copy, "add", "--all")
    git(copy, "commit", "--quiet", "--message", "a copy")


def git(folder: Path, *words: str) -> str:
    """What git says in this folder."""
    environment = commands.environment({**SOMEBODY, "GIT_CONFIG_GLOBAL": "/dev/null"})
    return subprocess.run(
        ["git", "-c", f"safe.directory={folder}", "-C", folder, *words],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    ).stdout


class PackageManager:
    """What an admin does with a kind of package in a box that has the packages at this folder."""

    def __init__(self, box: Box, kind: str, folder: str) -> None:
        self.box = box
        self.kind = kind
        self._folder = folder
        self._kind = KINDS[kind]
        if kind != "deb":
            box.shell(FOREIGN)
            box.write("/usr/share/libalpm/hooks/systemd.hook", ARCH_HOOK)
            box.write("/usr/local/bin/arch-hooks", ARCH_HOOKS, mode=0o755)

    def install(self) -> None:
        """Install the package."""
        self.box.shell(f"{self._kind.install} {self._folder}/{self._kind.pattern}")

    def upgrade(self, folder: str) -> None:
        """Install the newer package of this folder."""
        self.box.shell(f"{self._kind.upgrade} {folder}/{self._kind.pattern}")

    def downgrade(self) -> None:
        """Put the package of `install` in the place of a newer one."""
        self.box.shell(f"{self._kind.downgrade} {self._folder}/{self._kind.pattern}")

    def start_upgrade(self, folder: str) -> subprocess.Popen[bytes]:
        """The same, without waiting for its end; use it in a `with`."""
        return self.box.start("sh", "-euc", f"{self._kind.upgrade} {folder}/{self._kind.pattern}")

    def amiss(self) -> str:
        """What the package manager says about files that aren't as it installed them."""
        return self.box.shell(self._kind.verify, check=False)

    def remove(self) -> None:
        """Remove the package, and what it knows to remove of its state and configuration."""
        self.box.shell(self._kind.remove)
