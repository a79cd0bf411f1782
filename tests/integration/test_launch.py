# SPDX-License-Identifier: MIT
"""`socketgate launch` starts a program for each client, a bounded number at once."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from socketgate.launcher import MOST_TOGETHER
from tests.support.child import Child
from tests.support.gatestub import GateStub, block, client_pair, read_all
from tests.support.inbox import Inbox

PROJECT = Path(__file__).parents[2]
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(PROJECT)}
PATIENCE_SECONDS = 30.0
LAUNCH = [sys.executable, "-m", "socketgate", "launch"]


class Launching:
    """A running launcher."""

    def __init__(self, child: Child, inbox: Inbox, path: Path, journal: Path) -> None:
        self.child, self.inbox, self.path, self._journal = child, inbox, path, journal

    @property
    def journal(self) -> str:
        return self._journal.read_text()

    def wait_status(self, text: str) -> None:
        self.inbox.wait_state("STATUS", text, PATIENCE_SECONDS)

    def descriptor_count(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self.child.pid}/fd").iterdir())


@contextmanager
def launching(tmp_path: Path, *words: str) -> Iterator[Launching]:
    """`socketgate launch WORDS` on a socket that is passed as systemd does; ready."""
    path, journal = tmp_path / "backend", tmp_path / "journal"
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        listening.bind(str(path))
        listening.listen()
        inbox = Inbox(tmp_path)
        stack.callback(inbox.close)
        env = {**ENVIRONMENT, "NOTIFY_SOCKET": str(inbox.notify_path)}
        with journal.open("wb") as output:
            child = Child([*LAUNCH, *words], [("x", listening)], env, output)
        listening.close()
        stack.callback(child.close)
        inbox.open(child.pidfd)
        inbox.wait_state("READY", "1", PATIENCE_SECONDS)
        yield Launching(child, inbox, path, journal)


def said(tmp_path: Path, words: list[str], *lines: str) -> str:
    """What one client reads from the program."""
    with (
        launching(tmp_path, *words) as launched,
        GateStub.connect(launched.path) as gate,
        client_pair() as (near, far),
    ):
        gate.hand_over(1, far, *lines)
        return read_all(near).decode()


@contextmanager
def connected(launched: Launching) -> Iterator[GateStub]:
    """A gate that has been asked for several clients in a message, as launchers do."""
    with GateStub.connect(launched.path) as gate:
        assert gate.answer() == b"BATCH=%d\n" % MOST_TOGETHER
        yield gate


@contextmanager
def stopped(launched: Launching) -> Iterator[None]:
    """Whatever comes, the launcher sees it afterwards."""
    launched.child.signal(signal.SIGSTOP)
    yield
    launched.child.signal(signal.SIGCONT)


def read_until(gate: GateStub, wanted: bytes) -> None:
    """Several clients may be acknowledged at once: read up to this one's acknowledgement."""
    for _ in range(200):
        if gate.answer() == wanted:
            return
    raise AssertionError(f"no {wanted!r}")


def test_200_clients_are_served_5_at_once(tmp_path: Path) -> None:
    words = ["--max", "5", "--", "sh", "-c", "read line; echo got $line"]
    with (
        launching(tmp_path, *words) as launched,
        connected(launched) as gate,
        ExitStack() as stack,
    ):
        answers = threading.Thread(target=read_until, args=(gate, b"ACK=200\n"))
        answers.start()  # a launcher takes nobody while its gate leaves too many of them unread
        stack.callback(answers.join)
        nears = []
        for number in range(1, 201):
            near, far = stack.enter_context(client_pair())
            near.sendall(b"%d\n" % number)
            gate.hand_over(number, far)
            nears.append(near)
        got = [read_all(near) for near in nears]
    assert got == [b"got %d\n" % number for number in range(1, 201)]


def test_with_all_places_taken_the_next_waits_unacknowledged(tmp_path: Path) -> None:
    with (
        launching(tmp_path, "--max", "2", "--", "cat") as launched,
        connected(launched) as gate,
        ExitStack() as stack,
    ):
        nears = []
        for number in range(1, 4):
            near, far = stack.enter_context(client_pair())
            gate.hand_over(number, far)
            nears.append(near)
        launched.wait_status("all 2 places are taken")
        read_until(gate, b"ACK=2\n")
        gate.sock.settimeout(0)
        with pytest.raises(BlockingIOError):
            gate.answer()
        gate.sock.settimeout(PATIENCE_SECONDS)
        nears[0].shutdown(socket.SHUT_WR)
        assert gate.answer() == b"ACK=3\n"


def test_at_sigterm_what_runs_goes_on_and_what_waits_goes_back(tmp_path: Path) -> None:
    with (
        launching(tmp_path, "--max", "1", "--", "cat") as launched,
        connected(launched) as gate,
        client_pair() as (running, far_running),
        client_pair() as (_, far_waiting),
    ):
        gate.hand_over(1, far_running)
        gate.hand_over(2, far_waiting)
        launched.wait_status("all 1 places are taken")
        launched.child.signal(signal.SIGTERM)
        code = launched.child.wait(PATIENCE_SECONDS)
        running.sendall(b"still there")
        running.shutdown(socket.SHUT_WR)
        seen = (code, gate.answers(2), read_all(running))
    assert seen == (0, [b"ACK=1\n", b""], b"still there")


def test_errors_reach_the_client_when_asked_for(tmp_path: Path) -> None:
    assert said(tmp_path, ["--stderr=client", "--", "sh", "-c", "echo oops >&2"]) == "oops\n"


def test_the_environment_is_the_clients(tmp_path: Path) -> None:
    words = [
        "--",
        "sh",
        "-c",
        "echo $GREETING $REMOTE_ADDR ${NOTIFY_SOCKET-none}${LISTEN_FDS-none}",
    ]
    assert said(tmp_path, words, "SETENV=GREETING=hi") == "hi 127.0.0.1 nonenone\n"


def test_umask_nice_group_and_user_hold_for_the_program(tmp_path: Path) -> None:
    lines = ("UMASK=0027", "NICE=2", "GROUP=daemon", "USER=nobody")
    words = ["--", "sh", "-c", "umask; nice; id -u; id -g"]
    nice = os.getpriority(os.PRIO_PROCESS, 0) + 2
    assert said(tmp_path, words, *lines) == f"0027\n{nice}\n65534\n1\n"


@pytest.mark.parametrize("lines", [(), ("USER=nobody",)], ids=["spawned", "forked"])
def test_a_program_has_no_descriptor_but_its_own(tmp_path: Path, lines: tuple[str, ...]) -> None:
    words = ["--", "sh", "-c", "for fd in /proc/$$/fd/*; do echo ${fd##*/}; done"]
    assert said(tmp_path, words, *lines).split() == ["0", "1", "2", "3"]  # 3: the listing itself


@pytest.mark.parametrize("lines", [(), ("USER=nobody",)], ids=["spawned", "forked"])
def test_a_program_has_the_usual_signals(tmp_path: Path, lines: tuple[str, ...]) -> None:
    ignored = said(tmp_path, ["--", "grep", "SigIgn", "/proc/self/status"], *lines).split()[1]
    ours = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGTERM)
    assert int(ignored, 16) & sum(1 << number - 1 for number in ours) == 0


def test_a_client_whose_program_cannot_be_started_is_refused_alone(tmp_path: Path) -> None:
    with (
        launching(tmp_path, "--", "echo", "hello") as launched,
        connected(launched) as gate,
        client_pair() as (refused, far_refused),
        client_pair() as (served, far_served),
    ):
        gate.hand_over(1, far_refused, "USER=no-such")
        gate.hand_over(2, far_served)
        seen = (gate.answers(2), read_all(refused), read_all(served))
        assert seen == ([b"REFUSE=1\n", b"ACK=2\n"], b"", b"hello\n")


@pytest.mark.parametrize("lines", [(), ("NICE=1",)], ids=["spawned", "niced"])
def test_a_program_that_went_away_refuses_its_clients(
    tmp_path: Path, lines: tuple[str, ...]
) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    with (
        launching(tmp_path, "--", str(program)) as launched,
        connected(launched) as gate,
        client_pair() as (near, far),
    ):
        program.unlink()
        gate.hand_over(1, far, *lines)
        seen = (gate.answer(), read_all(near), "No such file" in launched.journal)
        assert seen == (b"REFUSE=1\n", b"", True)


def test_a_client_the_gate_took_back_is_not_served(tmp_path: Path) -> None:
    with launching(tmp_path, "--", "cat") as launched, client_pair() as (near, far):
        with connected(launched) as gate, stopped(launched):
            gate.hand_over(1, far)
            gate.sock.close()
        assert read_all(near) == b""  # cat itself would wait for us


def test_clients_that_come_together_have_a_program_each(tmp_path: Path) -> None:
    with (
        launching(tmp_path, "--", "sh", "-c", "read line; echo $line $(umask)") as launched,
        connected(launched) as gate,
        ExitStack() as stack,
    ):
        pairs = [stack.enter_context(client_pair()) for _ in range(MOST_TOGETHER)]
        for number, (near, _) in enumerate(pairs):
            near.sendall(b"%d\n" % number)
        masks = ["UMASK=0022", "UMASK=0027"] * (MOST_TOGETHER // 2)
        blocks = [block(1 + i, far, masks[i]) for i, (_, far) in enumerate(pairs)]
        gate.send(b"\n".join(blocks), *[far for _, far in pairs])
        for _, far in pairs:
            far.close()
        got = [read_all(near) for near, _ in pairs]
    assert got == [b"0 0022\n", b"1 0027\n", b"2 0022\n", b"3 0027\n"]


def test_two_gates_are_served(tmp_path: Path) -> None:
    with (
        launching(tmp_path, "--", "true") as launched,
        connected(launched) as one,
        connected(launched) as two,
        client_pair() as (_, far_one),
        client_pair() as (_, far_two),
    ):
        one.hand_over(1, far_one)
        two.hand_over(1, far_two)
        assert (one.answer(), two.answer()) == (b"ACK=1\n", b"ACK=1\n")


def test_no_descriptor_and_no_child_is_left(tmp_path: Path) -> None:
    with (
        launching(tmp_path, "--max", "1", "--", "true") as launched,
        connected(launched) as gate,
    ):
        counts = []
        for number in range(1, 51):
            with client_pair() as (near, far):
                gate.hand_over(number, far)
                gate.answer()
                read_all(near)
            launched.wait_status("takes connections")  # its child has been reaped
            counts.append(launched.descriptor_count())
        assert set(counts[1:]) == {counts[0]}


def test_it_can_listen_on_a_path_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "own"
    inbox = Inbox(tmp_path)
    env = {**ENVIRONMENT, "NOTIFY_SOCKET": str(inbox.notify_path)}
    with ExitStack() as stack:
        stack.callback(inbox.close)
        words = [*LAUNCH, "--listen", str(path), "--", "echo", "hello"]
        child = Child(words, [], env, stack.enter_context((tmp_path / "journal").open("wb")))
        stack.callback(child.close)
        inbox.open(child.pidfd)
        inbox.wait_state("READY", "1", PATIENCE_SECONDS)
        with GateStub.connect(path) as gate, client_pair() as (near, far):
            gate.hand_over(1, far)
            got = read_all(near)
        child.signal(signal.SIGTERM)
        seen = (got, child.wait(PATIENCE_SECONDS), path.exists())
    assert seen == (b"hello\n", 0, False)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        pytest.param(["--", "true"], "no socket was passed", id="no-socket"),
        pytest.param(
            ["--listen", "/no/such/folder/s", "--", "true"], "No such file", id="no-folder"
        ),
        pytest.param(["--", "no-such-program"], "no such program", id="no-program"),
        pytest.param([], "which program?", id="none-named"),
        pytest.param(["--max", "0", "--", "true"], "would start nothing", id="max-0"),
    ],
)
def test_a_start_that_cannot_work_says_why(words: list[str], reason: str) -> None:
    ran = subprocess.run(
        [*LAUNCH, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        cwd=PROJECT,
        check=False,
    )
    assert (ran.returncode, reason in ran.stderr) == (2, True)
