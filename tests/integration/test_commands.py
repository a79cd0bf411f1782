# SPDX-License-Identifier: MIT
"""The commands of rules, from a rule file: what they have, and what one source can take up."""

import contextlib
import os
import socket
import struct
from pathlib import Path

import pytest

from tests.support.gatestub import read_all
from tests.support.stage import PATIENCE_SECONDS, Stage, stage

#: Three options that libwrap carries out in its own process, and what a command sees of them.
SETTINGS = "setenv GREETING hi %a: umask 027: nice 2"
SHOWN = "echo $GREETING $(umask) $(nice)"

#: Twists of one source at once.
MOST = 16


def seen(host: str = "127.0.0.1") -> str:
    return f"hi {host} 0027 {os.nice(0) + 2}\n"


@pytest.mark.parametrize("option", ["spawn", "aclexec"])
def test_a_command_has_what_options_before_it_set(tmp_path: Path, option: str) -> None:
    rule = f"ALL: ALL: {SETTINGS}: {option} {SHOWN} >DIR/out\n"
    with stage(tmp_path, allow=rule, deny="ALL: ALL\n") as on:
        server, client = on.served()
        with server, client:
            assert on.file("out") == seen()


def test_a_twist_has_what_options_before_it_set(tmp_path: Path) -> None:
    with stage(tmp_path, deny=f"ALL: ALL: {SETTINGS}: twist {SHOWN}\n") as on:
        assert on.heard().decode() == seen()


def test_a_command_has_nothing_of_what_comes_after_it(tmp_path: Path) -> None:
    rule = f'ALL: ALL: spawn echo "$GREETING" $(nice) >DIR/out: {SETTINGS}\n'
    with stage(tmp_path, allow=rule) as on:
        server, client = on.served()
        with server, client:
            assert on.file("out") == f" {os.nice(0)}\n"


def test_what_a_rule_of_the_other_file_set_holds_too(tmp_path: Path) -> None:
    """libwrap's process has it still; the first rule doesn't count, as its aclexec failed."""
    allow = "ALL: ALL: setenv GREETING hi: aclexec false\n"
    with stage(tmp_path, allow=allow, deny="ALL: ALL: twist echo $GREETING\n") as on:
        assert on.heard() == b"hi\n"


def test_a_twist_lingers_as_the_rule_says(tmp_path: Path) -> None:
    script = "import socket; s = socket.socket(fileno=0); "
    script += "s.sendall(s.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))"
    (tmp_path / "program").write_text(script)
    rule = "ALL: ALL: linger 7: twist exec python3 DIR/program\n"
    with stage(tmp_path, deny=rule) as on:
        assert on.heard() == struct.pack("ii", 1, 7)


def twisted(on: Stage, host: str) -> socket.socket:
    address = on.sock.getsockname()[:2]
    return socket.create_connection(address, PATIENCE_SECONDS, (host, 0))


def test_the_twists_of_one_source_leave_places_for_others(tmp_path: Path) -> None:
    """Its seventeenth waits until one of them has ended."""
    with (
        stage(tmp_path, deny="ALL: ALL: twist echo hi; exec cat\n") as on,
        contextlib.ExitStack() as stack,
    ):
        first = [stack.enter_context(twisted(on, "127.0.0.2")) for _ in range(MOST)]
        heard = [client.recv(3) for client in first]
        waiting = stack.enter_context(twisted(on, "127.0.0.2"))
        other = stack.enter_context(twisted(on, "127.0.0.3"))
        heard.append(other.recv(3))
        waiting.settimeout(0)
        with pytest.raises(BlockingIOError):
            waiting.recv(3)
        waiting.settimeout(PATIENCE_SECONDS)
        first[0].shutdown(socket.SHUT_WR)
        read_all(first[0])
        assert (heard, waiting.recv(3)) == ([b"hi\n"] * (MOST + 1), b"hi\n")
