# SPDX-License-Identifier: MIT
"""The options of hosts_options(5), from a rule file: what client, backend and journal see."""

import contextlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.child import Child
from tests.support.gatestub import read_all
from tests.support.lookups import etc
from tests.support.own_etc import in_own_etc
from tests.support.running import PROJECT, RunningGate, listening
from tests.support.stage import PATIENCE_SECONDS, stage


def test_spawn_has_run_when_the_client_is_served(tmp_path: Path) -> None:
    with stage(tmp_path, allow="ALL: ALL: spawn echo %a %d >DIR/out\n") as on:
        server, client = on.served()
        with server, client:
            assert on.file("out") == "127.0.0.1 sshd\n"


def test_spawn_runs_once_whatever_is_looked_up_after_it(tmp_path: Path) -> None:
    rule = "ALL: ALL: spawn echo a >>DIR/out: aclexec true: spawn echo b >>DIR/out: aclexec true\n"
    with stage(tmp_path, allow=rule) as on:
        server, client = on.served()
        with server, client:
            assert on.file("out") == "a\nb\n"


def test_commands_run_in_the_rules_order(tmp_path: Path) -> None:
    rule = (
        "ALL: ALL: spawn echo 1 >>DIR/out: aclexec echo 2 >>DIR/out: spawn echo 3 >>DIR/out: allow"
    )
    with stage(tmp_path, allow=rule + "\n") as on:
        server, client = on.served()
        with server, client:
            assert on.file("out") == "1\n2\n3\n"


def test_a_failing_spawn_changes_nothing(tmp_path: Path) -> None:
    with stage(tmp_path, allow="ALL: ALL: spawn exit 3\n") as on:
        server, client = on.served()
        with server, client:
            assert on.entry()["SOCKETGATE_OUTCOME"] == "handed-over"


def test_a_spawn_in_the_background_does_not_hold_up_the_client(tmp_path: Path) -> None:
    """It waits for the client to be served: were it waited for, neither would ever happen."""
    os.mkfifo(tmp_path / "go")
    rule = "ALL: ALL: spawn (read line <DIR/go; echo $line >DIR/done) &\n"
    with stage(tmp_path, allow=rule) as on:
        server, client = on.served()
        with server, client:
            os.mkfifo(tmp_path / "done")
            (tmp_path / "go").write_text("went on\n")
            assert on.file("done") == "went on\n"


@pytest.mark.parametrize(
    ("file", "command", "verdict"),
    [("allow", "true", "allow"), ("allow", "false", "deny"), ("allow", "kill -9 $$", "deny"),
     ("deny", "true", "deny"), ("deny", "false", "allow")],
)  # fmt: skip
def test_aclexec_decides(tmp_path: Path, file: str, command: str, verdict: str) -> None:
    deny = {"allow": "ALL: ALL\n", "deny": f"ALL: ALL: aclexec {command}\n"}[file]
    allow = f"ALL: ALL: aclexec {command}\n" if file == "allow" else ""
    with stage(tmp_path, allow=allow, deny=deny) as on, on.client():
        if verdict == "allow":
            on.backend.accept()[0].close()
        assert on.entry()["SOCKETGATE_VERDICT"] == verdict


@pytest.mark.parametrize(
    ("command", "how"),
    [
        ("true", None),
        ("exit 3", "aclexec: exit status 3"),
        ("no-such-command", "aclexec: exit status 127 (not found)"),
        ("kill -9 $$", "aclexec: ended by signal 9"),
    ],
)
def test_the_entry_says_how_an_aclexec_failed(
    tmp_path: Path, command: str, how: str | None
) -> None:
    with stage(tmp_path, deny=f"ALL: ALL: aclexec {command}\nALL: ALL\n") as on, on.client():
        if how is not None:
            on.backend.accept()[0].close()
        assert on.entry().get("SOCKETGATE_LOOKUP") == how


@pytest.mark.parametrize("option", ["aclexec", "spawn"])
@pytest.mark.parametrize("file", ["allow", "deny"])
def test_a_command_past_its_deadline_refuses(tmp_path: Path, option: str, file: str) -> None:
    rule = f"ALL: ALL: {option} sleep 600\n"
    allow, deny = (rule, "") if file == "allow" else ("", rule)
    with stage(tmp_path, allow=allow, deny=deny, seconds=1) as on:
        heard = on.heard()
        entry = on.entry()
    assert (heard, entry["SOCKETGATE_OUTCOME"], entry["SOCKETGATE_LOOKUP"]) == (
        b"",
        "refused",
        f"{option}: passed its deadline and was killed",
    )


def test_at_the_deadline_all_that_the_command_started_is_killed(tmp_path: Path) -> None:
    """The reader of the pipe sees its end when the last of them is gone."""
    os.mkfifo(tmp_path / "held")
    reader = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    rule = "ALL: ALL: spawn (sleep 600; true) >DIR/held & sleep 600 >DIR/held\n"
    try:
        with stage(tmp_path, allow=rule, seconds=1) as on:
            on.heard()
            assert os.read(reader, 1) == b""
    finally:
        os.close(reader)


def test_a_client_that_waits_for_a_command_holds_up_nobody_else(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    rule = "ALL: 127.0.0.2: aclexec read line <DIR/go\nALL: ALL\n"
    with stage(tmp_path, allow=rule) as on:
        address = on.sock.getsockname()
        with socket.create_connection(address, PATIENCE_SECONDS, ("127.0.0.2", 0)) as waiting:
            server, client = on.served()
            with server, client:
                first = on.entry()["SOCKETGATE_CLIENT_ADDR"]
            (tmp_path / "go").write_text("on\n")
            with on.backend.accept()[0] as let_in:
                assert (first, let_in.getpeername()) == ("127.0.0.1", waiting.getsockname())


def test_commands_have_the_null_device_and_no_descriptor_but_theirs(tmp_path: Path) -> None:
    with stage(tmp_path, allow="ALL: ALL: spawn (ls -l /proc/$$/fd >DIR/out); true\n") as on:
        server, client = on.served()
        with server, client:
            open_on = [line.split(" -> ")[1] for line in on.file("out").splitlines()[1:]]
            assert open_on == ["/dev/null"] * 3


def test_twist_talks_to_the_client_in_the_daemons_place(tmp_path: Path) -> None:
    """And is forgotten by the gate and by the runner, or it would not see the end."""
    rule = "ALL: ALL: twist read line; echo got $line; echo err >&2; ls /proc/$$/fd; exit\n"
    with stage(tmp_path, deny=rule) as on:
        with on.client() as client:
            client.sendall(b"hello\n")
            heard = read_all(client)
        entry = on.entry()
    seen = (heard, entry["SOCKETGATE_OUTCOME"], entry["SOCKETGATE_VERDICT"])
    assert seen == (b"got hello\nerr\n0\n1\n2\n", "twisted", "deny")
    assert entry["MESSAGE"].startswith("twist 127.0.0.1 to read line; echo got $line;")


def test_a_runner_that_cannot_be_reached_refuses_and_is_said_once(tmp_path: Path) -> None:
    rule = "ALL: ALL: spawn true\n"
    path = tmp_path / "nobody.sock"
    settings = f'socket = "{path}"\n'
    with stage(tmp_path, allow=rule, settings=settings) as on:
        heard = [on.heard(), on.heard()]
        entry = on.entry(2)
        said = [one for one in on.gate.inbox.entries if "can't be run" in one["MESSAGE"]]
    assert (heard, entry["SOCKETGATE_OUTCOME"], len(said)) == ([b"", b""], "refused", 1)
    assert entry["SOCKETGATE_LOOKUP"].startswith("spawn: the command runner can't be reached: ")


@contextlib.contextmanager
def runner(path: Path, *words: str) -> Iterator[Child]:
    """A command runner that listens on a path."""
    env = {"PATH": os.defpath, "PYTHONPATH": str(PROJECT)}
    words = (sys.executable, "-m", "socketgate", "launch", "--commands", *words)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with listening, (path.with_suffix(".log")).open("wb") as output:
        listening.bind(str(path))
        listening.listen()
        child = Child(words, [("command", listening)], env, output)
    try:
        yield child
    finally:
        child.close()


def test_a_runner_on_a_path_serves(tmp_path: Path) -> None:
    path = tmp_path / "command.sock"
    settings = f'socket = "{path}"\n'
    with (
        runner(path),
        stage(tmp_path, allow="ALL: ALL: spawn echo x >DIR/out\n", settings=settings) as on,
    ):
        server, client = on.served()
        with server, client:
            assert on.file("out") == "x\n"


def option(sock: socket.socket, name: int, size: int) -> bytes:
    return sock.getsockopt(socket.SOL_SOCKET, name, size)


def test_keepalive_and_linger_hold_where_the_client_is_served(tmp_path: Path) -> None:
    with stage(tmp_path, allow="ALL: ALL: keepalive: linger 7\n") as on:
        server, client = on.served()
        with server, client:
            on.entry()
            seen = (option(server, socket.SO_KEEPALIVE, 4), option(server, socket.SO_LINGER, 8))
            assert seen == (struct.pack("i", 1), struct.pack("ii", 1, 7))


@pytest.mark.parametrize("jump", ["allow", "deny"])
def test_severity_is_the_entrys_level_and_facility(tmp_path: Path, jump: str) -> None:
    rule = f"ALL: ALL: severity local3.notice: {jump}\n"
    with stage(tmp_path, allow=rule) as on, on.client():
        if jump == "allow":
            on.backend.accept()[0].close()
        entry = on.entry()
    assert (entry["PRIORITY"], entry["SYSLOG_FACILITY"]) == ("5", "19")


def banner(folder: Path, text: bytes) -> None:
    (folder / "sshd").write_bytes(text)


def test_a_refused_client_reads_the_banner_to_its_end(tmp_path: Path) -> None:
    """Though it has sent what nobody read, which makes the kernel reset a connection."""
    banner(tmp_path, b"\0go away, %c\nline [x\nlast")
    with stage(tmp_path, deny="ALL: ALL: banners DIR\n") as on, on.client() as client:
        client.sendall(b"never read\n" * 100)
        assert read_all(client) == b"\0go away, 127.0.0.1\r\nline [x\nlast"


def test_an_admitted_client_reads_the_banner_first(tmp_path: Path) -> None:
    banner(tmp_path, b"hello\n")
    with stage(tmp_path, allow="ALL: ALL: banners DIR\n") as on:
        server, client = on.served()
        with client:
            with server:
                server.sendall(b"from the backend")
            assert read_all(client) == b"hello\r\nfrom the backend"


def test_a_changed_banner_is_what_the_next_client_reads(tmp_path: Path) -> None:
    banner(tmp_path, b"one\n")
    with stage(tmp_path, deny="ALL: ALL: banners DIR\n") as on:
        first = on.heard()
        banner(tmp_path, b"another\n")
        assert (first, on.heard()) == (b"one\r\n", b"another\r\n")


def test_a_folder_of_banners_that_is_missing_is_said(tmp_path: Path) -> None:
    with stage(tmp_path, deny="ALL: ALL: banners DIR/none\n") as on:
        heard = on.heard()
        on.entry()
        said = [one["MESSAGE"] for one in on.gate.inbox.entries if "banners" in one["MESSAGE"]]
    expected = f"sshd: banners: {tmp_path}/none: No such file or directory"
    assert (heard, said) == (b"", [expected])


def test_what_is_for_the_backends_program_reaches_it(tmp_path: Path) -> None:
    rule = "ALL: ALL: setenv GREETING hi %a: umask 027: nice 2: user nobody.daemon\n"
    path = tmp_path / "exec.sock"
    script = "echo $GREETING; umask; nice; id -un; id -gn"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening_backend:
        listening_backend.bind(str(path))
        listening_backend.listen()
        words = [sys.executable, "-m", "socketgate", "launch", "--", "sh", "-c", script]
        env = {"PATH": os.defpath, "PYTHONPATH": str(PROJECT)}
        with (tmp_path / "launch.log").open("wb") as output:
            child = Child(words, [("x", listening_backend)], env, output)
    with contextlib.closing(child), listening() as sock:
        gate = RunningGate(
            tmp_path,
            [("sshd", sock)],
            allow=rule,
            settings=f'\n[daemon.sshd]\nbackend = "{path}"\n',
        )
        with gate, socket.create_connection(sock.getsockname(), PATIENCE_SECONDS) as client:
            heard = read_all(client).decode().splitlines()
    nice = os.getpriority(os.PRIO_PROCESS, 0) + 2
    assert heard == ["hi 127.0.0.1", "0027", str(nice), "nobody", "daemon"]


#: A name that no DNS name can be, and what is in it.
HOSTILE = "x;touch${IFS}pwned`id`"
CLIENT = "127.0.0.9"


@contextlib.contextmanager
def hostile_ident() -> Iterator[None]:
    """On the client's port 113, whatever it is asked about is the user $(reboot);`id`."""
    words = [sys.executable, "-m", "tests.support.identserver", CLIENT, "113", "shell"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin
        assert server.stdout
        server.stdout.readline()
        yield
        server.stdin.close()


def hostile_scene() -> object:
    """What two commands make of the client's name and user."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rule = f"ALL: ALL: rfc931: spawn echo %n %u >{folder}/out: twist echo %c"
        with hostile_ident(), stage(folder, deny=f"{rule}\n") as on:
            address = on.sock.getsockname()
            with socket.create_connection(address, PATIENCE_SECONDS, (CLIENT, 0)) as client:
                heard = read_all(client).decode()
        return [(folder / "out").read_text(), heard]


def test_what_others_say_of_a_client_reaches_no_shell_uncleaned() -> None:
    """Each byte that means something to a shell has become an underscore."""
    hosts = f"127.0.0.1 localhost\n{CLIENT} {HOSTILE}\n"
    name, user = "x_touch__IFS_pwned_id_", "__reboot___id_"
    seen = in_own_etc(hostile_scene, etc(hosts=hosts))
    assert seen == [f"{name} {user}\n", f"{user}@{name}\n"]
