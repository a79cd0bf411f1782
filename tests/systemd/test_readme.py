# SPDX-License-Identifier: MIT
"""README's "sshd behind the gate" and "Backends", word for word on a machine with our package."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.box import Box
from tests.support.netns import ClientHost
from tests.support.packages import PROJECT, PackageManager, packages
from tests.support.roots import make_root

pytestmark = pytest.mark.systemd

README = PROJECT / "README.md"


def blocks(title: str) -> list[str]:
    """A chapter's commands, as they stand there."""
    chapter = README.read_text().split(f"\n## {title}")[1].split("\n## ")[0]
    commands = re.sub(r"(?s)```.*?```", "", chapter)
    return [
        "\n".join(line.removeprefix("    ") for line in block.strip("\n").split("\n"))
        for block in re.findall(r"(?m)((?:^    .*\n)+)", commands)
    ]


def example() -> str:
    """The backend of the chapter "Backends"."""
    found = re.search(r"(?ms)^```python\n(.*?)^```$", README.read_text())
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def box(suite: str) -> Iterator[Box]:
    """A Debian machine with its sshd on port 22 and our package."""
    binds: dict[str | Path, str] = {packages(): "/packages"}
    with Box("readme", root=make_root(suite), bind_ro=binds) as box:
        box.run("ssh-keygen", "-A")
        box.run("systemctl", "enable", "--now", "ssh.service")
        PackageManager(box, "deb", "/packages").install()
        yield box


@pytest.fixture(scope="module")
def client(box: Box) -> Iterator[ClientHost]:
    with ClientHost(box, "10.77.12") as host:
        yield host


def says_hello(client: ClientHost, port: int) -> bool:
    """Whether an sshd answers on this port of the box."""
    words = ("ssh-keyscan", "-T", "10", "-t", "ed25519", "-p", str(port), client.box_address4)
    return "ssh-ed25519" in client.run(*words, check=False).stdout


def messages(box: Box) -> list[str]:
    """The audit lines so far."""
    return [entry["MESSAGE"] for entry in box.journal("SOCKETGATE_DAEMON=sshd")
            if "SOCKETGATE_OUTCOME" in entry]  # fmt: skip


def test_sshd_goes_behind_the_gate_to_port_22_and_away_again(box: Box, client: ClientHost) -> None:
    install, refuse, move, undo, _ = blocks("sshd behind the gate")
    box.shell(install)
    assert says_hello(client, 2222)
    shown = re.findall(r"refused connect from .*", refuse)
    deny = refuse.splitlines()[0].replace("192.0.2.7", client.address4)
    box.shell(deny)
    assert not says_hello(client, 2222)
    assert messages(box)[-1] == shown[0].replace("192.0.2.7", client.address4)
    box.shell(refuse.splitlines()[1].replace("192.0.2.7", client.address4))
    before = len(messages(box))
    box.shell(move)
    assert says_hello(client, 22)
    assert len(messages(box)) == before + 1
    box.shell(undo)
    assert not says_hello(client, 22)
    assert box.shell("ls /etc/systemd/system | grep gate || :") == ""


def test_the_backend_is_served_under_the_usual_umask(box: Box, client: ClientHost) -> None:
    (commands,) = (block for block in blocks("Backends") if "hello" in block)
    *set_up, start = commands.splitlines()
    box.write("/root/hello.py", example())
    box.shell("\n".join(set_up))
    unit = ("--unit=hello", "--property=UMask=0022", "--working-directory=/root")
    box.run("systemd-run", "--quiet", *unit, *start.split())
    ask = f"exec 3<>/dev/tcp/{client.box_address4}/7000 && timeout 30 cat <&3"
    assert client.run("bash", "-c", ask).stdout == f"hello, {client.address4}\n"
