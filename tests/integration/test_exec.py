# SPDX-License-Identifier: MIT
"""`socketgate exec`, started as systemd starts it for Accept=yes, becomes the client's program."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.child import Child
from tests.support.gatestub import GateStub, block, channel, client_pair, read_all

PROJECT = Path(__file__).parents[2]
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(PROJECT)}
EXEC = [sys.executable, "-m", "socketgate", "exec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What was seen of one connection."""

    code: int
    client_read: str
    gate_read: bytes
    journal: str


@contextmanager
def gate_and_child(tmp_path: Path, words: list[str]) -> Iterator[tuple[GateStub, Child, Path]]:
    """`socketgate exec WORDS` with a gate's connection passed as systemd does."""
    journal = tmp_path / "journal"
    with channel() as (gate, backend):
        with journal.open("wb") as output:
            child = Child([*EXEC, *words], [("connection", backend)], ENVIRONMENT, output)
        backend.close()
        try:
            yield gate, child, journal
        finally:
            child.close()


def run_exec(tmp_path: Path, *words: str, lines: tuple[str, ...] = (), sent: bytes = b"") -> Ended:
    """Hand one client over to `socketgate exec WORDS` and see both to the end."""
    with gate_and_child(tmp_path, list(words)) as (gate, child, journal):
        with client_pair() as (near, far):
            near.sendall(sent)
            gate.hand_over(7, far, *lines)
            client_read = read_all(near).decode()
        gate_read = gate.answer()
        return Ended(
            code=child.wait(seconds=30),
            client_read=client_read,
            gate_read=gate_read,
            journal=journal.read_text(),
        )


def said(tmp_path: Path, script: str, *lines: str) -> str:
    """What a shell script tells the client."""
    return run_exec(tmp_path, "--", "sh", "-c", script, lines=lines).client_read


def test_the_program_serves_the_client_and_the_gate_is_told(tmp_path: Path) -> None:
    ended = run_exec(tmp_path, "--", "head", "-c", "5", sent=b"early")
    assert ended == Ended(code=0, client_read="early", gate_read=b"ACK=7\n", journal="")


def test_the_gates_connection_is_closed_before_the_program_runs(tmp_path: Path) -> None:
    with gate_and_child(tmp_path, ["--", "cat"]) as (gate, _, _), client_pair() as (near, far):
        gate.hand_over(7, far)
        seen = gate.answers(2)
        near.sendall(b"alive")
        assert (seen, near.recv(5)) == ([b"ACK=7\n", b""], b"alive")


def test_nothing_but_the_client_and_the_journal_is_open(tmp_path: Path) -> None:
    opened = said(tmp_path, "for fd in /proc/$$/fd/*; do echo ${fd##*/}; done")
    assert opened.split() == ["0", "1", "2", "3"]  # 3: the listing itself


def test_errors_reach_the_client_when_asked_for(tmp_path: Path) -> None:
    ended = run_exec(tmp_path, "--stderr=client", "--", "sh", "-c", "echo oops >&2")
    assert (ended.client_read, ended.journal) == ("oops\n", "")


def test_the_environment_tells_of_the_client_and_not_of_the_handoff(tmp_path: Path) -> None:
    lines = said(tmp_path, "exec env", "REMOTE_HOST=a.example", "SETENV=GREETING=a b").splitlines()
    names = {line.partition("=")[0] for line in lines}
    expected = {"REMOTE_ADDR", "REMOTE_PORT", "REMOTE_HOST", "TCPREMOTEIP", "TCPREMOTEPORT"}
    expected |= {"TCPREMOTEHOST", "TCPLOCALIP", "TCPLOCALPORT", "PROTO", "GREETING"}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == expected | set(ENVIRONMENT)


def test_setenv_reaches_the_program(tmp_path: Path) -> None:
    assert said(tmp_path, 'echo "$GREETING"', "SETENV=GREETING=a 'b' $c") == "a 'b' $c\n"


def test_user_and_its_groups_hold_for_the_program(tmp_path: Path) -> None:
    status = said(tmp_path, "grep -E '^(Uid|Gid|Groups):' /proc/self/status", "USER=nobody")
    assert [line.split() for line in status.splitlines()] == [
        ["Uid:", *["65534"] * 4],
        ["Gid:", *["65534"] * 4],
        ["Groups:", "65534"],
    ]


def test_a_group_alone_leaves_the_user(tmp_path: Path) -> None:
    assert said(tmp_path, "id -u; id -G", "GROUP=daemon") == "0\n1\n"


def test_umask_and_nice_hold_for_the_program(tmp_path: Path) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    assert said(tmp_path, "umask; nice", "UMASK=0027", "NICE=3") == f"0027\n{before + 3}\n"


def test_signals_are_as_a_program_expects_them(tmp_path: Path) -> None:
    ignored = said(tmp_path, "grep SigIgn /proc/self/status").split()[1]
    pipe_and_size = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1
    assert int(ignored, 16) & pipe_and_size == 0


@pytest.mark.parametrize(
    ("words", "line", "reason"),
    [
        pytest.param(["no-such"], "DAEMON=x", "no such program", id="no-program"),
        pytest.param(["true"], "USER=no-such", "unknown user: 'no-such'", id="no-user"),
        pytest.param(["true"], "SETENV=x", "setenv without a name", id="bad-setenv"),
    ],
)
def test_what_cannot_be_started_is_refused(
    tmp_path: Path, words: list[str], line: str, reason: str
) -> None:
    ended = run_exec(tmp_path, "--", *words, lines=(line,))
    seen = (ended.code, ended.client_read, ended.gate_read, reason in ended.journal)
    assert seen == (2, "", b"REFUSE=7\n", True)


@pytest.mark.parametrize(
    ("line", "answered", "said"),
    [
        pytest.param(
            "USER=daemon",
            (2, b"REFUSE=7\n"),
            b"can't apply group or user: Operation not permitted; that takes root",
            id="another-user-refuses",
        ),
        pytest.param(
            "NICE=-5",
            (0, b"ACK=7\n"),
            b"socketgate: nice -5 is left out: Operation not permitted\n",
            id="a-nice-value-is-left-out",
        ),
    ],
)
def test_what_an_unprivileged_process_may_not_become(
    line: str, answered: tuple[int, bytes], said: bytes
) -> None:
    words = ["-c", "exec setpriv --bounding-set=-all --inh-caps=-all --reuid=65534 --clear-groups"]
    with channel() as (gate, backend), client_pair() as (near, far):
        gate.hand_over(7, far, line)
        ran = subprocess.run(
            ["sh", *words[:1], f'{words[1]} "$@"', "sh", *EXEC, "--gate-user=root", "--", "true"],
            stdin=backend.fileno(),
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            cwd=PROJECT,
            check=False,
        )
        backend.close()
        far.close()
        seen = ((ran.returncode, gate.answer()), read_all(near), said in ran.stderr)
    assert seen == (answered, b"", True)


def test_a_program_that_is_no_executable_closes_the_client_and_says_so(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    ended = run_exec(tmp_path, "--stderr=client", "--", str(broken))
    assert (ended.code, ended.client_read, "can't start" in ended.journal) == (2, "", True)


def test_a_connection_may_come_as_standard_input() -> None:
    with channel() as (gate, backend), client_pair() as (near, far):
        gate.hand_over(7, far)
        command = [*EXEC, "--", "echo", "hello"]
        subprocess.run(command, stdin=backend.fileno(), env=ENVIRONMENT, cwd=PROJECT, check=True)
        assert (gate.answer(), read_all(near)) == (b"ACK=7\n", b"hello\n")


def test_a_gate_that_closes_at_once_is_unreachable(tmp_path: Path) -> None:
    with gate_and_child(tmp_path, ["--", "true"]) as (gate, child, _):
        gate.sock.close()
        assert child.wait(seconds=30) == 3


def test_a_client_the_gate_took_back_is_left_alone(tmp_path: Path) -> None:
    words = ["--", "echo", "hello"]
    with gate_and_child(tmp_path, words) as (gate, child, _), client_pair() as (near, far):
        gate.hand_over(7, far)
        gate.sock.close()  # we live on, so the client would be sent elsewhere
        assert (read_all(near), child.wait(seconds=30)) == (b"", 3)


def test_a_broken_message_is_refused(tmp_path: Path) -> None:
    with gate_and_child(tmp_path, ["--", "true"]) as (gate, child, _), client_pair() as (_, far):
        gate.send(block(7, far), far, far)
        assert (gate.answer(), child.wait(seconds=30)) == (b"REFUSE=7\n", 2)


def test_a_gate_of_another_user_may_not_hand_over(tmp_path: Path) -> None:
    """The connection's user is who made it: a child that is nobody."""
    making = (
        "import os, socket, sys; os.setresuid(65534, 65534, 65534);"
        "a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET);"
        "out = socket.socket(fileno=0); socket.send_fds(out, [b'x'], [b.fileno()])"
    )
    ours, theirs = socket.socketpair()
    with ours, theirs:
        subprocess.run([sys.executable, "-c", making], stdin=theirs.fileno(), check=True)
        fd = socket.recv_fds(ours, 1, 1)[1][0]
    with socket.socket(fileno=fd) as backend:
        command = [*EXEC, "--", "true"]
        ran = subprocess.run(
            command,
            stdin=backend.fileno(),
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            cwd=PROJECT,
            check=False,
        )
    assert (ran.returncode, b"may not hand over" in ran.stderr) == (4, True)


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        pytest.param(["--", "true"], 2, "Accept=yes", id="no-connection"),
        pytest.param(["--"], 2, "which program?", id="no-program"),
        pytest.param(["--colour", "--", "true"], 2, "don't know '--colour'", id="unknown-option"),
        pytest.param(["--stderr=loud", "--", "true"], 2, "don't know", id="unknown-value"),
        pytest.param(["--help"], 0, "usage: socketgate exec", id="help"),
    ],
)
def test_a_wrong_command_line_is_told(words: list[str], code: int, reason: str) -> None:
    ran = subprocess.run(
        [*EXEC, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        cwd=PROJECT,
        check=False,
    )
    assert (ran.returncode, reason in ran.stdout + ran.stderr) == (code, True)


def test_the_start_imports_next_to_nothing() -> None:
    """Each connection pays for it."""
    script = "import sys, socketgate.takeover; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, '.'); {script}"]
    ran = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True)
    dear = {"enum", "socket", "dataclasses", "typing", "re", "argparse", "collections", "pathlib"}
    assert dear & set(ran.stdout.split()) == set()
