# SPDX-License-Identifier: MIT
"""What commands of rules have from the options around them: by tcpd with libwrap, and by a gate."""

import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.gatestub import read_all
from tests.support.own_etc import in_own_etc
from tests.support.stage import PATIENCE_SECONDS, stage

#: What a command says: on 1 to the client, where it has it, and into a file.
SAY = "echo ${GREETING-none} $(umask) $(nice) | tee -a DIR/out"

SET = "setenv GREETING hi %a: umask 027: nice 2"

#: Name -> hosts.allow, hosts.deny.
RULES = {
    "spawn": (f"ALL: ALL: {SET}: spawn {SAY}", ""),
    "aclexec": (f"ALL: ALL: {SET}: aclexec {SAY} >/dev/null", ""),
    "twist": ("", f"ALL: ALL: {SET}: twist {SAY}"),
    "before": (f"ALL: ALL: spawn {SAY}: {SET}", ""),
    "in between": (f"ALL: ALL: setenv GREETING a: spawn {SAY}: setenv GREETING b: spawn {SAY}", ""),
    "twice": (f"ALL: ALL: nice 2: umask 077: nice 3: umask 022: spawn {SAY}", ""),
    "empty": (f"ALL: ALL: setenv GREETING: spawn {SAY}", ""),
    "the other file's": (f"ALL: ALL: {SET}: aclexec false", f"ALL: ALL: spawn {SAY}"),
    "deny": (f"ALL: ALL: {SET}: spawn {SAY}: deny", ""),
}


#: Those of the rules that let nobody through to the backend.
REFUSED = ("twist", "deny")


def tcpd_says(rules: tuple[str, str]) -> list[str]:
    """What the client hears and what is in the file, under an /etc of our own."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as server:
        for name, text in zip(("allow", "deny"), rules, strict=True):
            Path("/etc", f"hosts.{name}").write_text(text.replace("DIR", folder) + "\n")
        with socket.create_connection(server.getsockname(), PATIENCE_SECONDS) as client:
            with server.accept()[0] as served:
                subprocess.run(
                    ["/bin/true"],
                    executable="/usr/sbin/tcpd",
                    stdin=served.fileno(),
                    stdout=served.fileno(),
                    check=False,
                )
            return [read_all(client).decode(), Path(folder, "out").read_text()]


def all_by_tcpd() -> object:
    return {name: tcpd_says(rules) for name, rules in RULES.items()}


@pytest.fixture(scope="module")
def by_tcpd() -> object:
    return in_own_etc(all_by_tcpd, {"nsswitch.conf": "hosts: files\n"})


def gate_says(folder: Path, rules: tuple[str, str], *, is_served: bool) -> list[str]:
    allow, deny = (f"{text}\n" for text in rules)
    with stage(folder, allow=allow, deny=deny) as on, on.client() as client:
        if is_served:
            on.backend.accept()[0].close()
        return [read_all(client).decode(), on.file("out")]


@pytest.mark.parametrize("name", RULES)
def test_a_command_has_what_libwrap_s_has(tmp_path: Path, by_tcpd: object, name: str) -> None:
    assert isinstance(by_tcpd, dict)
    served = name not in REFUSED
    assert gate_says(tmp_path, RULES[name], is_served=served) == by_tcpd[name]
