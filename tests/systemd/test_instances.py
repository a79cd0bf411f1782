# SPDX-License-Identifier: MIT
"""Several gates for one daemon on one port (docs/units.md): rules and bans hold at each."""

from collections.abc import Iterator

import pytest

from tests.support.box import Box
from tests.support.boxrules import entries, install, rules

pytestmark = pytest.mark.systemd

PORT = 7
#: That the kernel gives all of them to one of two gates will not happen: 2 to the power of -63.
COUNT = 64
SECOND = "socketgate@echod-2.socket"
UNITS = {"socketgate@echod.service", "socketgate@echod-2.service"}

SHARED = "[Socket]\nReusePort=yes\n"
OF_SECOND = f"[Socket]\nListenStream={PORT}\nReusePort=yes\nFileDescriptorName=echod\n"

#: So many that a child compiles them (largerules.LARGE_BYTES), none of them for anybody here.
BLOCK_LIST = "".join(f"ALL: 10.{n // 256}.{n % 256}.7\n" for n in range(12_000))

#: Prints what each of so many clients hears.
CLIENTS = """
import socket, sys
for number in range(int(sys.argv[2])):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60) as server:
        try:
            server.sendall(b"hello")
            server.shutdown(socket.SHUT_WR)
            print(server.makefile().read())
        except OSError:  # reset, or no longer connected
            print()
"""


@pytest.fixture(scope="module")
def two_gates(box: Box) -> Iterator[Box]:
    """Two gates for echod, and one launcher that both hand clients to."""
    folder = "/etc/systemd/system"
    box.write(f"{folder}/socketgate@echod.socket.d/shared.conf", SHARED)
    box.write(f"{folder}/{SECOND}.d/listen.conf", OF_SECOND)
    install(box, "echod", PORT, "--resident", "/bin/cat")
    box.run("systemctl", "start", SECOND)
    yield box
    box.run("systemctl", "stop", SECOND, "socketgate@echod.socket")


def heard(box: Box) -> list[str]:
    return box.run("python3", "-c", CLIENTS, str(PORT), str(COUNT)).stdout.splitlines()


def units_of(told: list[dict[str, str]], outcome: str) -> set[str]:
    """The gates that clients with this end came to."""
    return {one["_SYSTEMD_UNIT"] for one in told if one["SOCKETGATE_OUTCOME"] == outcome}


def test_every_client_is_served_by_one_of_two_gates(two_gates: Box) -> None:
    cursor = rules(two_gates)
    assert heard(two_gates) == ["hello"] * COUNT
    assert units_of(entries(two_gates, cursor, COUNT, "echod"), "handed-over") == UNITS


def test_a_changed_rule_holds_at_both_gates(two_gates: Box) -> None:
    cursor = rules(two_gates, deny="echod: 127.\n")
    assert heard(two_gates) == [""] * COUNT
    assert units_of(entries(two_gates, cursor, 2, "echod"), "refused") == UNITS


def test_a_ban_holds_at_both_gates(two_gates: Box) -> None:
    rules(two_gates)
    two_gates.run("socketgate", "ban", "127.0.0.1", "--daemon", "echod")
    assert heard(two_gates) == [""] * COUNT
    two_gates.run("socketgate", "unban", "127.0.0.1", "--daemon", "echod")
    assert heard(two_gates) == ["hello"] * COUNT


def mapped(box: Box, unit: str) -> set[str]:
    """The files with arrays that a gate has in memory; inode and path."""
    pid = box.unit(unit, "MainPID")["MainPID"]
    lines = box.run("cat", f"/proc/{pid}/maps").stdout.splitlines()
    return {" ".join(line.split()[4:]) for line in lines if line.endswith(".arrays")}


def test_gates_with_the_same_large_rules_have_them_in_memory_once(two_gates: Box) -> None:
    rules(two_gates, deny=BLOCK_LIST)
    two_gates.run("systemctl", "start", *UNITS)
    two_gates.run("socketgate", "reload")
    tables = [mapped(two_gates, unit) for unit in sorted(UNITS)]
    assert len(tables[0]) == 1
    assert tables[1] == tables[0]
