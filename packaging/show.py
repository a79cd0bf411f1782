# SPDX-License-Identifier: MIT
"""The show of packaging/try: the real gate on a loopback port, rsync behind it, two clients.

1  one client is admitted, one refused
2  the rule file is edited; the very next connection is decided by it
3  with --once that is all; else the gate stays until Ctrl-C, for you to try
"""

import argparse
import contextlib
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

SOCKETGATE = (sys.executable, "-m", "socketgate")
ADMITTED, OTHER = "127.0.0.1", "127.0.0.2"
DEADLINE_SECONDS = 30.0

#: systemd's names for the folders of a service: all are the show's own.
FOLDERS = ("RUNTIME_DIRECTORY", "STATE_DIRECTORY", "CACHE_DIRECTORY")
#: What a shell says of a program that Ctrl-C ended.
INTERRUPTED = 128 + signal.SIGINT

RSYNCD = """\
use chroot = no
[motd]
    path = {folder}/files
    comment = served through the gate
"""


class WentWrong(Exception):
    """The show is not as it should be."""


class JournalLines:
    """Stands where journald listens: shows each entry as `journalctl` would, and waits for one."""

    def __init__(self, path: Path) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(str(path))
        self._messages: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._show, daemon=True).start()

    def wait(self, text: str) -> None:
        """Until an entry has this text."""
        while True:
            try:
                message = self._messages.get(timeout=DEADLINE_SECONDS)
            except queue.Empty as error:
                raise WentWrong(f"no journal entry says {text!r}") from error
            if text in message:
                return

    def _show(self) -> None:
        while True:
            lines = self._sock.recv(65536).decode(errors="replace").split("\n")
            fields = dict(line.split("=", 1) for line in lines if "=" in line)
            shown = f"{fields.get('SYSLOG_IDENTIFIER')}: {fields.get('MESSAGE')}"
            rule = (
                f"   [{fields['SOCKETGATE_RULE_FILE']}:{fields['SOCKETGATE_RULE_LINE']}]"
                if ("SOCKETGATE_RULE_FILE" in fields)
                else ""
            )
            print(f"    journal: {shown}{rule}", flush=True)
            self._messages.put(shown)


class Show:
    """A folder with everything in it, and the two programs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.allow, self.deny = folder / "hosts.allow", folder / "hosts.deny"
        self.port = free_port()
        (folder / "files").mkdir()
        (folder / "files" / "motd").write_text("hello from behind the gate\n")
        (folder / "rsyncd.conf").write_text(RSYNCD.format(folder=folder))
        (folder / "socketgate.toml").write_text(
            f'[rules]\nallow = "{self.allow}"\ndeny = "{self.deny}"\n'
            f'[daemon.rsync]\nbackend = "{folder}/rsync.sock"\n'
            f'[bans]\nstore = "{folder}/bans"\n'
        )
        self.journal = JournalLines(folder / "journal.sock")
        self.environment = {
            **os.environ,
            "SOCKETGATE_JOURNAL_SOCKET": str(folder / "journal.sock"),
            **dict.fromkeys(FOLDERS, str(folder)),
        }

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The gate on its port and rsync behind it, until the block ends."""
        gate = [*SOCKETGATE, "run", "--config", str(self.folder / "socketgate.toml")]
        rsync = ["rsync", "--daemon", f"--config={self.folder}/rsyncd.conf"]
        backend = [*SOCKETGATE, "launch", "--listen", str(self.folder / "rsync.sock")]
        activate = ["systemd-socket-activate", "-l", f"127.0.0.1:{self.port}", "--fdname=rsync"]
        variables = [f"-E{name}" for name in ("SOCKETGATE_JOURNAL_SOCKET", *FOLDERS)]
        with self.child([*backend, "--", *rsync]), self.child([*activate, *variables, *gate]):
            yield

    @contextlib.contextmanager
    def child(self, words: list[str]) -> Iterator[None]:
        """A program that ends with the block."""
        log = (self.folder / f"{Path(words[0]).name}-{len(words)}.log").open("w")
        with log, subprocess.Popen(words, env=self.environment, stderr=log, stdout=log) as process:
            try:
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(DEADLINE_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()

    def client(self, address: str) -> bool:
        """Whether rsync, coming from this address, is served."""
        words = [
            "rsync",
            f"--address={address}",
            "--contimeout=20",
            f"rsync://127.0.0.1:{self.port}/",
        ]
        print(f"  {' '.join(words)}", flush=True)
        result = subprocess.run(
            words, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
        )
        for line in (result.stdout + result.stderr).splitlines():
            print(f"    client:  {line}", flush=True)
        return result.returncode == 0

    def expect(self, address: str, message: str, *, served: bool) -> None:
        """A client comes, and it goes as it should."""
        if self.client(address) is not served:
            raise WentWrong(
                f"the client from {address} should {'' if served else 'not '}have been served"
            )
        self.journal.wait(f"{message} {address}")


def free_port() -> int:
    """A loopback port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def wait_until_listening(port: int) -> None:
    """Until systemd-socket-activate has its socket; the kernel is asked, which makes no client."""
    wanted = f":{port:04X} 00000000:0000 0A"
    for _ in range(int(DEADLINE_SECONDS * 50)):
        if wanted in Path("/proc/net/tcp").read_text():
            return
        threading.Event().wait(0.02)
    raise WentWrong(f"nobody listens on port {port}")


def play(show: Show) -> None:
    """The show itself."""
    print(f"\nhosts.allow says {show.allow.read_text()!r}, hosts.deny {show.deny.read_text()!r}.")
    print("\nA client whom the rules admit:")
    show.expect(ADMITTED, "connect from", served=True)
    print("\nOne whom they refuse:")
    show.expect(OTHER, "refused connect from", served=False)
    print(f"\n  echo 'rsync: {OTHER}' >> hosts.allow     (no restart, no reload)")
    with show.allow.open("a") as file:
        file.write(f"rsync: {OTHER}\n")
    print("\nThe same client, at once:")
    show.expect(OTHER, "connect from", served=True)


def stay(show: Show) -> None:
    """Leave it running for whoever wants to try."""
    print(f"\nThe gate stays on 127.0.0.1:{show.port}. Edit {show.allow} and {show.deny}; try")
    print(f"  rsync --address=127.0.0.3 rsync://127.0.0.1:{show.port}/")
    with contextlib.suppress(KeyboardInterrupt):
        print("Ctrl-C ends it.", flush=True)
        signal.pause()


def main() -> int:
    """Run the show; 0 when everything went as it should."""
    parser = argparse.ArgumentParser(prog="packaging/try", description=__doc__.splitlines()[0])
    parser.add_argument("--once", action="store_true", help="end after the show")
    once = parser.parse_args().once
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # cleans up on its way
    folder = Path(tempfile.mkdtemp(prefix="socketgate-try-"))
    try:
        show = Show(folder)
        show.allow.write_text(f"rsync: {ADMITTED}\n")
        show.deny.write_text("rsync: ALL\n")
        with show.running():
            wait_until_listening(show.port)
            play(show)
            if not once:
                stay(show)
    except (WentWrong, subprocess.TimeoutExpired) as error:
        print(f"\nIt went wrong: {error}", file=sys.stderr)
        for log in sorted(folder.glob("*.log")):
            print(f"{log.name}:\n{log.read_text()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        shutil.rmtree(folder)
    print("\nAll as it should be.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
