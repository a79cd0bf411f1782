# SPDX-License-Identifier: MIT
import asyncio
import contextlib
import itertools
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from socketgate.command_message import (
    MAX_ANSWER_BYTES,
    STOPPING,
    Ended,
    Job,
    encode_job,
    parse_ended,
)
from socketgate.commandrunner import Runner, command_environment
from socketgate.program import Fields
from socketgate.rules.keyword import CommandKind
from tests.support.descriptors import unwatchable
from tests.support.gatestub import client_pair, read_all
from tests.support.waiting import PATIENCE_SECONDS, Happenings, environment, play

PATH = "/usr/bin:/bin"


class Gate:
    """Plays a gate at one channel of a runner."""

    def __init__(self, runner: Runner) -> None:
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(0)
        self._ids = itertools.count(1)
        self._runner = runner
        runner.serve(theirs)

    def send(
        self,
        command: str,
        *,
        kind: CommandKind = CommandKind.ACLEXEC,
        start: float = 60.0,
        end: float = 60.0,
        client: socket.socket | None = None,
        source: str | None = None,
        inherited: Fields = (),
    ) -> int:
        """Have a command run, for a source of its own; the answer is its number."""
        number = next(self._ids)
        job = Job(
            id=number,
            kind=kind,
            start_seconds=start,
            end_seconds=end,
            command=command.encode(),
            source=(source or f"{number}").encode(),
            inherited=inherited,
        )
        fds = [] if client is None else [client.fileno()]
        socket.send_fds(self.sock, [encode_job(job)], fds)
        return job.id

    async def message(self) -> bytes:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.get_running_loop().sock_recv(self.sock, MAX_ANSWER_BYTES)

    async def answer(self) -> tuple[int, Ended]:
        return parse_ended(await self.message())

    async def run(self, command: str, *, end: float = 60.0) -> Ended:
        """Run it to its end."""
        number = self.send(command, end=end)
        answered, ended = await self.answer()
        assert answered == number
        return ended


Scene = Callable[[Gate, Runner], Awaitable[object]]


def played(scene: Scene, *, max_running: int = 8) -> object:
    """What a scene with a runner and a gate comes to; every command has ended then."""

    async def with_both() -> object:
        reports: list[str] = []
        runner = Runner(
            {b"PATH": PATH.encode()},
            max_running=max_running,
            gate_uids=frozenset({os.geteuid()}),
            report=reports.append,
        )
        gate = Gate(runner)
        try:
            came_to = await scene(gate, runner)
        finally:
            gate.sock.close()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await runner.wait_idle()
            await runner.stop()
        return came_to if not reports else (came_to, reports)

    return play(with_both())


@pytest.mark.parametrize(
    ("command", "status"), [("true", 0), ("exit 3", 3), ("kill -9 $$", -9), ("/no/such", 127)]
)
def test_the_answer_is_how_the_command_ended(command: str, status: int) -> None:
    async def scene(gate: Gate, _runner: Runner) -> object:
        return await gate.run(command)

    assert played(scene) == Ended(status)


def test_a_command_has_the_environment_given(tmp_path: Path) -> None:
    async def scene(gate: Gate, _runner: Runner) -> object:
        await gate.run(f"tr '\\0' '\\n' </proc/self/environ >{tmp_path}/out")
        return (tmp_path / "out").read_text()

    assert f"PATH={PATH}\n" == played(scene)


def test_a_command_leads_a_session_of_its_own(tmp_path: Path) -> None:
    async def scene(gate: Gate, _runner: Runner) -> object:
        await gate.run(f"cat /proc/self/stat >{tmp_path}/out; echo $$ >>{tmp_path}/out")
        stat, pid = (tmp_path / "out").read_text().splitlines()
        fields = stat.rpartition(")")[2].split()
        return {fields[2], fields[3]} == {pid}

    assert played(scene) is True


def test_a_command_with_a_nul_cannot_be_started() -> None:
    async def scene(gate: Gate, _runner: Runner) -> object:
        return (await gate.run("true\0")).status

    assert played(scene) is None


def test_at_the_deadline_the_whole_group_is_killed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "held")
    reader = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)

    async def scene(gate: Gate, _runner: Runner) -> object:
        ended = await gate.run(f"sleep 600 >{tmp_path}/held & sleep 600 >{tmp_path}/held", end=0.2)
        return ended, await asyncio.to_thread(os.read, reader, 1)

    try:
        assert played(scene) == (Ended(None, "passed its deadline and was killed"), b"")
    finally:
        os.close(reader)


def test_what_runs_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")

    async def scene(gate: Gate, _runner: Runner) -> object:
        ended = await gate.run(f"read line <{tmp_path}/go &")
        await asyncio.to_thread((tmp_path / "go").write_text, "go\n")
        return ended

    assert played(scene) == Ended(0)


def test_as_many_run_at_once_as_there_are_places(tmp_path: Path) -> None:
    """Two run; the third has no place in time."""
    for name in ("go1", "go2"):
        os.mkfifo(tmp_path / name)

    async def scene(gate: Gate, _runner: Runner) -> object:
        for name in ("go1", "go2"):
            gate.send(f"read line <{tmp_path}/{name}")
        gate.send("true", start=0.1)
        answers = [await gate.answer()]
        for name in ("go2", "go1"):
            await asyncio.to_thread((tmp_path / name).write_text, "go\n")
            answers.append(await gate.answer())
        return answers

    assert played(scene, max_running=2) == [
        (3, Ended(None, "no place was free in time")),
        (2, Ended(0)),
        (1, Ended(0)),
    ]


def test_one_source_has_no_more_than_its_part_of_the_places(tmp_path: Path) -> None:
    """Of eight, two; who comes from elsewhere waits for nothing."""
    for name in ("go1", "go2"):
        os.mkfifo(tmp_path / name)

    async def scene(gate: Gate, _runner: Runner) -> object:
        for name in ("go1", "go2"):
            gate.send(f"read line <{tmp_path}/{name}", source="a")
        gate.send("true", source="a", start=0.1)
        gate.send("true", source="b")
        answers = dict([await gate.answer(), await gate.answer()])
        for name in ("go1", "go2"):
            await asyncio.to_thread((tmp_path / name).write_text, "go\n")
            await gate.answer()
        return answers

    assert played(scene, max_running=8) == {
        3: Ended(None, "no place was free in time"),
        4: Ended(0),
    }


def test_one_source_has_no_more_than_its_part_of_the_twists() -> None:
    async def scene(gate: Gate, _runner: Runner) -> object:
        with client_pair() as (_near, far):
            for source, start in (("a", 60.0), ("a", 0.1), ("b", 60.0)):
                gate.send("cat", kind=CommandKind.TWIST, client=far, source=source, start=start)
            far.close()
            return dict([await gate.answer() for _ in range(3)])

    no_place = Ended(None, "no place was free in time")
    assert played(scene, max_running=4) == {1: Ended(0), 2: no_place, 3: Ended(0)}


def test_a_place_that_gets_free_is_taken_by_who_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")

    async def scene(gate: Gate, _runner: Runner) -> object:
        gate.send(f"read line <{tmp_path}/go")
        gate.send("exit 7")
        await asyncio.to_thread((tmp_path / "go").write_text, "go\n")
        return [await gate.answer() for _ in range(2)]

    assert played(scene, max_running=1) == [(1, Ended(0)), (2, Ended(7))]


def test_long_twists_take_no_place_from_other_commands() -> None:
    async def scene(gate: Gate, _runner: Runner) -> object:
        with client_pair() as (_near, far):
            gate.send("cat", kind=CommandKind.TWIST, client=far)
            far.close()
            return await gate.answer(), await gate.run("exit 7")

    assert played(scene, max_running=1) == ((1, Ended(0)), Ended(7))


def test_a_twist_is_answered_when_it_runs_and_has_the_client_alone() -> None:
    async def scene(gate: Gate, _runner: Runner) -> object:
        with client_pair() as (near, far):
            gate.send("read line; echo got $line", kind=CommandKind.TWIST, client=far)
            far.close()
            answer = await gate.answer()
            near.sendall(b"it\n")
            return answer, await asyncio.to_thread(read_all, near)

    assert played(scene) == ((1, Ended(0)), b"got it\n")


def test_a_twist_s_client_sees_the_end_when_the_command_has_let_go_of_it(tmp_path: Path) -> None:
    """Though the command runs on: nobody else has a copy."""
    os.mkfifo(tmp_path / "go")

    async def scene(gate: Gate, _runner: Runner) -> object:
        with client_pair() as (near, far):
            command = f"exec <&- >&- 2>&-; read line <{tmp_path}/go"
            gate.send(command, kind=CommandKind.TWIST, client=far)
            far.close()
            heard = await asyncio.to_thread(read_all, near)
            await asyncio.to_thread((tmp_path / "go").write_text, "go\n")
        return heard

    assert played(scene) == b""


def test_a_twist_is_ended_at_its_deadline() -> None:
    async def scene(gate: Gate, _runner: Runner) -> object:
        with client_pair() as (near, far):
            gate.send("cat", kind=CommandKind.TWIST, client=far, end=0.2)
            far.close()
            return await asyncio.to_thread(read_all, near)

    assert played(scene) == b""


def test_a_gate_that_goes_stops_no_command(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")

    async def scene(gate: Gate, _runner: Runner) -> object:
        gate.send(f"read line <{tmp_path}/go; echo done >{tmp_path}/go")
        await asyncio.to_thread((tmp_path / "go").write_text, "go\n")
        gate.sock.close()
        return await asyncio.to_thread((tmp_path / "go").read_text)

    assert played(scene) == "done\n"


def test_a_channel_that_makes_no_sense_is_reported() -> None:
    async def scene(gate: Gate, _runner: Runner) -> object:
        gate.sock.send(b"nonsense")
        return await gate.message()

    said = "a gate sent what no gate sends: not a command: b'nonsense', closing"
    assert played(scene) == (b"", [said])


def test_a_command_has_what_options_before_it_set(tmp_path: Path) -> None:
    async def scene(gate: Gate, _runner: Runner) -> object:
        inherited = ((b"SETENV", b"GREETING=hi"), (b"UMASK", b"0027"), (b"NICE", b"2"))
        gate.send(f"echo $GREETING $(umask) $(nice) >{tmp_path}/out", inherited=inherited)
        await gate.answer()
        return (tmp_path / "out").read_text()

    assert played(scene) == f"hi 0027 {os.nice(0) + 2}\n"


def test_a_command_that_cannot_be_started_leaves_its_place() -> None:
    async def scene(gate: Gate, _runner: Runner) -> object:
        gate.send("true", inherited=((b"UMASK", b"x"),))
        return await gate.answer(), await gate.run("exit 7")

    assert played(scene, max_running=1) == ((1, Ended(None, "bad umask: 'x'")), Ended(7))


def test_whatever_goes_wrong_the_gate_is_answered_and_the_next_command_runs(
    tmp_path: Path,
) -> None:
    """Here the kernel has done away with the child, as SIG_IGN asks for (wait(2))."""
    os.mkfifo(tmp_path / "go")

    async def scene(gate: Gate, _runner: Runner) -> object:
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            gate.send(f"read line <{tmp_path}/go")
            await asyncio.to_thread((tmp_path / "go").write_text, "go\n")
            _, failed = await gate.answer()
        finally:
            signal.signal(signal.SIGCHLD, before)
        return failed, await gate.run("exit 7")

    failed = Ended(None, "the command runner failed; its journal says how")
    match played(scene, max_running=1):
        case (came_to, [report]):
            assert (came_to, "ChildProcessError" in str(report)) == ((failed, Ended(7)), True)
        case came_to:
            pytest.fail(f"{came_to}")


def test_a_runner_that_is_to_stop_says_so_and_answers_what_it_has(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")

    async def scene(gate: Gate, runner: Runner) -> object:
        gate.send(f"read line <{tmp_path}/go; exit 7")
        await asyncio.to_thread((tmp_path / "go").write_text, "go\n")
        stop = asyncio.create_task(runner.stop())
        said = {await gate.message() for _ in range(2)}
        gate.sock.close()
        await stop
        return said

    assert played(scene) == {STOPPING, b"ID=1\nSTATUS=7\n"}


def test_stopping_waits_for_no_twist_and_leaves_it_running() -> None:
    async def scene(gate: Gate, runner: Runner) -> object:
        with client_pair() as (near, far):
            gate.send("read line; echo still here", kind=CommandKind.TWIST, client=far)
            far.close()
            await gate.answer()
            gate.sock.close()
            await runner.stop()
            near.sendall(b"x\n")
            heard = await asyncio.to_thread(read_all, near)
        os.wait()  # left to whoever comes after the runner: here it is us
        return heard

    assert played(scene) == b"still here\n"


@contextlib.contextmanager
def listening(folder: Path) -> Iterator[tuple[socket.socket, str]]:
    path = str(folder / "command.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.bind(path)
        sock.listen()
        yield sock, path


@pytest.mark.parametrize(("uid", "is_served"), [(os.geteuid(), True), (-1, False)])
def test_only_gates_of_the_right_users_are_served(
    tmp_path: Path, uid: int, is_served: bool
) -> None:
    async def scene() -> object:
        reports: Happenings[str] = Happenings()
        runner = Runner({}, max_running=1, gate_uids=frozenset({uid}), report=reports)
        with (
            listening(tmp_path) as (sock, path),
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as gate,
        ):
            runner.listen(sock.dup())
            gate.connect(path)
            gate.settimeout(0)
            with contextlib.suppress(ConnectionError):
                job = Job(
                    id=1, kind=CommandKind.SPAWN, start_seconds=9, end_seconds=9, command=b"true"
                )
                gate.send(encode_job(job))
            async with asyncio.timeout(PATIENCE_SECONDS):
                try:
                    answer = await asyncio.get_running_loop().sock_recv(gate, MAX_ANSWER_BYTES)
                except ConnectionError:
                    answer = b""
            gate.close()
            await runner.stop()
        return answer != b"", len(reports.seen)

    assert play(scene()) == (is_served, 0 if is_served else 1)


def test_what_systemd_says_of_the_runner_is_no_commands_affair() -> None:
    with environment(
        NOTIFY_SOCKET="/x", INVOCATION_ID="1", JOURNAL_STREAM="1:2", LISTEN_FDS="1", GREETING="hi"
    ):
        found = command_environment()
    left = {b"NOTIFY_SOCKET", b"INVOCATION_ID", b"JOURNAL_STREAM", b"LISTEN_FDS"} & found.keys()
    assert (left, found[b"GREETING"]) == (set(), b"hi")


def test_a_command_always_has_a_path() -> None:
    with environment(PATH=None):
        assert command_environment()[b"PATH"].startswith(b"/usr/")


def test_a_socket_that_can_t_be_watched_is_tried_again(tmp_path: Path) -> None:
    job = Job(id=1, kind=CommandKind.SPAWN, start_seconds=9, end_seconds=9, command=b"true")

    async def scene() -> tuple[int, Ended]:
        loop = asyncio.get_running_loop()
        runner = Runner({}, max_running=1, gate_uids=frozenset({os.geteuid()}), report=print)
        with (
            listening(tmp_path) as (sock, path),
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as gate,
        ):
            runner.listen(own := sock.dup())
            loop.remove_reader(own)
            with unwatchable(own):
                runner._accept_again()
            gate.connect(path)
            gate.settimeout(0)
            gate.send(encode_job(job))
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = await loop.sock_recv(gate, MAX_ANSWER_BYTES)
        await runner.stop()
        return parse_ended(answer)

    assert play(scene()) == (1, Ended(0))
