# SPDX-License-Identifier: MIT
"""Under a real systemd, those who need no name don't notice the crowd that waits for theirs."""

import time
from collections.abc import Iterator, Sequence

import pytest

from tests.support.answering import start_visits, told
from tests.support.asking import Asking, asking
from tests.support.box import Box
from tests.support.dnsserver import reverse

pytestmark = pytest.mark.systemd

#: The gate waits for names longer than the test takes.
PATIENT = "[lookups]\nname-seconds = 200\n[limits]\ndecide-seconds = 200\n"

#: Takes clients on a channel and greets them: the least that a backend can do.
GREETER = """\
import socket
from socketgate.backend import Listener

with Listener() as listener:
    while True:
        client, _ = listener.accept()
        with client:
            client.sendall(b"hello")
"""
CROWD_PORT = 8
BY_ADDRESS = [f"198.19.{number // 200}.{number % 200 + 1}" for number in range(1000)]
BY_NAME = [f"198.18.{number}.7" for number in range(11, 211)]


def zone() -> dict[str, Sequence[str]]:
    """Names for those who are let in by name, each of another network."""
    zone: dict[str, Sequence[str]] = {}
    for number, address in enumerate(BY_NAME):
        name = f"client-{number}.crowd.example."
        zone |= {**reverse(address, name), f"{name} A": [address]}
    return zone


@pytest.fixture
def on(box: Box) -> Iterator[Asking]:
    """The gate of `crowd`, with a backend that is fast; the name server knows BY_NAME."""
    box.write("/usr/local/bin/greet", GREETER)
    words = ("--install", f"--listen={CROWD_PORT}", "--resident", "--", "/usr/bin/true")
    box.run("socketgate", "unit", "crowd", *words)
    box.write(
        "/etc/systemd/system/crowd-gated.service.d/greet.conf",
        "[Service]\nType=simple\nExecStart=\nExecStart=/usr/bin/python3 /usr/local/bin/greet\n",
    )
    with asking(box, "10.77.8") as on:
        on.settings(PATIENT)
        on.names.order(records=zone())
        box.shell("systemctl daemon-reload; systemctl start socketgate@crowd.socket")
        yield on


def admit_by_address(on: Asking) -> float:
    """All of them at once; how many seconds until the last one had his greeting."""
    began = time.monotonic()
    with start_visits(on.host, CROWD_PORT, BY_ADDRESS) as visits:
        assert told(visits) == ["hello"] * len(BY_ADDRESS)
    return time.monotonic() - began


def wait_for_waiting(on: Asking, count: int) -> None:
    deadline = time.monotonic() + 60
    while on.waiting("crowd") != count:
        assert time.monotonic() < deadline, f"{on.waiting('crowd')} wait, not {count}"


def test_1000_by_address_are_admitted_while_200_wait_for_a_dead_name_server(
    on: Asking, capsys: pytest.CaptureFixture[str]
) -> None:
    """To those who wait, a server that keeps its answers is dead; later it gives them."""
    on.rules("ALL: 198.19.\nALL: .crowd.example\n")
    asked = len(on.names.order())
    alone = admit_by_address(on)
    on.names.order(held=[key.split()[0] for key in zone() if key.endswith("PTR")])
    with start_visits(on.host, CROWD_PORT, BY_NAME) as by_name:
        on.names.order(wait_asked=asked + 64)
        wait_for_waiting(on, len(BY_NAME))
        beside = admit_by_address(on)
        assert on.waiting("crowd") == len(BY_NAME)
        on.names.order(held=[])
        assert told(by_name) == ["hello"] * len(BY_NAME)
    with capsys.disabled():
        print(f"\n1,000 clients by address: {alone:.2f} s; while 200 wait: {beside:.2f} s")  # noqa: T201  # a figure
