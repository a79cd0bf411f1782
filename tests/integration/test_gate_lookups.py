# SPDX-License-Identifier: MIT
"""What lookups mean for the clients of a running gate: who waits, who doesn't, and by what rules.

Each scene is played in a process with its own /etc, loopback and name server (own_etc.py).
"""

import contextlib
import os
import select
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection, socket

import pytest

from socketgate.backend import Listener
from tests.support.dnsserver import DnsServer, reverse
from tests.support.inbox import Fields
from tests.support.lookups import DEADLINE_SECONDS, etc
from tests.support.own_etc import in_own_etc
from tests.support.running import RunningGate, listening

pytestmark = pytest.mark.integration

GOOD, SLOW = "127.0.1.1", "127.0.2.1"
ZONE = {
    **reverse(GOOD, "good.example."),
    "good.example. A": [GOOD],
    **reverse(SLOW, "slow.example."),
    "slow.example. A": [SLOW],
}
SLOW_QUESTION = "1.2.0.127.in-addr.arpa. PTR"

#: A gate that waits for names as long as the tests do.
PATIENT = "name-seconds = 100"


@dataclass(frozen=True, slots=True)
class Scene:
    """A gate for `named`, and the name server it asks."""

    gate: RunningGate
    port: socket
    server: DnsServer

    def client(self, address: str) -> socket:
        """One that has connected and says nothing."""
        return create_connection(self.port.getsockname(), DEADLINE_SECONDS, (address, 0))

    def entry(self, address: str, count: int = 1) -> Fields:
        """The latest of so many entries about clients from there."""
        return self.gate.wait_entries(count, SOCKETGATE_CLIENT_ADDR=address)[-1]

    def visit(self, address: str, count: int = 1) -> Fields:
        """A client comes from there, as the one of this number, and is decided."""
        with self.client(address):
            return self.entry(address, count)


@contextlib.contextmanager
def backend(path: Path) -> Iterator[None]:
    """One that takes over every client and hangs up."""
    stop, stopper = os.pipe()

    def serve(listener: Listener) -> None:
        while stop not in select.select([listener.fileno(), stop], [], [])[0]:
            with contextlib.suppress(BlockingIOError), listener.accept()[0]:
                pass

    with Listener(path) as listener:
        listener.settimeout(0)
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        try:
            yield
        finally:
            os.close(stopper)
            server.join()
            os.close(stop)


@contextlib.contextmanager
def scene(rules: str, *, held: str = "", settings: str = PATIENT) -> Iterator[Scene]:
    """Who is not let in by `rules` is refused. Answers about `held` wait."""
    with (
        tempfile.TemporaryDirectory() as name,
        DnsServer(ZONE) as server,
        listening() as port,
        backend(Path(name, "backend.sock")),
        RunningGate(
            Path(name),
            [("named", port)],
            allow=rules,
            deny="ALL: ALL\n",
            settings=f'[daemon.named]\nbackend = "{name}/backend.sock"\n[lookups]\n{settings}\n',
        ) as gate,
    ):
        server.held.update({held} - {""})
        yield Scene(gate, port, server)


def verdict(entry: Fields) -> list[str]:
    """What the rules said, and what the lookups had to say."""
    return [entry["SOCKETGATE_VERDICT"], entry.get("SOCKETGATE_LOOKUP", "")]


def rules_changed_scene() -> object:
    with scene("ALL: .example\n", held="slow.example.") as on, on.client(SLOW):
        on.server.wait_asked(2)
        on.gate.allow.write_text("ALL: .elsewhere\n")
        after = on.visit(GOOD)
        on.server.release()
        return [verdict(on.entry(SLOW)), verdict(after)]


def test_rules_that_change_while_a_client_waits_concern_those_who_come_later() -> None:
    assert in_own_etc(rules_changed_scene, etc()) == [["allow", ""], ["deny", ""]]


def hosts_changed_scene() -> object:
    with scene("ALL: slow.example\n", held="slow.example.") as on, on.client(SLOW):
        on.server.wait_asked(2)
        Path("/etc/hosts").write_text(f"{SLOW} other.example\n")
        second = on.visit(SLOW)
        on.server.release()
        return [second["SOCKETGATE_CLIENT_HOST"], verdict(on.entry(SLOW, 2))]


def test_a_changed_hosts_file_concerns_those_who_come_later() -> None:
    assert in_own_etc(hosts_changed_scene, etc()) == ["other.example", ["allow", ""]]


def crowd_scene() -> object:
    with scene("ALL: .example\n") as on:
        crowd = [f"127.0.3.{number}" for number in range(1, 31)]
        on.server.held.update(f"{number}.3.0.127.in-addr.arpa." for number in range(1, 31))
        with contextlib.ExitStack() as clients:
            for address in crowd:
                clients.enter_context(on.client(address))
            on.server.wait_asked(8)
            answer = verdict(on.visit(GOOD))
            on.server.release()
            return [answer, on.server.questions[8]]


def test_a_network_with_a_dead_reverse_zone_holds_up_no_other() -> None:
    """It has 8 threads at most: the ninth question is another client's."""
    expected = [["allow", ""], "1.1.0.127.in-addr.arpa. PTR"]
    assert in_own_etc(crowd_scene, etc()) == expected


def greedy_scene() -> object:
    settings = f"{PATIENT}\nmax-waiting-per-source = 2"
    with (
        scene("ALL: UNKNOWN\n", held="slow.example.", settings=settings) as on,
        on.client(SLOW),
        on.client(SLOW),
    ):
        on.server.wait_asked(2)
        third = on.visit(SLOW)
        on.server.release()
        on.entry(SLOW, 3)
        return verdict(third)


def test_only_so_many_clients_of_one_address_may_wait_for_its_name() -> None:
    expected = ["allow", f"name: over the limit for {SLOW}/32"]
    assert in_own_etc(greedy_scene, etc()) == expected


def late_scene() -> object:
    with scene("ALL: .example\n", held="slow.example.", settings="name-seconds = 1") as on:
        first = on.visit(SLOW)
        on.server.release()
        second = on.visit(SLOW, 2)
        return [verdict(first), verdict(second), on.server.count(SLOW_QUESTION)]


def test_an_answer_that_comes_too_late_is_the_next_clients() -> None:
    expected = [["deny", "name: timed out"], ["allow", ""], 1]
    assert in_own_etc(late_scene, etc()) == expected


def undecided_scene() -> object:
    settings = f"{PATIENT}\n[limits]\ndecide-seconds = 1"
    with scene("ALL: .example\n", held="slow.example.", settings=settings) as on:
        return verdict(on.visit(SLOW))


def test_who_is_not_known_in_time_is_decided_as_unknown() -> None:
    expected = ["deny", "name: decide-seconds are over"]
    assert in_own_etc(undecided_scene, etc()) == expected


def stopped_scene() -> object:
    """How long, in seconds, a gate with a client who waits needs to stop."""
    with scene("ALL: .example\n", held="slow.example.") as on, on.client(SLOW):
        on.server.wait_asked(2)
        began = time.monotonic()
        code = on.gate.stop()
        return [code, time.monotonic() - began < 20]


def test_a_stop_does_not_wait_for_a_lookup() -> None:
    assert in_own_etc(stopped_scene, etc()) == [0, True]
