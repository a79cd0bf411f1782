# SPDX-License-Identifier: MIT
"""A throw-away machine with a real systemd and journald as PID 1, booted in half a second.

    with Box("gate", bind_ro={checkout: "/src"}) as box:
        box.write("/etc/hosts.deny", "ALL: ALL\\n")
        box.run("systemctl", "start", "socketgate@sshd.socket")
        entries = box.journal(unit="socketgate@sshd.service")

Its file system is a copy (overlay) of this machine's or of another root folder, its network is its
own. A command by `run` is outside every unit: limits don't apply and its log lines have no
_SYSTEMD_UNIT; use `systemd_run` for those. When the `with` ends, or the test process dies in
whatever way, nothing of the box is left: see box_keeper.py. It is no security boundary.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.support import box_package, commands

BOOT_SECONDS = 120.0
STOP_SECONDS = 120.0
POLL_SECONDS = 0.02

#: Makes the folders of a file, then writes standard input to it, as a shell's `>` and `>>` do.
WRITE = 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"'
APPEND = 'mkdir -p "$(dirname "$1")" && cat >>"$1"'


class BoxFailed(Exception):
    """The box did not boot, or did not end in good order; the text has what it said."""


class Box:
    """One box. The name is its machine's name; boxes of the same name don't collide.

    Without `nspawn`, or where systemd-nspawn(1) isn't installed, unshare(1) has to do.
    """

    def __init__(
        self,
        name: str,
        *,
        root: str | Path = "/",
        bind_ro: Mapping[str | Path, str] | None = None,
        nspawn: bool = True,
    ) -> None:
        self.name = name
        self.root = Path(root)
        self._settings = [
            f"bind-ro={source}:{target}" for source, target in (bind_ro or {}).items()
        ] + ([] if nspawn else ["by=unshare"])
        self._keeper: subprocess.Popen[str] | None = None
        self._pid: int | None = None
        self._said: IO[str] | None = None
        self._last_words = ""

    def __enter__(self) -> Self:
        try:
            self._start()
            self._wait_booted()
        except BaseException:  # nothing stays behind, whatever it was; it is raised on
            self._end(in_order=False)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._end(in_order=kind is None) and kind is None:
            raise BoxFailed(f"box {self.name} did not end in good order:\n{self.console}")

    @property
    def pid(self) -> int:
        """The process id, on this machine, of the box's PID 1."""
        if self._pid is None:
            raise BoxFailed(f"box {self.name} is not up")
        return self._pid

    @property
    def keeper_pid(self) -> int:
        """The process that ends the box when this one dies; it ends when nothing is left."""
        if self._keeper is None:
            raise BoxFailed(f"box {self.name} is not up")
        return self._keeper.pid

    def run(
        self,
        *words: str,
        input: str | None = None,  # noqa: A002  # subprocess.run's own name for it
        check: bool = True,
        timeout_seconds: float = commands.DEADLINE_SECONDS,
        env: Mapping[str, str] | None = None,
    ) -> commands.Result:
        """Run a command in the box as root. If `check`, a failure raises CommandFailed."""
        words = (*self._prefix(), *words)
        return commands.run(
            words, input=input, check=check, timeout_seconds=timeout_seconds, env=env
        )

    def start(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a command in the box and leave it running; use it in a `with`."""
        return commands.start((*self._prefix(), *words), env=env)

    def shell(self, script: str, *, check: bool = True) -> str:
        """Run a script by the box's /bin/sh and give its standard output, stripped."""
        return self.run("sh", "-euc", script, check=check).stdout.strip()

    def systemd_run(
        self,
        *words: str,
        properties: Mapping[str, str] | None = None,
        unit: str | None = None,
        input: str | None = None,  # noqa: A002  # subprocess.run's own name for it
        check: bool = True,
    ) -> commands.Result:
        """Run a command in a transient unit of its own, to its end."""
        options = [f"--property={key}={value}" for key, value in (properties or {}).items()]
        if unit is not None:
            options.append(f"--unit={unit}")
        prefix = ("systemd-run", "--quiet", "--wait", "--pipe", "--collect")
        return self.run(*prefix, *options, "--", *words, input=input, check=check)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file in place, making its folders."""
        self.run("sh", "-euc", WRITE, "sh", path, f"{mode:o}", input=text)

    def append(self, path: str, text: str) -> None:
        """Append to a file, as `>>` does."""
        self.run("sh", "-euc", APPEND, "sh", path, input=text)

    def install_project(self) -> None:
        """Install the project as a package would: command, libraries, units, user, folders."""
        with tempfile.TemporaryFile() as file:
            file.write(box_package.archive())
            file.seek(0)
            words = (*self._prefix(), "tar", "--extract", "--directory=/")
            subprocess.run(words, stdin=file, check=True, env=commands.environment())
        self.run("sh", "-euc", box_package.SET_UP)

    def cursor(self) -> str:
        """The journal's end now, for `journal(after_cursor=...)`."""
        self.run("journalctl", "--sync")
        shown = self.run("journalctl", "-q", "-n1", "-ocat", "--show-cursor").stdout
        return shown.rpartition("-- cursor: ")[2].strip()

    def journal(
        self, *matches: str, unit: str | None = None, after_cursor: str | None = None
    ) -> list[dict[str, str]]:
        """The journal's entries, oldest first. A match is a `FIELD=VALUE`.

        A field given several times has its values joined by newlines; bytes that are no UTF-8 are
        surrogates, as os.fsdecode makes them.
        """
        words = ["journalctl", "--quiet", "--no-pager", "--output=json", "--all", *matches]
        if unit is not None:
            words.append(f"--unit={unit}")
        if after_cursor is not None:
            # Not --after-cursor=: journalctl 252 then skips the first match, whatever it is.
            words.append(f"--cursor={after_cursor}")
        self.run("journalctl", "--sync")
        lines = self.run(*words).stdout.splitlines()
        entries = [{key: _text(value) for key, value in json.loads(line).items()} for line in lines]
        return [entry for entry in entries if entry["__CURSOR"] != after_cursor]

    def unit(self, name: str, *properties: str) -> dict[str, str]:
        """What `systemctl show` says about a unit."""
        words = ("systemctl", "show", name, f"--property={','.join(properties)}")
        lines = self.run(*words).stdout.splitlines()
        return dict(line.split("=", 1) for line in lines if line)

    @property
    def console(self) -> str:
        """What the box's PID 1 and its keeper have said so far."""
        if self._said is not None:
            self._said.seek(0)
            self._last_words = self._said.read()
        return self._last_words

    def _prefix(self) -> tuple[str, ...]:
        return ("nsenter", "--target", str(self.pid), "--all", "env", "--chdir=/")

    def _start(self) -> None:
        """Start the keeper and wait for the process id it says."""
        keeper = Path(__file__).with_name("box_keeper.py")
        self._said = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  # until _end
        self._keeper = subprocess.Popen(
            [sys.executable, keeper, self.name, self.root, *self._settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=commands.environment(),
            text=True,
            start_new_session=True,
        )
        if self._keeper.stdout is None or not (line := self._keeper.stdout.readline()):
            raise BoxFailed(f"box {self.name} did not start:\n{self.console}")
        self._pid = int(line)

    def _wait_booted(self) -> None:
        """Wait for systemd to have started everything, and nothing to have failed."""
        deadline = time.monotonic() + BOOT_SECONDS
        state = ""
        while time.monotonic() < deadline:
            state = self.run("systemctl", "is-system-running", "--wait", check=False).stdout.strip()
            if state in ("running", "degraded"):
                break
            time.sleep(POLL_SECONDS)
        if state != "running":
            failed = self.run("systemctl", "--failed", "--no-legend", check=False).stdout
            raise BoxFailed(f"box {self.name} is {state or 'silent'}:\n{failed}{self.console}")

    def _end(self, *, in_order: bool) -> bool:
        """Power off, or kill at once. Whether the box was in order and nothing is left."""
        keeper, self._keeper, self._pid = self._keeper, None, None
        if keeper is None:
            return True
        try:
            keeper.communicate("power off\n" if in_order else "", timeout=STOP_SECONDS)
        finally:
            if keeper.poll() is None:
                keeper.kill()
                keeper.communicate()
            self._close_console()
        return keeper.returncode == 0

    def _close_console(self) -> None:
        """Keep what was said, for whoever wants to know why a box failed."""
        if self._said is not None:
            self._last_words = self.console
            self._said.close()
            self._said = None


def _text(value: object) -> str:
    """A field's value: a text, a list of byte values, null (too long), or a list of such."""
    match value:
        case str():
            return value
        case list() if all(isinstance(item, int) for item in value):
            return bytes(value).decode(errors="surrogateescape")
        case list():
            return "\n".join(_text(item) for item in value)
        case _:
            return ""
