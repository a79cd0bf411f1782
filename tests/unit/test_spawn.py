# SPDX-License-Identifier: MIT
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from socketgate.program import CannotStart, Fields
from socketgate.spawn import Command, keep_to_ourselves, start_shell
from tests.support.descriptors import no_free_descriptor
from tests.support.forked import NOBODY, as_nobody
from tests.support.gatestub import client_pair, read_all
from tests.support.waiting import environment

#: The ways to start a program.
WAYS = pytest.mark.parametrize(
    "fields",
    [
        pytest.param((), id="posix_spawn"),
        pytest.param(((b"UMASK", b"0027"),), id="umask"),
        pytest.param(((b"USER", b"root"),), id="user"),
        pytest.param(((b"NICE", b"1"),), id="nice"),
    ],
)

SHELL_ENVIRONMENT = {b"PATH": b"/usr/bin:/bin"}


def said(words: list[str], *fields: tuple[bytes, bytes], is_stderr_client: bool = False) -> bytes:
    """What a client reads from a program."""
    command = Command(words, is_stderr_client=is_stderr_client)
    with client_pair() as (near, far):
        pid = command.prepare(fields, far.fileno())()
        far.close()
        heard = read_all(near)
    os.waitpid(pid, 0)
    return heard


def shell_status(command: bytes, umask: int | None = None, nice: int = 0) -> int:
    """How a command without a client ends."""
    pid = start_shell(command, SHELL_ENVIRONMENT, None, umask=umask, nice=nice)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@WAYS
def test_a_program_has_the_client_on_0_and_1(fields: Fields) -> None:
    words = ["sh", "-c", "echo out; ls -l /proc/$$/fd/0 | grep -c socket"]
    assert said(words, *fields) == b"out\n1\n"


@WAYS
def test_its_errors_reach_the_client_when_asked_for(fields: Fields) -> None:
    words = ["sh", "-c", "echo oops >&2"]
    assert said(words, *fields, is_stderr_client=True) == b"oops\n"


@pytest.fixture
def _same_signals_ignored() -> Iterator[None]:
    """For tests that ignore signals, or no longer do."""
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    yield
    for number, handler in before.items():
        if handler is not None and signal.getsignal(number) != handler:
            signal.signal(number, handler)


@pytest.mark.usefixtures("_same_signals_ignored")
@WAYS
def test_whatever_we_ignore_a_program_has_each_signal_s_default(fields: Fields) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup(1) does
    keep_to_ourselves()
    heard = said(["grep", "SigIgn", "/proc/self/status"], *fields)
    ignored = int(heard.split()[1], 16)  # among them glibc's own two, which have no number for us
    assert [number for number in signal.valid_signals() if ignored & 1 << (number - 1)] == []


def own_attributes() -> list[int]:
    """Our umask, nice value, user and groups."""
    umask = os.umask(0)
    os.umask(umask)
    return [umask, os.nice(0), os.getuid(), os.getgid(), *os.getgroups()]


def test_attributes_hold_for_the_program_and_not_for_us() -> None:
    before = own_attributes()
    fields = ((b"UMASK", b"0027"), (b"NICE", b"2"), (b"GROUP", b"daemon"), (b"USER", b"nobody"))
    heard = said(["sh", "-c", "umask; nice; id -u; id -g; id -G"], *fields).decode().split()
    assert heard == ["0027", str(before[1] + 2), str(NOBODY), "1", "1"]
    assert own_attributes() == before


def test_what_systemd_told_us_is_not_told_to_programs() -> None:
    with environment(NOTIFY_SOCKET="/x", WATCHDOG_USEC="1", GREETING="hi"):
        heard = said(["sh", "-c", "echo ${NOTIFY_SOCKET-}${WATCHDOG_USEC-}$GREETING"])
    assert heard == b"hi\n"


@WAYS
def test_a_variable_that_a_rule_sets_replaces_ours(fields: Fields) -> None:
    with environment(GREETING="hi"):
        heard = said(["env"], (b"SETENV", b"GREETING=ho"), *fields)
    assert [line for line in heard.split() if line.startswith(b"GREETING=")] == [b"GREETING=ho"]


def test_a_program_that_is_not_there_cannot_be_a_command() -> None:
    with pytest.raises(CannotStart, match="no such program"):
        Command(["/no/such/program"])


@WAYS
def test_a_program_that_cannot_be_executed_leaves_no_process(
    tmp_path: Path, fields: Fields
) -> None:
    program = tmp_path / "program"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    command = Command([str(program)])
    with client_pair() as (_, far):
        start = command.prepare(fields, far.fileno())
        with pytest.raises(CannotStart, match="No such file"):
            start()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_an_unknown_user_cannot_be_become() -> None:
    command = Command(["true"])
    with pytest.raises(CannotStart, match="unknown user"):
        command.prepare(((b"USER", b"no-such-user"),), 0)


@pytest.mark.parametrize(
    ("command", "status"), [(b"exit 3", 3), (b"kill -9 $$", -9), (b"/no/such", 127)]
)
def test_a_shell_command_ends_as_it_ends(command: bytes, status: int) -> None:
    assert shell_status(command) == status


def test_a_shell_command_without_a_client_has_the_null_device(tmp_path: Path) -> None:
    links = b"/proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2"
    command = b"(readlink %b >%b/out); true" % (links, os.fsencode(tmp_path))
    assert shell_status(command) == 0
    assert (tmp_path / "out").read_text() == "/dev/null\n" * 3


def test_a_shell_command_with_a_client_has_it_on_0_1_and_2() -> None:
    command = b"read x; echo $x; echo e >&2"
    with client_pair() as (near, far):
        pid = start_shell(command, SHELL_ENVIRONMENT, far.fileno())
        far.close()
        near.sendall(b"in\n")
        heard = read_all(near)
    os.waitpid(pid, 0)
    assert heard == b"in\ne\n"


def test_a_shell_command_leads_its_session_and_group() -> None:
    read_end, write_end = os.pipe()
    command = b"read x </proc/%d/fd/%d" % (os.getpid(), read_end)
    pid = start_shell(command, SHELL_ENVIRONMENT, None)
    seen = (os.getsid(pid), os.getpgid(pid))
    os.write(write_end, b"\n")
    os.waitpid(pid, 0)
    os.close(read_end)
    os.close(write_end)
    assert seen == (pid, pid)


def test_a_shell_command_has_the_umask_and_the_nice_value_given() -> None:
    command = b"test $(umask)-$(nice) = 0027-%d" % (os.nice(0) + 2)
    assert shell_status(command, umask=0o027, nice=2) == 0


def test_a_shell_command_runs_without_a_nice_value_that_is_not_allowed() -> None:
    """nice(2): only root may ask for more."""
    assert as_nobody(lambda: str(shell_status(b"exit 7", nice=-2))) == "7"


def test_a_program_that_cannot_become_its_user_is_not_started() -> None:
    command = Command(["sh", "-c", "echo started"])

    def start() -> str:
        with client_pair() as (near, far):
            begin = command.prepare(((b"USER", b"daemon"),), far.fileno())
            with pytest.raises(CannotStart, match="takes root"):
                begin()
            far.close()
            return read_all(near).decode()

    assert as_nobody(start) == ""


def test_a_program_may_become_the_user_that_we_are() -> None:
    def start() -> str:
        return said(["id", "-un"], (b"USER", b"nobody")).decode()

    assert as_nobody(start, groups=[NOBODY]) == "nobody\n"


def test_a_command_that_no_shell_can_be_given_cannot_be_started() -> None:
    with pytest.raises(CannotStart, match="null byte"):
        start_shell(b"a\0b", SHELL_ENVIRONMENT, None)


def test_a_command_without_a_free_descriptor_cannot_be_started() -> None:
    with no_free_descriptor(), pytest.raises(CannotStart, match="Too many open files"):
        start_shell(b"true", SHELL_ENVIRONMENT, None)


@pytest.mark.usefixtures("_same_signals_ignored")
def test_what_we_ignored_ends_us_as_little_as_before() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    keep_to_ourselves()
    signal.raise_signal(signal.SIGHUP)


@pytest.mark.usefixtures("_same_signals_ignored")
def test_what_we_were_started_with_reaches_no_program() -> None:
    near, far = socket.socketpair()
    with near, far:
        far.set_inheritable(True)
        keep_to_ourselves()
        assert far.get_inheritable() is False
