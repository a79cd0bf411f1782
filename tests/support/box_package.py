# SPDX-License-Identifier: MIT
"""The project as a package would install it, as an archive to unpack at a box's root.

The package goes where Debian's Python finds it, the command to /usr/bin, what is in units/ to the
folders systemd reads. The three libraries are copied from the Python that runs the tests, which
tests/run makes of /usr/bin/python3, so that the compiled one fits the box's.
"""

import importlib.util
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = "usr/lib/python3/dist-packages"
LIBRARIES = ("systemd", "inotify_simple", "sdnotify")

#: Where a file of units/ belongs, by the end of its name.
PLACES = {
    ".socket": "usr/lib/systemd/system/{name}",
    ".service": "usr/lib/systemd/system/{name}",
    ".target": "usr/lib/systemd/system/{name}",
    ".slice": "usr/lib/systemd/system/{name}",
    ".timer": "usr/lib/systemd/system/{name}",
    ".conf": "usr/lib/systemd/system/{folder}/{name}",
    ".catalog": "usr/lib/systemd/catalog/{name}",
    ".sysusers": "usr/lib/sysusers.d/{stem}.conf",
    ".tmpfiles": "usr/lib/tmpfiles.d/{stem}.conf",
}  # fmt: skip

COMMAND = (PROJECT / "packaging/bin/socketgate").read_bytes()

#: What a package's scripts do after unpacking; nothing is enabled or started.
SET_UP = """
systemd-sysusers
systemd-tmpfiles --create --prefix=/run/socketgate --prefix=/var/lib/socketgate
journalctl --update-catalog
/usr/bin/python3 -m compileall -q /usr/lib/python3/dist-packages/socketgate
systemctl daemon-reload
"""


def library_folders() -> Iterator[Path]:
    """Where the running Python has the libraries: a folder or a module's file each."""
    for name in LIBRARIES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise AssertionError(f"the Python that runs the tests has no {name}")
        origin = Path(spec.origin)
        yield origin.parent if origin.name == "__init__.py" else origin


def unit_files() -> Iterator[tuple[Path, str]]:
    """Each file of units/ and where it goes."""
    for path in sorted((PROJECT / "units").rglob("*")):
        if path.is_file():
            place = PLACES[path.suffix]
            yield path, place.format(name=path.name, stem=path.stem, folder=path.parent.name)


def without_bytecode(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what another Python compiled, and make everything root's."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return None if "__pycache__" in entry.name else entry


def archive() -> bytes:
    """All files, as a tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in (PROJECT / "socketgate", *library_folders()):
            tar.add(folder, f"{PACKAGES}/{folder.name}", filter=without_bytecode)
        for path, place in unit_files():
            tar.add(path, place, filter=without_bytecode)
        command = tarfile.TarInfo("usr/bin/socketgate")
        command.mode, command.size = 0o755, len(COMMAND)
        tar.addfile(command, io.BytesIO(COMMAND))
    return buffer.getvalue()
