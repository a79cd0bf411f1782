# SPDX-License-Identifier: MIT
"""Run a function in a process with an /etc and a loopback network of its own.

    in_own_etc(scene, {"resolv.conf": "nameserver 127.0.0.1", "nsswitch.conf": "hosts: dns"})

What the function returns comes back as JSON. The machine's own files are never touched: the process
has a mount namespace and a network namespace to itself, and both end with it.
"""

import importlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support import commands

CHECKOUT = Path(__file__).parents[2]

#: What every program needs of the machine's /etc.
COPIED = ("passwd", "group", "ld.so.cache")

Scene = Callable[[], object]


def in_own_etc(
    scene: Scene, files: Mapping[str, str | bytes], *, timeout_seconds: float = 60.0
) -> object:
    """What the function, of a module's top level, returns there. Its /etc has these files."""
    with tempfile.TemporaryDirectory(prefix="own-etc-") as folder:
        etc = Path(folder)
        etc.chmod(0o755)
        for name in COPIED:
            if Path("/etc", name).exists():
                shutil.copy(Path("/etc", name), etc)
        for name, text in files.items():
            (etc / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        words = ["unshare", "--map-root-user", "--mount", "--net"]
        words += ["setpriv", "--pdeathsig", "KILL", sys.executable, "-W", "error"]
        words += ["-m", "tests.support.own_etc", scene.__module__, scene.__name__, folder]
        result = subprocess.run(
            words,
            cwd=CHECKOUT,
            env=commands.environment(),
            capture_output=True,
            check=False,
            text=True,
            timeout=timeout_seconds,
        )
    if result.returncode != 0:
        raise commands.CommandFailed(f"{scene.__name__}: {result.stdout}{result.stderr}")
    return json.loads(result.stdout)


def main() -> None:
    """In the new namespaces: put the folder in /etc's place, run the function, print its result."""
    module, name, folder = sys.argv[1:]
    commands.run(["mount", "--bind", folder, "/etc"])
    commands.run(["ip", "link", "set", "lo", "up"])
    scene: Scene = getattr(importlib.import_module(module), name)
    json.dump(scene(), sys.stdout)


if __name__ == "__main__":
    main()
