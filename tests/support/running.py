# SPDX-License-Identifier: MIT
"""The real daemon as a child process, with its sockets and its notifications as under systemd.

    with listening() as sock, RunningGate(folder, [("sshd", sock)], deny="ALL: ALL\\n") as gate:
        (folder / "hosts.deny").write_text("")
        gate.wait_status("generation 2")
        ...
        entry, = gate.wait_entries(1, SOCKETGATE_VERDICT="allow")

The `with` begins when the daemon says READY=1 and ends by SIGTERM, which it has to obey with exit
code 0. Whatever goes wrong, the text of the failure has what the daemon said.
"""

import contextlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.child import Child, Sockets
from tests.support.inbox import Fields, Inbox, NeverCame

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 30.0
WAIT_SECONDS = 30.0

#: Folders systemd would make for the unit, by the variable that names each.
FOLDERS = {
    "RUNTIME_DIRECTORY": "runtime",
    "STATE_DIRECTORY": "state",
    "CACHE_DIRECTORY": "cache",
}

SETTINGS = """\
[rules]
allow = "{folder}/hosts.allow"
deny = "{folder}/hosts.deny"
"""


class GateFailed(AssertionError):
    """The daemon did not start or end as it should."""


def listening(address: str = "127.0.0.1", backlog: int = 4096) -> socket.socket:
    """A TCP listener on a free port of the loopback interface, as a socket unit makes it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, 0), family=family, backlog=backlog)


class RunningGate:
    """`socketgate run` in a folder of the test's, which gets the rule files and the configuration.

    `settings` is added to the configuration after the `[rules]` table's two paths; `prefix` is a
    command that becomes the daemon, with other limits for example.
    """

    def __init__(
        self,
        folder: Path,
        sockets: Sockets,
        *,
        allow: str = "",
        deny: str = "",
        settings: str = "",
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.allow, self.deny = folder / "hosts.allow", folder / "hosts.deny"
        self.config = folder / "socketgate.toml"
        self._sockets = sockets
        self._env = dict(env or {})
        self._prefix = prefix
        self._child: Child | None = None
        for path, text in ((self.allow, allow), (self.deny, deny)):
            path.write_text(text)
        self.config.write_text(SETTINGS.format(folder=folder) + settings)
        for name in FOLDERS.values():
            (folder / name).mkdir(exist_ok=True)

    def __enter__(self) -> Self:
        self._start()
        try:
            self.wait_for("READY", "1", START_SECONDS)
        except BaseException:  # nothing stays behind, whatever it was; it is raised on
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None and not self._running.has_ended and (code := self.stop()) != 0:
                raise GateFailed(f"exit code {code} after SIGTERM; it said:\n{self.output}")
        finally:
            self._close()

    def run_to_end(self, seconds: float = START_SECONDS) -> tuple[int, str]:
        """For a start that has to fail, instead of the `with`: exit code and what it said."""
        self._start()
        try:
            return self.wait_exit(seconds), self.output
        finally:
            self._close()

    @property
    def pid(self) -> int:
        """The daemon's process id."""
        return self._running.pid

    @property
    def output(self) -> str:
        """What the daemon wrote to its standard output and error so far."""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode(errors="replace")

    @property
    def descriptors(self) -> list[str]:
        """What the daemon has open, one text for each descriptor."""
        found = []
        for link in sorted(Path(f"/proc/{self.pid}/fd").iterdir()):
            with contextlib.suppress(FileNotFoundError):  # closed since it was listed
                found.append(str(link.readlink()))
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send the daemon a signal."""
        self._running.signal(number)

    def stop(self) -> int:
        """SIGTERM, and the exit code. Once it has ended, the exit code again."""
        self.signal(signal.SIGTERM)
        return self.wait_exit(STOP_SECONDS)

    def wait_exit(self, seconds: float = STOP_SECONDS) -> int:
        """The exit code once it has ended, minus the signal's number if one ended it."""
        return self._running.wait(seconds)

    def wait_for(self, key: str, containing: str = "", seconds: float = WAIT_SECONDS) -> str:
        """The value of the next notification KEY=VALUE with this text in it; it is used up."""
        try:
            return self.inbox.wait_state(key, containing, seconds)
        except NeverCame as error:
            raise GateFailed(f"{error}\nthe daemon said:\n{self.output}") from error

    def wait_status(self, containing: str, seconds: float = WAIT_SECONDS) -> str:
        """The next STATUS= with this text in it."""
        return self.wait_for("STATUS", containing, seconds)

    def wait_entries(
        self, count: int, seconds: float = WAIT_SECONDS, /, **fields: str
    ) -> list[Fields]:
        """The journal entries that have these fields, once there are so many."""
        try:
            return self.inbox.wait_entries(count, fields, seconds)
        except NeverCame as error:
            raise GateFailed(f"{error}\nthe daemon said:\n{self.output}") from error

    @property
    def _running(self) -> Child:
        if self._child is None:
            raise GateFailed("the daemon was not started")
        return self._child

    def _start(self) -> None:
        words = [
            *self._prefix,
            sys.executable,
            "-m",
            "socketgate",
            "run",
            "--config",
            str(self.config),
        ]
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  # until _close
        self.inbox = Inbox(self.folder)
        env = {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(PROJECT),
            "NOTIFY_SOCKET": str(self.inbox.notify_path),
            "SOCKETGATE_JOURNAL_SOCKET": str(self.inbox.journal_path),
            **{variable: str(self.folder / name) for variable, name in FOLDERS.items()},
            **self._env,
        }
        try:
            self._child = Child(words, self._sockets, env, self._output)
            self.inbox.open(self._child.pidfd)
        except BaseException:  # nothing stays behind, whatever it was; it is raised on
            self._close()
            raise

    def _close(self) -> None:
        if self._child is not None:
            self._child.close()
        self.inbox.close()
        self._output.close()
