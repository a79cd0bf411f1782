# SPDX-License-Identifier: MIT
"""Rules in a box: written, met by a client, and told by the journal."""

import contextlib
import json
import time
from collections.abc import Iterator

from tests.support.box import Box

ALLOW, DENY = "/etc/hosts.allow", "/etc/hosts.deny"

#: Who runs the commands of rules, and where they may write.
RUNNER = "socketgate-command.service"
STATE = "/var/lib/socketgate-command"

PATIENCE_SECONDS = 60.0

#: Says something, then prints all that the server says until it closes.
VISIT = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60) as server:
    server.sendall(sys.argv[2].encode())
    print(server.makefile(newline="").read(), end="")
"""

#: A drop-in of the runner: each implies NoNewPrivileges=yes for a unit with a User=
#: (systemd.exec(5)).
WITH_PRIVILEGES = """
NoNewPrivileges=no
RestrictSUIDSGID=no
SystemCallFilter=
SystemCallArchitectures=
RestrictAddressFamilies=
RestrictNamespaces=no
RestrictRealtime=no
MemoryDenyWriteExecute=no
LockPersonality=no
PrivateDevices=no
ProtectHostname=no
ProtectClock=no
ProtectKernelTunables=no
ProtectKernelModules=no
ProtectKernelLogs=no
CapabilityBoundingSet=~
"""


def install(box: Box, name: str, port: int, *words: str) -> None:
    """Put a daemon behind a gate: options of `socketgate unit`, then the program."""
    options = [word for word in words if word.startswith("--")]
    program = words[len(options) :]
    arguments = (name, "--json", "--install", f"--listen={port}", *options, "--", *program)
    said = json.loads(box.run("socketgate", "unit", *arguments).stdout)
    box.shell(said["next"])


def rules(box: Box, allow: str = "", deny: str = "") -> str:
    """Put rules in place; the answer is the journal's end before anybody came."""
    box.write(ALLOW, allow)
    box.write(DENY, deny)
    return box.cursor()


def visit_words(port: int = 7, says: str = "") -> tuple[str, ...]:
    """The client as a command, for `Box.start`."""
    return ("python3", "-c", VISIT, str(port), says)


def visit(box: Box, port: int = 7, says: str = "") -> str:
    """What a client hears."""
    return box.run(*visit_words(port, says)).stdout


def entries(box: Box, cursor: str, count: int, daemon: str = "each") -> list[dict[str, str]]:
    """The audit lines of all clients of a daemon since then, once there are so many."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        told = box.journal(f"SOCKETGATE_DAEMON={daemon}", after_cursor=cursor)
        found = [one for one in told if "SOCKETGATE_OUTCOME" in one]
        if len(found) >= count:
            return found
        assert time.monotonic() < deadline, f"{len(found)} of {count} entries: {told}"


def entry(box: Box, cursor: str, daemon: str = "each") -> dict[str, str]:
    """The audit line of the only client since then."""
    (found,) = entries(box, cursor, 1, daemon)
    return found


@contextlib.contextmanager
def drop_in(box: Box, settings: str) -> Iterator[None]:
    """The runner has these settings as well."""
    path = f"/etc/systemd/system/{RUNNER}.d/test.conf"
    box.write(path, f"[Service]\n{settings}\n")
    box.shell(f"systemctl daemon-reload; systemctl restart {RUNNER}")
    try:
        yield
    finally:
        box.run("rm", path)
        box.shell(f"systemctl daemon-reload; systemctl restart {RUNNER}")
