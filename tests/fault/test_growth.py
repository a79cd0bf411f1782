# SPDX-License-Identifier: MIT
"""What happens again and again leaves nothing in the gate's memory."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running import RunningGate, listening

#: The rules of each change.
LINES = 20
WARM_UP, CHANGES = 100, 1000
#: What the allocator may keep of what it had, in KiB: half a KiB for each change.
FEW_KIB = 512


@pytest.fixture
def port() -> Iterator[socket.socket]:
    with listening() as sock:
        yield sock


def memory_kib(gate: RunningGate) -> int:
    """What is the gate's alone: proc(5), smaps_rollup."""
    text = Path(f"/proc/{gate.pid}/smaps_rollup").read_text()
    lines = dict(line.split(":", 1) for line in text.splitlines()[1:])
    return int(lines["Private_Dirty"].split()[0])


def change_rules(gate: RunningGate, number: int) -> None:
    """And wait until they are in force; a hangup spares the wait until it is quiet."""
    lines = (
        f"d{number}: 198.51.{number % 250}.{one}, n{one}.example.org\n" for one in range(LINES)
    )
    new = gate.deny.with_name("new")
    new.write_text("".join(lines))
    new.rename(gate.deny)
    gate.signal(signal.SIGHUP)
    gate.wait_status(f"generation {number + 1}:")


def test_a_thousand_changes_of_the_rules_leave_nothing_behind(
    tmp_path: Path, port: socket.socket
) -> None:
    """Tables hang together in circles; one that the collector was told to pass over stayed."""
    with RunningGate(tmp_path, [("test", port)]) as gate:
        for number in range(1, WARM_UP + 1):
            change_rules(gate, number)
        before = memory_kib(gate)
        for number in range(WARM_UP + 1, WARM_UP + CHANGES + 1):
            change_rules(gate, number)
        assert memory_kib(gate) <= before + FEW_KIB
