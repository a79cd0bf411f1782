# SPDX-License-Identifier: MIT
"""The launcher's loop with real gates and children; by the command line: test_launch.py."""

import contextlib
import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from socketgate.backend import Offer, Receiver
from socketgate.backend.sockets import open_path
from socketgate.launcher import STOPPING_SIGNALS, Launcher, Prepare, Signals
from socketgate.notify import Notifier
from socketgate.program import CannotStart
from socketgate.spawn import Start
from tests.support.gatestub import GateStub, client_pair

PATIENCE_SECONDS = 20
PATIENCE_MS = 1000 * PATIENCE_SECONDS


def stop_us() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


class Stage:
    """A launcher, the gate at its door, and what was said."""

    def __init__(self, folder: Path) -> None:
        self.receiver = Receiver(open_path(folder / "backend"))
        self.gate = GateStub.connect(folder / "backend")
        self.reports: list[str] = []
        self.states: list[str] = []
        self.pids: list[int] = []

    def run(self, prepare: Prepare, *, max_running: int = 4) -> None:
        """Until it is told to stop."""
        Launcher(
            self.receiver,
            prepare,
            max_running=max_running,
            report=self.reports.append,
            notifier=Notifier(self.states.append),
        ).run()

    def starter(self, then: Callable[[], None]) -> Prepare:
        """Starts a program that goes on for as long as its client."""

        def prepare(offer: Offer) -> Start:
            return lambda: start(offer.fd)

        def start(fd: int) -> int:
            actions = [(os.POSIX_SPAWN_DUP2, fd, 0), (os.POSIX_SPAWN_DUP2, fd, 1)]
            pid = os.posix_spawn("/bin/cat", ["cat"], {}, file_actions=actions)
            self.pids.append(pid)
            then()
            return pid

        return prepare

    def close(self) -> None:
        self.gate.sock.close()
        self.receiver.close()
        for pid in self.pids:
            with contextlib.suppress(ChildProcessError):  # the launcher has seen its end
                os.waitpid(pid, 0)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()


def test_a_client_is_taken_over_before_its_program_can_read(stage: Stage) -> None:
    answers: list[bytes] = []

    def see_then_stop() -> None:
        answers.append(stage.gate.answer())
        stop_us()

    with client_pair() as (_, far):
        stage.gate.hand_over(1, far)
        stage.run(stage.starter(see_then_stop))
    assert answers == [b"ACK=1\n"]


def test_a_client_whose_gate_took_it_back_has_no_program(stage: Stage) -> None:
    def prepare(offer: Offer) -> Start:
        stage.gate.sock.close()
        stop_us()
        return stage.starter(lambda: None)(offer)

    with client_pair() as (_, far):
        stage.gate.hand_over(1, far)
        stage.run(prepare)
    assert stage.pids == []


def test_a_client_has_its_program(stage: Stage) -> None:
    with client_pair() as (near, far):
        stage.gate.hand_over(1, far)
        stage.run(stage.starter(stop_us))
        near.sendall(b"alive")
        assert (stage.gate.answer(), near.recv(5)) == (b"ACK=1\n", b"alive")


def test_the_service_manager_is_told_from_start_to_stop(stage: Stage) -> None:
    with client_pair() as (_, far):
        stage.gate.hand_over(1, far)
        stage.run(stage.starter(stop_us))
    first, *_, last = stage.states
    assert first.startswith("READY=1")
    assert "STOPPING=1" in last
    assert "1 programs go on by themselves" in last


def test_a_client_whose_program_can_not_be_started_is_refused(stage: Stage) -> None:
    def prepare(_offer: Offer) -> Start:
        stop_us()
        raise CannotStart("unknown user: nosuch")

    with client_pair() as (_, far):
        stage.gate.hand_over(1, far)
        stage.run(prepare)
        assert stage.gate.answer() == b"REFUSE=1\n"
    assert stage.reports == ["refused a client: unknown user: nosuch"]


def test_a_client_whose_program_is_gone_is_closed(stage: Stage) -> None:
    def start() -> int:
        stop_us()
        raise CannotStart("/none: No such file or directory")

    with client_pair() as (near, far):
        stage.gate.hand_over(1, far)
        far.close()
        stage.run(lambda _offer: start)
        assert (stage.gate.answer(), near.recv(1)) == (b"ACK=1\n", b"")
    assert stage.reports == [
        "closed a client that was taken over: /none: No such file or directory"
    ]


def test_who_finds_all_places_taken_goes_back_at_the_stop(stage: Stage) -> None:
    with client_pair() as (_, first), client_pair() as (_, second):
        stage.gate.hand_over(1, first)
        stage.gate.hand_over(2, second)
        stage.run(stage.starter(stop_us), max_running=1)
        assert [stage.gate.answer(), stage.gate.answer()] == [b"ACK=1\n", b""]


def test_a_program_that_ended_makes_room_for_the_next(stage: Stage) -> None:
    nears: list[socket.socket] = []

    def end_or_stop() -> None:
        if len(stage.pids) == 1:
            nears[0].close()  # and so its program ends
        else:
            stop_us()

    with client_pair() as (one, first), client_pair() as (_, second):
        nears.append(one)
        stage.gate.hand_over(1, first)
        stage.gate.hand_over(2, second)
        stage.run(stage.starter(end_or_stop), max_running=1)
        assert stage.gate.answers(2) == [b"ACK=1\n", b"ACK=2\n"]


@pytest.mark.parametrize("number", sorted(STOPPING_SIGNALS))
def test_a_signal_to_stop_is_seen_and_changes_nothing_afterwards(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with contextlib.closing(Signals()) as signals:
        poll = select.poll()
        poll.register(signals, select.POLLIN)
        os.kill(os.getpid(), number)
        assert signals.stop(poll.poll(PATIENCE_MS))
    assert signal.getsignal(number) is before


def test_without_a_signal_there_is_nothing_to_stop_for() -> None:
    with contextlib.closing(Signals()) as signals:
        assert not signals.stop([])


def test_the_end_of_a_child_is_no_reason_to_stop() -> None:
    with contextlib.closing(Signals()) as signals:
        signals.tell_children(wanted=True)
        poll = select.poll()
        poll.register(signals, select.POLLIN)
        pid = os.posix_spawn("/bin/true", ["true"], {})
        ready = poll.poll(PATIENCE_MS)
        os.waitpid(pid, 0)
        assert (bool(ready), signals.stop(ready)) == (True, False)


def test_clients_that_came_together_are_acknowledged_together(stage: Stage) -> None:
    def stop_at_the_second() -> None:
        if len(stage.pids) == 2:
            stop_us()

    with client_pair() as (_, first), client_pair() as (_, second):
        stage.gate.hand_over(1, first)
        stage.gate.hand_over(2, second)
        stage.run(stage.starter(stop_at_the_second))
        assert [stage.gate.answer(), stage.gate.answer()] == [b"ACK=2\n", b""]


def test_who_is_ready_is_acknowledged_though_the_next_can_not_be_started(stage: Stage) -> None:
    prepare_first = stage.starter(lambda: None)
    ready: list[Offer] = []

    def prepare(offer: Offer) -> Start:
        if not ready:
            ready.append(offer)
            return prepare_first(offer)
        stop_us()
        raise CannotStart("unknown user: nosuch")

    with client_pair() as (_, first), client_pair() as (_, second):
        stage.gate.hand_over(1, first)
        stage.gate.hand_over(2, second)
        stage.run(prepare)
        assert stage.gate.answers(2) == [b"REFUSE=2\n", b"ACK=1\n"]


def test_of_clients_that_came_together_two_are_started_at_once(stage: Stage) -> None:
    both = threading.Barrier(2, timeout=PATIENCE_SECONDS)

    def meet_then_stop() -> None:
        both.wait()
        stop_us()

    with client_pair() as (_, first), client_pair() as (_, second):
        stage.gate.hand_over(1, first)
        stage.gate.hand_over(2, second)
        stage.run(stage.starter(meet_then_stop))
    assert len(stage.pids) == 2
