# SPDX-License-Identifier: MIT
"""README's "The first five minutes", word for word: sshd moves behind the gate and back again."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.box import Box
from tests.support.netns import ClientHost
from tests.support.packages import PROJECT, PackageManager, packages
from tests.support.roots import make_root

pytestmark = pytest.mark.systemd

CHAPTER = "## The first five minutes"


def blocks() -> list[str]:
    """The chapter's commands, as they stand there."""
    text = (PROJECT / "README.md").read_text()
    chapter = text.split(f"\n{CHAPTER}\n")[1].split("\n## ")[0]
    return [
        "\n".join(line.removeprefix("    ") for line in block.strip("\n").split("\n"))
        for block in re.findall(r"(?m)((?:^    .*\n)+)", chapter)
    ]


@pytest.fixture(scope="module")
def box(suite: str) -> Iterator[Box]:
    """A Debian machine with its sshd on port 22 and our package, freshly installed."""
    binds: dict[str | Path, str] = {packages(): "/packages"}
    with Box("minutes", root=make_root(suite), bind_ro=binds) as box:
        box.run("ssh-keygen", "-A")
        box.run("systemctl", "enable", "--now", "ssh.service")
        PackageManager(box, "deb", "/packages").install()
        yield box


@pytest.fixture
def client(box: Box) -> Iterator[ClientHost]:
    with ClientHost(box, "10.77.9") as host:
        yield host


def says_hello(client: ClientHost, port: int) -> bool:
    """Whether an sshd answers on this port of the box."""
    words = ("ssh-keyscan", "-T", "10", "-t", "ed25519", "-p", str(port), client.box_address4)
    return "ssh-ed25519" in client.run(*words, check=False).stdout


def through_the_gate(box: Box) -> int:
    """How many clients the gate has handed over so far."""
    return len(box.journal("SOCKETGATE_DAEMON=sshd", "SOCKETGATE_OUTCOME=handed-over"))


def test_sshd_moves_behind_the_gate_and_back_as_the_readme_says(
    box: Box, client: ClientHost
) -> None:
    rules, second_way, move, settle, shut, undo = blocks()

    def run(block: str) -> str:
        connection = f"{client.address4} 40000 {client.box_address4} 22"
        return box.run("sh", "-euc", block, env={"SSH_CONNECTION": connection}).stdout

    assert "granted" in run(rules)
    run(second_way)
    assert (says_hello(client, 22), through_the_gate(box)) == (True, 0)
    assert (says_hello(client, 2222), through_the_gate(box)) == (True, 1)
    run(move)
    assert (says_hello(client, 22), through_the_gate(box)) == (True, 2)
    run(settle)
    assert (says_hello(client, 22), through_the_gate(box)) == (True, 3)
    assert not says_hello(client, 2222)
    assert box.unit("way-back.timer", "ActiveState") == {"ActiveState": "inactive"}
    assert "connect from" in run(shut)
    assert (says_hello(client, 22), through_the_gate(box)) == (True, 4)
    run(undo)
    assert (says_hello(client, 22), through_the_gate(box)) == (True, 4)
    assert box.shell("ls /etc/systemd/system | grep gate || :") == ""


def test_the_way_back_opens_the_old_door(box: Box, client: ClientHost) -> None:
    _, second_way, move, *_ = blocks()
    box.run("sh", "-euc", second_way)
    box.run("sh", "-euc", move)
    assert box.unit("way-back.timer", "ActiveState") == {"ActiveState": "active"}
    before = through_the_gate(box)
    # What the timer does in ten minutes; it says nothing when it is done.
    box.run("systemctl", "start", "way-back.service")
    box.shell("until systemctl --quiet is-active ssh.service; do :; done")
    assert (says_hello(client, 22), through_the_gate(box)) == (True, before)
