# SPDX-License-Identifier: MIT
"""`match` and `check` as their users run them: the files of /etc, a real name server, a terminal.

Each scene is played in a process with its own /etc and loopback (tests/support/own_etc.py), and
comes back as what the test compares.
"""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

import pytest

from tests.support import commands
from tests.support.dnsserver import DnsServer, reverse
from tests.support.lookups import HASTY, etc
from tests.support.own_etc import in_own_etc

CHECKOUT = Path(__file__).parents[2]
DEADLINE_SECONDS = 60.0
SOCKETGATE = (sys.executable, "-m", "socketgate")

ZONE = {
    **reverse("192.0.2.1", "good.example."),
    "good.example. A": ["192.0.2.250", "192.0.2.1"],
    **reverse("192.0.2.2", "other.example."),
    "liar.example. A": ["192.0.2.2"],
    "bare.example. A": ["192.0.2.3"],
    "two.example. A": ["192.0.2.1", "192.0.2.9"],
}

ALLOW = """\
ALL: good.example
ALL: liar.example, bare.example, nowhere.example
ALL: @trusted @nobody
ALL: dns:bare.example, dns:away.example
"""

MATCHES = {
    "a-name-that-is-looked-up": ("192.0.2.1 --resolve", 0, ["allow:1"]),
    "a-name-that-is-not": ("192.0.2.1", 1, ["deny:1"]),
    "a-name-that-is-given-is-not-looked-up": ("192.0.2.1 --resolve name=x.example", 1, ["deny:1"]),
    "a-name-that-contradicts": ("192.0.2.2 --resolve", 1, ["deny:1"]),
    "an-address-by-a-forward-name": ("192.0.2.3 --resolve", 0, ["allow:4"]),
    "a-netgroup": ("192.0.2.77 name=in.example", 0, ["allow:3"]),
    "a-client-by-name": ("good.example --resolve", 1, ["deny:1", "allow:1"]),
    "a-client-that-has-no-address": ("nowhere.example --resolve", 2, []),
}


class Done(TypedDict):
    """How a command ended."""

    code: int
    out: str
    err: str


def run(*words: str) -> Done:
    result = subprocess.run(
        [*SOCKETGATE, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=DEADLINE_SECONDS,
        env=commands.environment(),
        cwd=CHECKOUT,
    )
    return Done(code=result.returncode, out=result.stdout, err=result.stderr)


def files() -> Mapping[str, str | bytes]:
    return etc(HASTY) | {
        "hosts.allow": ALLOW,
        "hosts.deny": "ALL: ALL\n",
        "netgroup": "trusted (in.example,,)\n",
    }


def matches_scene() -> object:
    with DnsServer(ZONE):
        return {
            name: run("match", "sshd", *words.split(), "--json")
            for name, (words, _, _) in MATCHES.items()
        }


def checks_scene() -> object:
    with DnsServer(ZONE):
        return {"lookups": run("check", "--json"), "no lookups": run("check", "--no-lookups")}


def played(scene: object) -> Mapping[str, Done]:
    """What a scene of commands comes back as."""
    text = json.dumps(scene)
    found: Mapping[str, Done] = json.loads(text)
    return found


@pytest.fixture(scope="module")
def matches() -> Mapping[str, Done]:
    return played(in_own_etc(matches_scene, files(), timeout_seconds=2 * DEADLINE_SECONDS))


@pytest.fixture(scope="module")
def checks() -> Mapping[str, Done]:
    return played(in_own_etc(checks_scene, files(), timeout_seconds=2 * DEADLINE_SECONDS))


@pytest.mark.parametrize("name", MATCHES)
def test_names_are_looked_up_when_it_is_asked_for(name: str, matches: Mapping[str, Done]) -> None:
    done = matches[name]
    _, code, places = MATCHES[name]
    found = json.loads(done["out"] or "[]")
    answers = found if isinstance(found, list) else [found]
    shown = [f"{answer['file']}:{answer['line']}" for answer in answers]
    assert (done["code"], sorted(shown)) == (code, sorted(places)), done


def test_a_client_by_name_has_a_list_of_answers(matches: Mapping[str, Done]) -> None:
    answers = json.loads(matches["a-client-by-name"]["out"])
    assert sorted(answer["addr"] for answer in answers) == ["192.0.2.1", "192.0.2.250"]


def test_a_check_says_which_names_can_never_match(checks: Mapping[str, Done]) -> None:
    found = json.loads(checks["lookups"]["out"])["diagnostics"]
    about = ("name-without-ptr", "unknown-host", "unknown-netgroup")
    assert [
        (one["code"], one["line"], one["column"], one["message"])
        for one in found
        if one["code"] in about
    ] == [
        (
            "name-without-ptr",
            2,
            6,
            "liar.example: of its addresses, 192.0.2.2 is PARANOID: never matches",
        ),
        (
            "name-without-ptr",
            2,
            20,
            "bare.example: of its addresses, 192.0.2.3 is without a name: never matches",
        ),
        ("unknown-host", 2, 34, "nowhere.example: host not found: never matches"),
        ("unknown-netgroup", 3, 15, "nobody: unknown or empty netgroup: matches nobody"),
        ("unknown-host", 4, 24, "away.example: host not found: matches nobody until it is"),
    ]


def test_a_check_asks_nobody_when_it_is_told_so(checks: Mapping[str, Done]) -> None:
    done = checks["no lookups"]
    assert (done["code"], "without-ptr" in done["out"]) == (0, False)


def test_a_line_is_answered_before_the_next_is_sent(tmp_path: Path) -> None:
    (tmp_path / "deny").write_text("ALL: 192.0.2.7\n")
    words = [*SOCKETGATE, "match", "--jsonl", f"--allow={tmp_path}/no", f"--deny={tmp_path}/deny"]
    with subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=commands.environment(),
        cwd=CHECKOUT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        verdicts = []
        for address in ("192.0.2.7", "192.0.2.8"):
            line = json.dumps({"daemon": "sshd", "addr": address}) + "\n"
            process.stdin.write(line.encode())
            process.stdin.flush()
            verdicts.append(json.loads(process.stdout.readline())["verdict"])
        process.stdin.close()
        assert (verdicts, process.wait(DEADLINE_SECONDS)) == (["deny", "allow"], 0)


def test_a_reader_of_answers_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    requests = tmp_path / "requests"
    requests.write_text('{"daemon": "sshd", "addr": "192.0.2.7"}\n' * 1000)
    reading, writing = os.pipe()
    os.close(reading)
    try:
        with requests.open() as file:
            result = subprocess.run(
                [*SOCKETGATE, "match", "--jsonl", f"--allow={tmp_path}/no"],
                stdin=file,
                stdout=writing,
                stderr=subprocess.PIPE,
                check=False,
                timeout=DEADLINE_SECONDS,
                env=commands.environment(),
                cwd=CHECKOUT,
            )
    finally:
        os.close(writing)
    assert (result.returncode, result.stderr) == (0, b"")


def on_a_terminal(*words: str) -> str:
    """What a command shows on a terminal without a pager."""
    outer, inner = pty.openpty()
    try:
        process = subprocess.Popen(
            [*SOCKETGATE, *words],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env=commands.environment({"TERM": "xterm", "SYSTEMD_PAGER": ""}),
            cwd=CHECKOUT,
        )
        os.close(inner)
        shown = b""
        while piece := _read(outer):
            shown += piece
        process.wait(DEADLINE_SECONDS)
    finally:
        os.close(outer)
    return shown.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    """What comes next; nothing when nobody has the other end any more (EIO, pty(7))."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def test_a_denied_client_is_red_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "allow").touch()
    (tmp_path / "deny").write_text("ALL: ALL\n")
    files = [f"--allow={tmp_path}/allow", f"--deny={tmp_path}/deny"]
    shown = on_a_terminal("match", "sshd", "192.0.2.7", *files)
    assert shown.startswith("sshd from 192.0.2.7: \033[0;1;31mdenied\033[0m\n")


def test_an_error_is_red_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "deny").write_text("ALL ALL\n")
    files = [f"--allow={tmp_path}/no", f"--deny={tmp_path}/deny", "--no-lookups"]
    assert "\033[0;1;31m[error: no-colon]\033[0m" in on_a_terminal("check", *files)
