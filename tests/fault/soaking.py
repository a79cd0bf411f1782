# SPDX-License-Identifier: MIT
"""A gate under mixed load for as long as you like: tests/fault/soak --minutes N.

    clients    admitted, refused, asked who they are (ident), gone before they are served
    meanwhile  rules change twice a second, one of two backends is killed every three seconds

All on loopback. Prints what came of the connections, and memory and descriptors of the gate at the
start (memory after a warm-up) and at the end. Exit code 1: a client got a wrong answer, more were
lost than backends killed, or the gate grew.
"""

import argparse
import contextlib
import os
import random
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.child import Child
from tests.support.running import PROJECT, RunningGate, listening

WAIT_SECONDS = 30.0
POLL_SECONDS = 0.05
WARM_UP_SECONDS = 5.0
RULES_SECONDS = 0.5
KILL_SECONDS = 3.0
#: Between two that go at once; without it, they leave no room for others.
GONE_SECONDS = 0.001
#: Who is refused, always; and who is asked by ident, which nobody answers, and admitted.
REFUSED, ASKED = "127.0.0.66", "127.0.0.55"
RESET = struct.pack("ii", 1, 0)
#: What the gate may have more at the end than after the warm-up.
MORE_KIB, MORE_DESCRIPTORS = 4096, 4

BACKEND = """\
import sys
from socketgate.backend import Listener
with Listener(sys.argv[1]) as listener:
    while True:
        client, _ = listener.accept()
        with client:
            try:
                client.sendall(b"hello")
            except OSError:
                pass
"""


@dataclass(frozen=True, slots=True)
class Size:
    """What a gate takes up."""

    memory_kib: int
    descriptors: int

    def __str__(self) -> str:
        return f"{self.memory_kib} KiB, {self.descriptors} descriptors"


class Soak:
    """The load, its surroundings, and the count of what became of it."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self.outcomes: Counter[str] = Counter()
        self.kill_count = self.change_count = self.entry_count = 0
        self._seconds = seconds
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._paths = [folder / "a.sock", folder / "b.sock"]

    def run(self) -> tuple[Size, Size]:
        """All of it; the gate's size before (memory: after the warm-up) and at the end, at rest."""
        with contextlib.ExitStack() as stack:
            port = stack.enter_context(listening())
            journal = stack.enter_context(self._journal())
            backends = [stack.enter_context(contextlib.closing(self._backend(0)))]
            backends.append(stack.enter_context(contextlib.closing(self._backend(1))))
            gate = stack.enter_context(self._gate(port, journal))
            self._wait_served(port)
            at_rest = descriptors_of(gate)
            threads = [threading.Thread(target=self._repeat, args=(one,)) for one in (
                lambda: self._admitted(port, "127.0.0.1"),
                lambda: self._admitted(port, "127.0.0.2"),
                lambda: self._admitted(port, ASKED, "admitted after ident"),
                lambda: self._refused(port),
                lambda: self._gone(port),
                lambda: self._change_rules(gate),
            )]  # fmt: skip
            for thread in threads:
                thread.start()
            try:
                warm_kib = self._watch(gate, backends, stack)
            finally:
                self._end.set()
                for thread in threads:
                    thread.join()
            left = descriptors_in_the_end(gate, at_rest + MORE_DESCRIPTORS)
            first, last = Size(warm_kib, at_rest), Size(memory_of(gate), left)
        return first, last

    def _watch(self, gate: RunningGate, backends: list[Child], stack: contextlib.ExitStack) -> int:
        """Kill backends until the time is up; the gate's memory after the warm-up, in KiB."""
        start = time.monotonic()
        first = None
        while (now := time.monotonic() - start) < self._seconds:
            if first is None and now > min(WARM_UP_SECONDS, self._seconds / 3):
                first = memory_of(gate)
            self._end.wait(min(KILL_SECONDS, self._seconds - now))
            number = self.kill_count % 2
            backends[number].signal(signal.SIGKILL)
            backends[number].wait(WAIT_SECONDS)
            self._paths[number].unlink()
            backends[number] = stack.enter_context(contextlib.closing(self._backend(number)))
            self.kill_count += 1
        return first or memory_of(gate)

    def _gate(self, port: socket.socket, journal: Path) -> RunningGate:
        paths = ", ".join(f'"{path}"' for path in self._paths)
        return RunningGate(
            self.folder,
            [("test", port)],
            allow=f"test: nobody-at-all@{ASKED}\n",
            deny=self._rules(0),
            settings=f"[daemon.test]\nbackend = [{paths}]\n",
            env={"SOCKETGATE_JOURNAL_SOCKET": str(journal)},
        )

    def _backend(self, number: int) -> Child:
        path = self._paths[number]
        env = {"PYTHONPATH": str(PROJECT)}
        with tempfile.TemporaryFile() as output:
            child = Child([sys.executable, "-c", BACKEND, str(path)], [], env, output)
        deadline = time.monotonic() + WAIT_SECONDS
        while not path.exists():
            if time.monotonic() > deadline:
                child.close()
                raise AssertionError("a backend did not start")
        return child

    @contextlib.contextmanager
    def _journal(self) -> Iterator[Path]:
        """Counts entries, and keeps none."""
        path = self.folder / "entries.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.bind(str(path))

            def count() -> None:
                while sock.recv(1 << 18):
                    self.entry_count += 1

            thread = threading.Thread(target=count)
            thread.start()
            try:
                yield path
            finally:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                    last.sendto(b"", str(path))
                thread.join()

    def _repeat(self, visit: Callable[[], None]) -> None:
        while not self._end.is_set():
            visit()

    def _count(self, outcome: str) -> None:
        with self._lock:
            self.outcomes[outcome] += 1

    def _wait_served(self, port: socket.socket) -> None:
        if ask(port, "127.0.0.1") != b"hello":
            raise AssertionError("the first client was not served")

    def _admitted(self, port: socket.socket, source: str, outcome: str = "admitted") -> None:
        answer = ask(port, source)
        self._count({b"hello": outcome, b"": "lost with a backend"}.get(answer, "WRONG"))

    def _refused(self, port: socket.socket) -> None:
        self._count("refused" if ask(port, REFUSED) == b"" else "WRONG")

    def _gone(self, port: socket.socket) -> None:
        with connect(port, "127.0.0.3") as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._count("gone at once")
        self._end.wait(GONE_SECONDS)

    def _rules(self, number: int) -> str:
        others = "".join(f"ALL: 198.51.{number % 250}.{one}\n" for one in range(100))
        return f"{others}test: {REFUSED}\n"

    def _change_rules(self, gate: RunningGate) -> None:
        """In one step, as an editor does."""
        self._end.wait(RULES_SECONDS)
        self.change_count += 1
        new = gate.deny.with_name("new")
        new.write_text(self._rules(random.randrange(250)))  # noqa: S311  # any will do
        new.rename(gate.deny)


def connect(port: socket.socket, source: str) -> socket.socket:
    return socket.create_connection(port.getsockname(), WAIT_SECONDS, (source, 0))


def ask(port: socket.socket, source: str) -> bytes:
    """All that a client is told."""
    with connect(port, source) as client:
        try:
            return client.recv(5, socket.MSG_WAITALL)
        except ConnectionResetError:
            return b""
        except TimeoutError:
            return b"nothing within the time"


def memory_of(gate: RunningGate) -> int:
    """In KiB."""
    status = Path(f"/proc/{gate.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def descriptors_of(gate: RunningGate) -> int:
    return len(os.listdir(f"/proc/{gate.pid}/fd"))  # noqa: PTH208  # only names


def descriptors_in_the_end(gate: RunningGate, most: int) -> int:
    """How many it has when it is done with its clients; more than `most` if that takes too long."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (count := descriptors_of(gate)) > most and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return count


def troubles(soak: Soak, first: Size, last: Size) -> list[str]:
    """What must not be."""
    found = []
    if soak.outcomes["WRONG"]:
        found.append(f"{soak.outcomes['WRONG']} clients got a wrong answer")
    if soak.outcomes["lost with a backend"] > soak.kill_count:
        found.append("more clients were lost than backends killed")
    if last.memory_kib > first.memory_kib + MORE_KIB:
        found.append("memory grew")
    if last.descriptors > first.descriptors + MORE_DESCRIPTORS:
        found.append("descriptors grew")
    return found


def main() -> int:
    """Soak, and say how it was."""
    parser = argparse.ArgumentParser(prog="tests/fault/soak")
    parser.add_argument("--minutes", type=float, default=60.0)
    seconds = 60 * parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), seconds)
        first, last = soak.run()
    lines = [
        f"connections            {soak.outcomes.total()} in {seconds:.0f} s",
        *(f"  {outcome:20} {count}" for outcome, count in soak.outcomes.most_common()),
        f"rules changed          {soak.change_count} times",
        f"backends killed        {soak.kill_count} times",
        f"journal entries        {soak.entry_count}",
        f"at the start           {first}",
        f"at the end             {last}",
    ]
    found = troubles(soak, first, last)
    sys.stdout.write("\n".join([*lines, *(f"BAD: {one}" for one in found)]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    os.chdir(PROJECT)
    sys.exit(main())
