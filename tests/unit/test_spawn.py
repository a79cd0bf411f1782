# SPDX-License-Identifier: MIT
import os
import signal
import socket
from pathlib import Path

import pytest

from socketgate.program import Attributes, CannotStart, Fields
from socketgate.spawn import Command, keep_to_ourselves, start_shell
from tests.support.descriptors import no_free_descriptor
from tests.support.gatestub import client_pair, read_all
from tests.support.waiting import environment

#: Something that posix_spawn(3) can't do.
UMASK = Attributes(umask=0o027)

NOBODY = 65_534

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


def shell_status(command: bytes, attributes: Attributes | None = None) -> int:
    """How a command without a client ends."""
    pid = start_shell(command, SHELL_ENVIRONMENT, None, attributes)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_program_has_the_client_on_0_and_1() -> None:
    assert said(["sh", "-c", "echo out; ls -l /proc/$$/fd/0 | grep -c socket"]) == b"out\n1\n"


def test_its_errors_reach_the_client_only_when_asked_for() -> None:
    words = ["sh", "-c", "echo oops >&2"]
    assert said(words, is_stderr_client=True) == b"oops\n"


@pytest.mark.parametrize("fields", [(), ((b"UMASK", b"0027"),)], ids=["spawned", "forked"])
def test_whatever_we_ignore_a_program_has_each_signal_s_default(fields: Fields) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup(1) does
    try:
        heard = said(["grep", "SigIgn", "/proc/self/status"], *fields)
    finally:
        signal.signal(signal.SIGHUP, before)
    ignored = int(heard.split()[1], 16)  # among them glibc's own two, which have no number for us
    assert [number for number in signal.valid_signals() if ignored & 1 << (number - 1)] == []


def test_attributes_hold_for_the_program_and_not_for_us() -> None:
    before = os.umask(0o022)
    heard = said(["sh", "-c", "umask"], (b"UMASK", b"0027"))
    after = os.umask(before)
    assert (heard, after) == (b"0027\n", 0o022)


def test_what_systemd_told_us_is_not_told_to_programs() -> None:
    with environment(NOTIFY_SOCKET="/x", WATCHDOG_USEC="1", GREETING="hi"):
        heard = said(["sh", "-c", "echo ${NOTIFY_SOCKET-}${WATCHDOG_USEC-}$GREETING"])
    assert heard == b"hi\n"


@pytest.mark.parametrize("fields", [(), ((b"UMASK", b"0027"),)], ids=["spawned", "forked"])
def test_a_variable_that_a_rule_sets_replaces_ours(fields: Fields) -> None:
    with environment(GREETING="hi"):
        heard = said(["env"], (b"SETENV", b"GREETING=ho"), *fields)
    assert [line for line in heard.split() if line.startswith(b"GREETING=")] == [b"GREETING=ho"]


def test_a_program_that_is_not_there_cannot_be_a_command() -> None:
    with pytest.raises(CannotStart, match="no such program"):
        Command(["/no/such/program"])


@pytest.mark.parametrize("fields", [(), ((b"UMASK", b"0027"),)], ids=["spawned", "forked"])
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


@pytest.mark.parametrize("attributes", [None, UMASK], ids=["spawned", "forked"])
def test_a_shell_command_without_a_client_has_the_null_device(
    tmp_path: Path, attributes: Attributes | None
) -> None:
    links = b"/proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2"
    command = b"(readlink %b >%b/out); true" % (links, os.fsencode(tmp_path))
    assert shell_status(command, attributes) == 0
    assert (tmp_path / "out").read_text() == "/dev/null\n" * 3


@pytest.mark.parametrize("attributes", [None, UMASK], ids=["spawned", "forked"])
def test_a_shell_command_with_a_client_has_it_on_0_1_and_2(attributes: Attributes | None) -> None:
    command = b"read x; echo $x; echo e >&2"
    with client_pair() as (near, far):
        pid = start_shell(command, SHELL_ENVIRONMENT, far.fileno(), attributes)
        far.close()
        near.sendall(b"in\n")
        heard = read_all(near)
    os.waitpid(pid, 0)
    assert heard == b"in\ne\n"


@pytest.mark.parametrize("attributes", [None, UMASK], ids=["spawned", "forked"])
def test_a_shell_command_leads_its_session_and_group(attributes: Attributes | None) -> None:
    read_end, write_end = os.pipe()
    command = b"read x </proc/%d/fd/%d" % (os.getpid(), read_end)
    pid = start_shell(command, SHELL_ENVIRONMENT, None, attributes)
    seen = (os.getsid(pid), os.getpgid(pid))
    os.write(write_end, b"\n")
    os.waitpid(pid, 0)
    os.close(read_end)
    os.close(write_end)
    assert seen == (pid, pid)


def test_a_shell_command_has_the_umask_and_the_nice_value_given() -> None:
    command = b"test $(umask)-$(nice) = 0027-%d" % (os.nice(0) + 2)
    assert shell_status(command, Attributes(umask=0o027, nice=2)) == 0


def test_a_shell_command_runs_without_a_nice_value_that_is_not_allowed() -> None:
    """nice(2): only root may ask for more. Here that is nobody in a child."""
    child = os.fork()
    if child == 0:
        os.setresuid(NOBODY, NOBODY, NOBODY)
        os._exit(shell_status(b"exit 7", Attributes(nice=-2)))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


@pytest.mark.parametrize("attributes", [None, UMASK], ids=["spawned", "forked"])
def test_a_command_that_no_shell_can_be_given_cannot_be_started(
    attributes: Attributes | None,
) -> None:
    with pytest.raises(CannotStart, match="null byte"):
        start_shell(b"a\0b", SHELL_ENVIRONMENT, None, attributes)


def test_a_fork_without_a_free_descriptor_cannot_be_started() -> None:
    with no_free_descriptor(), pytest.raises(CannotStart, match="Too many open files"):
        start_shell(b"true", SHELL_ENVIRONMENT, None, UMASK)


def test_what_we_were_started_with_reaches_no_program() -> None:
    near, far = socket.socketpair()
    with near, far:
        far.set_inheritable(True)
        keep_to_ourselves()
        assert far.get_inheritable() is False
