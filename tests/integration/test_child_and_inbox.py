# SPDX-License-Identifier: MIT
"""The test ground itself: sockets go as sd_listen_fds(3) says, nothing sent is lost."""

import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from tests.support.child import Child, Sockets, StillRuns
from tests.support.inbox import Inbox, NeverCame
from tests.support.running import listening

PASSED = """
import os, socket
print(os.environ["LISTEN_PID"] == str(os.getpid()), os.environ["LISTEN_FDNAMES"])
for fd in range(3, 3 + int(os.environ["LISTEN_FDS"])):
    print(socket.socket(fileno=fd).getsockname()[1])
"""

LISTING = """
import os
with os.scandir("/proc/self/fd") as fds:
    print(*sorted(int(fd.name) for fd in fds if not os.path.isdir(fd.path)))
"""

SENDS = """
import os, socket, struct
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for number in range(50):
    sock.sendto(b"STATUS=%d" % number, os.environ["NOTIFY"])
sock.sendto(b"A=1\\nB\\n" + struct.pack("<Q", 3) + b"x\\ny\\nC=2\\n", os.environ["JOURNAL"])
memfd = os.memfd_create("entry")
os.write(memfd, b"BIG=" + b"x" * 1000000 + b"\\n")
sock.connect(os.environ["JOURNAL"])
socket.send_fds(sock, [b""], [memfd])
"""


@dataclass(frozen=True, slots=True)
class Program:
    """A child and the file it writes to."""

    child: Child
    output: IO[bytes]

    def wait(self) -> str:
        """What it wrote, once it has ended well."""
        assert self.child.wait(30) == 0
        self.output.seek(0)
        return self.output.read().decode()


@contextlib.contextmanager
def python(
    text: str, sockets: Sockets = (), env: Mapping[str, str] | None = None
) -> Iterator[Program]:
    with tempfile.TemporaryFile() as output:
        words = [sys.executable, "-c", text]
        child = Child(words, sockets, {"PATH": os.defpath, **(env or {})}, output)
        try:
            yield Program(child, output)
        finally:
            child.close()


def test_sockets_arrive_in_order_with_their_names_and_for_this_very_process() -> None:
    with listening() as one, listening("::1") as two:
        ports = [sock.getsockname()[1] for sock in (one, two)]
        with python(PASSED, [("one", one), ("two", two)]) as program:
            assert program.wait() == f"True one:two\n{ports[0]}\n{ports[1]}\n"


def test_no_other_descriptor_reaches_the_child() -> None:
    with listening() as sock, socket.socket(), python(LISTING, [("x", sock)]) as program:
        assert program.wait() == "0 1 2 3\n"


def test_a_child_killed_by_a_signal_says_which() -> None:
    with python("import os; os.kill(os.getpid(), 9)") as program:
        assert program.child.wait(30) == -9


def test_a_child_that_does_not_end_is_not_waited_for_forever() -> None:
    with python("import signal; signal.pause()") as program, pytest.raises(StillRuns):
        program.child.wait(0.01)


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    box = Inbox(tmp_path)
    env = {"NOTIFY": str(box.notify_path), "JOURNAL": str(box.journal_path)}
    with python(SENDS, env=env) as program:
        box.open(program.child.pidfd)
        yield box
        program.wait()
        box.close()


def test_every_notification_arrives_though_the_socket_holds_ten(inbox: Inbox) -> None:
    inbox.wait_state("STATUS", "49", 30)
    assert [state["STATUS"] for state in inbox.states] == [str(number) for number in range(50)]


def test_a_value_of_several_lines_is_read(inbox: Inbox) -> None:
    assert inbox.wait_entries(1, {"A": "1"}, 30) == [{"A": "1", "B": "x\ny", "C": "2"}]


def test_an_entry_too_large_for_a_datagram_is_read_from_the_file_that_comes_instead(
    inbox: Inbox,
) -> None:
    inbox.wait_entries(2, {}, 30)
    assert len(inbox.entries[-1]["BIG"]) == 1000000


def test_waiting_ends_with_the_process(inbox: Inbox) -> None:
    with pytest.raises(NeverCame, match="the process ended"):
        inbox.wait_state("STATUS", "50", 30)
