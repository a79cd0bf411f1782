# SPDX-License-Identifier: MIT
"""The real fail2ban and the real sshd behind the gate: wrong passwords end in a ban."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.box import Box
from tests.support.box_package import PROJECT
from tests.support.netns import ClientHost

pytestmark = pytest.mark.systemd

DENY = "/etc/hosts.deny"
SHIPPED = PROJECT / "packaging" / "fail2ban"
PATIENCE_SECONDS = 40.0
POLL_SECONDS = 0.1

#: Two wrong passwords are one too many; no ban ends by itself while a test looks at it.
JAILS = """
[DEFAULT]
backend = systemd
usedns = no
maxretry = 2
findtime = 10m
bantime = 1h
[sshd]
enabled = true
banaction = {action}
[socketgate]
enabled = {is_for_refusals}
"""


class Ends(NamedTuple):
    """The two ends of a connection: each test has a client address of its own."""

    client: str
    server: str

    @classmethod
    def of(cls, host: ClientHost, address: str) -> "Ends":
        host.add_address(address)
        server = host.box_address6 if ":" in address else host.box_address4
        return cls(address.partition("/")[0], server)


@pytest.fixture(scope="module")
def client(box: Box) -> Iterator[ClientHost]:
    """A host whose wrong passwords reach sshd behind the gate."""
    for path in SHIPPED.rglob("*.conf"):
        box.write(f"/etc/fail2ban/{path.relative_to(SHIPPED)}", path.read_text())
    box.run("ssh-keygen", "-A")
    box.write("/etc/ssh/sshd_config", "PasswordAuthentication yes\nUsePAM no\n")
    words = ("--listen", "22", "--install", "--", "/usr/sbin/sshd", "-i")
    box.run("socketgate", "unit", "sshd", *words)
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "start", "socketgate@sshd.socket")
    with ClientHost(box, "10.78.1") as host:
        yield host


@pytest.fixture
def jails(box: Box, request: pytest.FixtureRequest) -> Iterator[str]:
    """fail2ban, with the action that the test names."""
    box.run("rm", "-f", DENY, "/etc/hosts.allow", "/var/lib/fail2ban/fail2ban.sqlite3")
    action, is_for_refusals = request.param
    jails = JAILS.format(action=action, is_for_refusals=is_for_refusals)
    box.write("/etc/fail2ban/jail.d/test.local", jails)
    box.run("systemctl", "start", "fail2ban.service")
    wait_until(lambda: works(box, "fail2ban-client", "ping"))
    yield action
    box.run("systemctl", "stop", "fail2ban.service")
    box.run("socketgate", "unban", "--all", "--ignore-missing")


@pytest.fixture
def ask_wrongly(tmp_path: Path) -> dict[str, str]:
    """An environment in which ssh has a wrong password for every prompt."""
    program = tmp_path / "askpass"
    program.write_text("#!/bin/sh\necho wrong\n")
    program.chmod(0o755)
    return {"SSH_ASKPASS": str(program), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}


def works(box: Box, *words: str) -> bool:
    return box.run(*words, check=False).returncode == 0


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(POLL_SECONDS)


def try_password(client: ClientHost, ends: Ends, env: dict[str, str]) -> str:
    """What ssh says after its one wrong password."""
    options = {
        "NumberOfPasswordPrompts": "1",
        "PreferredAuthentications": "password",
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
        "ConnectTimeout": "20",
    }
    words = [word for item in options.items() for word in ("-o", "=".join(item))]
    command = ("ssh", "-F", "none", "-b", ends.client, *words, f"root@{ends.server}", "true")
    return client.run(*command, check=False, env=env).stderr


def is_admitted(client: ClientHost, ends: Ends) -> bool:
    """Whether sshd greets."""
    program = (
        "import socket, sys\n"
        "server, client = sys.argv[1:]\n"
        "try:\n"
        "    with socket.create_connection((server, 22), 20, (client, 0)) as sock:\n"
        "        print(sock.recv(4))\n"
        "except ConnectionResetError:\n"
        "    print(b'')\n"
    )
    return "SSH-" in client.run("python3", "-c", program, ends.server, ends.client).stdout


@pytest.mark.parametrize(
    ("jails", "address"),
    [
        pytest.param(("socketgate", "false"), "198.51.100.7/32", id="socketgate-IPv4"),
        pytest.param(("socketgate", "false"), "2001:db8:7::7/128", id="socketgate-IPv6"),
        pytest.param(("hostsdeny", "false"), "198.51.100.8/32", id="hostsdeny-IPv4"),
        pytest.param(("hostsdeny", "false"), "2001:db8:8::8/128", id="hostsdeny-IPv6"),
    ],
    indirect=["jails"],
)
@pytest.mark.usefixtures("jails")
def test_wrong_passwords_end_in_a_ban_and_it_ends_again(
    box: Box, client: ClientHost, address: str, ask_wrongly: dict[str, str]
) -> None:
    ends = Ends.of(client, address)
    assert "Permission denied" in try_password(client, ends, ask_wrongly)

    def is_banned_at_last() -> bool:
        """A guesser goes on: journald can't always name an sshd that has ended already."""
        try_password(client, ends, ask_wrongly)
        return not is_admitted(client, ends)

    def is_let_in_again() -> bool:
        """Guesses that fail2ban hadn't read when it banned may count once more."""
        box.run("fail2ban-client", "set", "sshd", "unbanip", ends.client)
        return is_admitted(client, ends)

    wait_until(is_banned_at_last)
    wait_until(is_let_in_again)


@pytest.mark.parametrize("jails", [("socketgate", "true")], indirect=True, ids=["refusals"])
@pytest.mark.usefixtures("jails")
def test_who_is_refused_again_and_again_is_banned(box: Box, client: ClientHost) -> None:
    ends = Ends.of(client, "198.51.100.9/32")
    box.write(DENY, f"sshd: {ends.client}\n")
    for _ in range(10):
        assert not is_admitted(client, ends)

    def is_banned_at_last() -> bool:
        """A client like this one goes on trying, also while fail2ban is still starting."""
        assert not is_admitted(client, ends)
        return works(box, "socketgate", "bans", ends.client)

    wait_until(is_banned_at_last)
    box.write(DENY, "")
    assert not is_admitted(client, ends)
