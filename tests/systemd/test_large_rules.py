# SPDX-License-Identifier: MIT
"""Block lists of many thousand lines, read by a gate in the sandbox of the shipped unit."""

from collections.abc import Iterator

import pytest

from socketgate.compiling import ENDED_SOONER, OOM_SCORE_ADJ
from tests.support.box import Box

pytestmark = pytest.mark.systemd

DENY = "/etc/hosts.deny"
GATE = "socketgate@echod.service"
LINES = 20_000


@pytest.fixture
def messages(box: Box) -> Iterator[list[str]]:
    """What a gate says that starts with a block list and gets another one by a reload."""
    words = ("socketgate", "unit", "echod", "--listen", "7", "--install", "--", "/bin/cat")
    box.run(*words)
    box.run("systemctl", "daemon-reload")
    cursor = box.cursor()
    box.write(DENY, block_list("ALL"))
    box.run("systemctl", "start", "socketgate@echod.socket", GATE)
    box.write(DENY, block_list("echod"))
    box.run("systemctl", "reload", GATE)
    yield [one["MESSAGE"] for one in box.journal(unit=GATE, after_cursor=cursor)]
    box.run("systemctl", "stop", "socketgate@echod.socket", "echod-gated.socket")


def block_list(daemon: str) -> str:
    """So many lines that no gate compiles them by itself."""
    return "".join(f"{daemon}: 10.{n >> 8}.{n & 255}.1\n" for n in range(LINES))


def test_a_large_list_is_compiled_beside_the_gate(messages: list[str]) -> None:
    assert not [text for text in messages if "in the gate itself" in text], messages


def test_the_sandbox_lets_the_child_be_ended_before_the_gate(box: Box) -> None:
    """A command before the gate, in its sandbox, does what the child does; it must not fail."""
    box.run("socketgate", "unit", "scored", "--listen", "9", "--install", "--", "/bin/cat")
    score = f"open('{OOM_SCORE_ADJ}', 'w').write('{ENDED_SOONER}')"
    box.write(
        "/etc/systemd/system/socketgate@scored.service.d/score.conf",
        f'[Service]\nExecStartPre=/usr/bin/python3 -c "{score}"\n',
    )
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "start", "socketgate@scored.socket", "socketgate@scored.service")
    box.run("systemctl", "stop", "socketgate@scored.socket", "scored-gated.socket")
