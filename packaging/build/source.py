#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the source archive, and the packages' recipes with the version filled in.

    packaging/build/source.py OUT

    OUT/socketgate-VERSION.tar.gz    all that git knows, and PKG-INFO: what pip can install
    OUT/socketgate.spec, OUT/socketgate.sysusers, OUT/PKGBUILD, OUT/socketgate.install
    OUT/debian/
    OUT/date                         seconds: SOURCE_DATE_EPOCH, else the last commit's

The version is that of socketgate/__init__.py, the changes are those of docs/CHANGELOG.md, whose
first chapter must be about this version. The same commit gives the same bytes.
"""

import argparse
import email.utils
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import textwrap
import time
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
NAME = "socketgate"
MAINTAINER = "The socketgate authors <authors@socketgate.invalid>"

#: Recipes that go beside the archive as they are but for what is filled in.
RECIPES = (
    "packaging/rpm/socketgate.spec",
    "packaging/arch/PKGBUILD",
    "packaging/arch/socketgate.install",
    "units/socketgate.sysusers",
)


class NotReady(Exception):
    """Nothing can be released from this folder as it is; the text says what to do."""


def git(*words: str) -> str:
    """What git says about the project."""
    done = subprocess.run(  # noqa: S603  # words of this file
        ["git", *words],  # noqa: S607  # wherever git is
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def read_version() -> str:
    """The version, without running anything of the project."""
    text = (PROJECT / NAME / "__init__.py").read_text()
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise NotReady(f"{NAME}/__init__.py: has no __version__")
    return found[1]


def read_changes(version: str) -> list[str]:
    """What is new in this version: the first chapter's points, one line each."""
    chapters = re.split(r"^## +", (PROJECT / "docs/CHANGELOG.md").read_text(), flags=re.MULTILINE)
    title, _, text = chapters[1].partition("\n") if len(chapters) > 1 else ("", "", "")
    if title.split()[:1] != [version]:
        raise NotReady(f"docs/CHANGELOG.md: its first chapter must be `## {version}`")
    points = re.findall(r"^- (.*(?:\n  .*)*)", text, re.MULTILINE)
    return [re.sub(r"\s+", " ", point.replace("`", "")).strip() for point in points]


def list_files() -> list[Path]:
    """All that git knows, as it was committed."""
    if changes := git("status", "--porcelain"):
        raise NotReady(f"there are uncommitted changes:\n{changes}")
    return [PROJECT / name for name in git("ls-files", "-z").split("\0") if name]


def package_info(version: str) -> bytes:
    """PKG-INFO, which makes the archive a source distribution for pip and build."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {project['name']}",
        f"Version: {version}",
        f"Summary: {project['description']}",
        f"License: {project['license']['text']}",
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {dependency}" for dependency in project["dependencies"]),
    ]
    return "\n".join([*lines, ""]).encode()


def entry(name: str, size: int, date: int, *, is_executable: bool) -> tarfile.TarInfo:
    """A file's head, the same whoever makes the archive and when."""
    info = tarfile.TarInfo(name)
    info.size, info.mtime = size, date
    info.mode = 0o755 if is_executable else 0o644
    info.uname = info.gname = "root"
    return info


def archive(top: str, files: list[Path], version: str, date: int) -> bytes:
    """The source archive."""
    contents = [
        (str(path.relative_to(PROJECT)), path.read_bytes(), os.access(path, os.X_OK))
        for path in files
    ]
    contents.append(("PKG-INFO", package_info(version), False))
    tar_bytes = io.BytesIO()
    with tarfile.open(fileobj=tar_bytes, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content, is_executable in sorted(contents):
            head = entry(f"{top}/{name}", len(content), date, is_executable=is_executable)
            tar.addfile(head, io.BytesIO(content))
    return gzip.compress(tar_bytes.getvalue(), mtime=date)


def spec_changelog(version: str, changes: list[str], date: int) -> str:
    """The entry of %changelog."""
    day = time.strftime("%a %b %d %Y", time.gmtime(date))
    points = [f"- {change.replace('%', '%%')}" for change in changes]
    return "\n".join([f"* {day} {MAINTAINER} - {version}-1", *points])


def debian_changelog(version: str, changes: list[str], date: int) -> str:
    """debian/changelog."""
    stamp = email.utils.formatdate(date)
    head = f"{NAME} ({version}-1) unstable; urgency=medium"
    points = "\n".join(
        textwrap.fill(change, 78, initial_indent="  * ", subsequent_indent="    ")
        for change in changes
    )
    return f"{head}\n\n{points}\n\n -- {MAINTAINER}  {stamp}\n"


def fill(text: str, values: dict[str, str]) -> str:
    """Put the values in the place of their @NAMES@."""
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def write(out: Path) -> None:
    """Write everything."""
    version = read_version()
    changes = read_changes(version)
    date = int(os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct"))
    top = f"{NAME}-{version}"
    content = archive(top, list_files(), version, date)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{top}.tar.gz").write_bytes(content)
    (out / "date").write_text(f"{date}\n")
    values = {
        "VERSION": version,
        "SHA256": hashlib.sha256(content).hexdigest(),
        "CHANGELOG": spec_changelog(version, changes, date),
        "MAINTAINER": MAINTAINER,
    }
    for recipe in RECIPES:
        (out / Path(recipe).name).write_text(fill((PROJECT / recipe).read_text(), values))
    shutil.copytree(PROJECT / "packaging/debian", out / "debian", dirs_exist_ok=True)
    (out / "debian/changelog").write_text(debian_changelog(version, changes, date))
    control = out / "debian/control"
    control.write_text(fill(control.read_text(), values))


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description="Make the source archive and filled-in recipes.")
    parser.add_argument("out", type=Path, help="the folder to write them to")
    arguments = parser.parse_args()
    try:
        write(arguments.out)
    except NotReady as error:
        sys.stderr.write(f"packaging/build/source.py: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
