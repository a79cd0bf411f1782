# SPDX-License-Identifier: MIT
"""Debian's sshd behind the gate, under a real systemd, with ssh as the client."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.box import Box
from tests.support.commands import Result
from tests.support.netns import ClientHost

pytestmark = pytest.mark.systemd

ALLOW, DENY = "/etc/hosts.allow", "/etc/hosts.deny"


class SshClient:
    """The real ssh on a client's host, with a key that root's account in the box admits."""

    def __init__(self, host: ClientHost, key: Path) -> None:
        self._host = host
        self._key = key

    def run(self, address: str, command: str) -> Result:
        """Run a command through ssh; exit status 255 when there was no session."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "20",
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "IdentityFile": str(self._key),
            "IdentitiesOnly": "yes",
        }
        words = [word for item in options.items() for word in ("-o", "=".join(item))]
        return self._host.run("ssh", "-F", "none", *words, f"root@{address}", command, check=False)


@pytest.fixture(scope="module")
def client_host(box: Box) -> Iterator[ClientHost]:
    with ClientHost(box, "10.77.1") as host:
        yield host


@pytest.fixture(scope="module")
def ssh(box: Box, client_host: ClientHost, tmp_path_factory: pytest.TempPathFactory) -> SshClient:
    """sshd installed behind the gate by the three commands of the README, and a client for it."""
    key = tmp_path_factory.mktemp("ssh") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    box.write("/root/.ssh/authorized_keys", key.with_suffix(".pub").read_text(), mode=0o600)
    box.run("ssh-keygen", "-A")
    box.run("rm", "-f", ALLOW, DENY)
    box.run(
        "socketgate", "unit", "sshd", "--listen", "22", "--install", "--", "/usr/sbin/sshd", "-i"
    )
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "enable", "--now", "socketgate@sshd.socket")
    return SshClient(client_host, key)


@pytest.fixture(params=["IPv4", "IPv6"])
def addresses(request: pytest.FixtureRequest, client_host: ClientHost) -> tuple[str, str]:
    """The box's address and the client's."""
    if request.param == "IPv4":
        return client_host.box_address4, client_host.address4
    return client_host.box_address6, client_host.address6


@pytest.fixture
def no_rules(box: Box) -> Iterator[None]:
    yield
    box.run("rm", "-f", ALLOW, DENY)


def bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


@pytest.mark.usefixtures("no_rules")
def test_a_client_is_refused_and_admitted_as_hosts_deny_changes(
    box: Box, ssh: SshClient, addresses: tuple[str, str]
) -> None:
    server, client = addresses
    before = box.run("systemctl", "show", "-P", "MainPID", "socketgate@sshd.service").stdout
    assert ssh.run(server, "echo in").stdout == "in\n"
    box.append(DENY, f"sshd: {bracketed(client)}\n")
    assert ssh.run(server, "echo in").returncode == 255
    box.run("sed", "-i", "/sshd/d", DENY)
    assert ssh.run(server, "echo in").stdout == "in\n"
    after = box.run("systemctl", "show", "-P", "MainPID", "socketgate@sshd.service").stdout
    assert before in ("0\n", after)


@pytest.mark.usefixtures("no_rules")
def test_the_session_sees_the_real_client(ssh: SshClient, addresses: tuple[str, str]) -> None:
    server, client = addresses
    connection = ssh.run(server, "echo $SSH_CONNECTION").stdout.split()
    assert (connection[0], connection[2], connection[3]) == (client, server, "22")


@pytest.mark.usefixtures("no_rules")
def test_the_journal_has_an_entry_with_all_fields_for_each_connection(
    box: Box, ssh: SshClient, addresses: tuple[str, str]
) -> None:
    server, client = addresses
    shown = client if ":" in client else f"::ffff:{client}"
    box.write(DENY, "")
    cursor = box.cursor()
    assert ssh.run(server, "true").returncode == 0
    box.append(DENY, f"# one line more\nsshd: {bracketed(client)}\n")
    assert ssh.run(server, "true").returncode == 255
    admitted, refused = box.journal("SYSLOG_IDENTIFIER=sshd", "SOCKETGATE_DAEMON=sshd",
                                    after_cursor=cursor)  # fmt: skip
    assert admitted["MESSAGE"] == f"connect from {shown} ({shown})"
    assert refused["MESSAGE"] == f"refused connect from {shown} ({shown})"
    assert (admitted["PRIORITY"], refused["PRIORITY"]) == ("6", "4")
    assert admitted["SOCKETGATE_OUTCOME"] == "handed-over"
    assert refused["SOCKETGATE_OUTCOME"] == "refused"
    assert (admitted["SOCKETGATE_VERDICT"], refused["SOCKETGATE_VERDICT"]) == ("allow", "deny")
    assert (refused["SOCKETGATE_RULE_FILE"], refused["SOCKETGATE_RULE_LINE"]) == (DENY, "2")
    assert "SOCKETGATE_RULE_FILE" not in admitted
    assert admitted["MESSAGE_ID"] != refused["MESSAGE_ID"]
    for entry in (admitted, refused):
        assert entry["_SYSTEMD_UNIT"] == "socketgate@sshd.service"
        assert entry["SYSLOG_FACILITY"] == "3"
        assert entry["SOCKETGATE_CLIENT_ADDR"] == client
        assert entry["SOCKETGATE_SERVER_ADDR"] == server
        assert entry["SOCKETGATE_SERVER_PORT"] == "22"
        for field in ("ID", "CLIENT_PORT", "RULES_GENERATION", "USEC"):
            assert entry[f"SOCKETGATE_{field}"].isdecimal()


@pytest.mark.usefixtures("no_rules")
def test_a_reload_with_an_error_keeps_the_rules_and_says_so(box: Box, ssh: SshClient) -> None:
    server = ssh._host.box_address4
    assert ssh.run(server, "true").returncode == 0
    cursor = box.cursor()
    box.write(DENY, "ALL: 0.0.0.0/0\n")
    assert ssh.run(server, "true").returncode == 0
    said = [
        entry["MESSAGE"]
        for entry in box.journal(unit="socketgate@sshd.service", after_cursor=cursor)
        if "keeping the previous rules" in entry["MESSAGE"]
    ]
    assert len(said) == 1
    assert said[0].startswith("/etc/hosts.deny:1:")
    assert "hosts.deny:1" in box.unit("socketgate@sshd.service", "StatusText")["StatusText"]
