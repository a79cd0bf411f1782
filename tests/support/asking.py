# SPDX-License-Identifier: MIT
"""A box whose gate has to ask: a name server and clients of many addresses are on another host.

with asking(box, "10.77.5") as on:
    on.rules("ALL: good.example\\n", "ALL: ALL\\n")
    answer, entry = on.visit("198.18.1.1")

The gate of `named` is on port 7. Its program tells each client what it knows of him.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.answering import NameServer, add_crowd, start_visits, told
from tests.support.box import Box
from tests.support.netns import ClientHost

PORT = 7
GATE = "socketgate@named.service"
CONFIG = "/etc/socketgate/socketgate.d/lookups.toml"

#: What the gate's program tells a client; the user as ucspi-tcp names it (docs/protocol.md).
PROGRAM = 'echo "host=$REMOTE_HOST user=$TCPREMOTEINFO who=$WHO"'

#: A resolver that waits far longer than a test may take: only the gate's own deadlines end a wait.
PATIENT = "nameserver {address}\noptions timeout:30 attempts:1\n"
#: One that gives up after a second.
HASTY = "nameserver {address}\noptions timeout:1 attempts:1\n"

HOSTS = "127.0.0.1 localhost\n"
NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\nnetgroup: files\n"


@dataclass(frozen=True, slots=True)
class Asking:
    """The box, the clients' host, and the name server there."""

    box: Box
    host: ClientHost
    names: NameServer

    def rules(self, allow: str = "", deny: str = "ALL: ALL\n") -> None:
        """What both files say from now on."""
        self.box.write("/etc/hosts.allow", allow)
        self.box.write("/etc/hosts.deny", deny)

    def resolver(self, settings: str = PATIENT) -> None:
        """How the box's programs ask for names."""
        self.box.write("/etc/resolv.conf", settings.format(address=self.host.address4))

    def settings(self, text: str) -> None:
        """Restart the gate with this configuration: nothing that it has found out is left."""
        self.box.write(CONFIG, text)
        self.box.run("systemctl", "restart", GATE)

    def visit(self, address: str) -> tuple[str, dict[str, str]]:
        """What a client from there is told, nothing when he is refused, and his journal entry."""
        cursor = self.box.cursor()
        with start_visits(self.host, PORT, [address]) as visits:
            (answer,) = told(visits)
        found = self.box.journal("SOCKETGATE_DAEMON=named", after_cursor=cursor)
        entries = [entry for entry in found if "SOCKETGATE_OUTCOME" in entry]
        if len(entries) != 1:
            raise AssertionError(f"not one entry: {entries}")
        return answer or "", entries[0]

    def waiting(self, gate: str = "named") -> int:
        """How many clients the gate has that it has not decided on."""
        answer = json.loads(self.box.run("socketgate", "status", "--json", gate).stdout)
        return sum(gate["waiting"] for one in answer.values() for gate in one["gates"])


@contextlib.contextmanager
def asking(box: Box, subnet: str) -> Iterator[Asking]:
    """The gate's socket is there, the gate itself comes with the first client."""
    with ClientHost(box, subnet) as host, NameServer(host) as names:
        add_crowd(host)
        on = Asking(box, host, names)
        box.write("/etc/nsswitch.conf", NSSWITCH)
        on.resolver()
        options = ("--json", "--install", f"--listen={PORT}", "--resident")
        words = ("socketgate", "unit", "named", *options, "--", "/bin/sh", "-c", PROGRAM)
        box.shell(json.loads(box.run(*words).stdout)["next"])
        yield on
