# SPDX-License-Identifier: MIT
"""What `socketgate import xinetd` prints is taken by a real systemd, and serves."""

import json
from collections.abc import Iterator

import pytest

from tests.support.box import Box

pytestmark = pytest.mark.systemd

#: What systemd before 255 says to a setting that is there for later ones.
NEWER = "Unknown key 'PollLimitIntervalSec'"

XINETD = """\
defaults
{
    only_from = 127.0.0.1
    log_type = SYSLOG daemon
}
service echo
{
    socket_type = stream
    wait = no
    user = daemon
    group = mail
    nice = 5
    umask = 027
    env = WORDS=a%b$c
    rlimit_files = 100
    flags = IPv4 KEEPALIVE
    server = /usr/bin/env
}
service all-that-has-a-counterpart
{
    type = UNLISTED
    socket_type = stream
    protocol = tcp
    wait = no
    user = root
    group = mail
    port = 34007
    bind = ::1
    v6only = yes
    flags = IPv6 NODELAY KEEPALIVE NAMEINARGS REUSE
    server = /usr/sbin/tcpd
    server_args = /usr/bin/cat -u
    libwrap = catd
    nice = -5
    instances = UNLIMITED
    env += A=1 B=%h$$\\x
    rlimit_as = 512M
    rlimit_cpu = UNLIMITED
    rlimit_data = 64K
    rlimit_rss = UNLIMITED
    rlimit_stack = 8M
    no_access = .example.org 10.0.0.{1,2}
}
broken
"""
#: Connects from an address and prints what the program says of itself.
ASK = """
import socket, sys
with socket.create_connection(("127.0.0.1", 7), 30, (sys.argv[1], 0)) as client:
    print(client.makefile().read())
"""


@pytest.fixture(scope="module")
def imported(box: Box) -> Iterator[Box]:
    """Its files and rules written as they were printed, and its socket started."""
    box.write("/etc/xinetd.conf", XINETD)
    words = ("socketgate", "import", "xinetd", "/etc/xinetd.conf", "--json")
    services = json.loads(box.run(*words, check=False).stdout)
    for file in (file for one in services for file in one["files"]):
        box.write(file["path"], file["text"])
    rules = [rule for one in services for rule in one["rules"]]
    box.write("/etc/hosts.allow", "".join(f"{rule}\n" for rule in rules))
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "start", "socketgate@env.socket")
    yield box
    box.run("systemctl", "stop", "socketgate@env.socket", "env-gated.socket")


def said_to(box: Box, address: str) -> list[str]:
    return box.run("/usr/bin/python3", "-c", ASK, address).stdout.split()


def test_a_client_of_only_from_is_served(imported: Box) -> None:
    assert "REMOTE_ADDR=127.0.0.1" in said_to(imported, "127.0.0.1")


def test_another_client_is_refused(imported: Box) -> None:
    assert said_to(imported, "127.0.0.2") == []


def test_a_variable_arrives_as_it_was_written(imported: Box) -> None:
    assert "WORDS=a%b$c" in said_to(imported, "127.0.0.1")


@pytest.mark.parametrize(
    ("unit", "name", "value"),
    [
        ("env-gated@1.service", "Group", "mail"),
        ("env-gated@1.service", "User", "daemon"),
        ("env-gated@1.service", "Nice", "5"),
        ("env-gated@1.service", "UMask", "0027"),
        ("env-gated@1.service", "LimitNOFILE", "100"),
        ("socketgate@env.socket", "KeepAlive", "yes"),
        ("socketgate@catd.socket", "NoDelay", "yes"),
        ("socketgate@catd.socket", "BindIPv6Only", "ipv6-only"),
        ("catd-gated@1.service", "Nice", "-5"),
        ("catd-gated@1.service", "LimitAS", "536870912"),
        ("catd-gated@1.service", "LimitCPU", "infinity"),
    ],
)
def test_a_setting_is_what_systemd_understood(
    imported: Box, unit: str, name: str, value: str
) -> None:
    assert imported.unit(unit, name) == {name: value}


@pytest.mark.parametrize("name", ["env", "catd"])
def test_systemd_has_nothing_to_say_about_the_units(imported: Box, name: str) -> None:
    units = (f"socketgate@{name}.socket", f"{name}-gated.socket", f"{name}-gated@1.service")
    done = imported.run("systemd-analyze", "verify", "--man=no", *units, check=False)
    said = [line for line in done.stderr.splitlines() if NEWER not in line]
    assert (done.returncode, done.stdout, said) == (0, "", [])
