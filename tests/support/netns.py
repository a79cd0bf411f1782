# SPDX-License-Identifier: MIT
"""A client's machine: a network namespace of its own, joined to a box by a cable.

    with ClientHost(box, "10.77.1") as client:      # 10.77.1.2 and fd77:1::2; the box: .1 and ::1
        client.run("ssh", client.box_address4, "true")

Programs run there see this machine's files. There is nothing to take down: namespace and cable go
with the one process that holds them, and that one ends when the test's does.
"""

import contextlib
import subprocess
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from tests.support import commands
from tests.support.box import Box, BoxFailed


class ClientHost:
    """A host on a network with the box. `subnet` is an IPv4 network's first three numbers."""

    def __init__(self, box: Box, subnet: str) -> None:
        number = subnet.rpartition(".")[2]
        self.box = box
        self.box_address4, self.address4 = f"{subnet}.1", f"{subnet}.2"
        self.box_address6, self.address6 = f"fd77:{number}::1", f"fd77:{number}::2"
        self._cable = f"to-{subnet}"
        self._holder: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        # cat ends when its standard input does, which is when this process closes it or dies.
        self._holder = subprocess.Popen(
            ["unshare", "--net", "cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=commands.environment(),
            start_new_session=True,
        )
        try:
            self._wait_for_namespace(self._holder)
            self._lay_cable()
        except BaseException:  # nothing stays behind, whatever it was; it is raised on
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    @property
    def pid(self) -> int:
        """The process that holds the namespace."""
        if self._holder is None:
            raise AssertionError("the client host is not up")
        return self._holder.pid

    def run(
        self,
        *words: str,
        input: str | None = None,  # noqa: A002  # subprocess.run's own name for it
        check: bool = True,
        timeout_seconds: float = commands.DEADLINE_SECONDS,
        env: Mapping[str, str] | None = None,
    ) -> commands.Result:
        """Run a command on the client's host. Raises CommandFailed, if `check`."""
        words = (*self._prefix(), *words)
        return commands.run(
            words, input=input, check=check, timeout_seconds=timeout_seconds, env=env
        )

    def start(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a command on the client's host and leave it running; use it in a `with`."""
        return commands.start((*self._prefix(), *words), env=env)

    def add_address(self, address: str) -> None:
        """Give the client one more address, as 198.51.100.7/32, which the box can answer."""
        self.run(*_add_address("eth0", address))
        host = address.partition("/")[0]
        self.box.run("ip", *_family(host), "route", "add", host, "dev", self._cable)

    def _prefix(self) -> tuple[str, ...]:
        return ("nsenter", "--target", str(self.pid), "--net")

    def _wait_for_namespace(self, holder: subprocess.Popen[bytes]) -> None:
        """An echo from cat says that unshare is done."""
        if holder.stdin is None or holder.stdout is None:
            raise AssertionError("cat has no pipes")
        holder.stdin.write(b"\n")
        holder.stdin.flush()
        if not holder.stdout.readline():
            raise AssertionError("no network namespace: unshare failed")

    def _lay_cable(self) -> None:
        """A veth pair, one end in each namespace, with addresses of both families."""
        ends = f"{self._cable} netns {self.box.pid} type veth peer name eth0 netns {self.pid}"
        commands.run(["ip", "link", "add", *ends.split()])
        sides = (
            (self.box.run, self._cable, self.box_address4, self.box_address6),
            (self.run, "eth0", self.address4, self.address6),
        )
        for run, device, address4, address6 in sides:
            run("ip", "link", "set", "lo", "up")
            run(*_add_address(device, f"{address4}/24"))
            run(*_add_address(device, f"{address6}/64"))
            run("ip", "link", "set", device, "up")
        self.run("ip", "route", "add", "default", "via", self.box_address4)
        self.run("ip", "-6", "route", "add", "default", "via", self.box_address6)

    def _end(self) -> None:
        holder, self._holder = self._holder, None
        if holder is not None:
            # The kernel would remove it too, but later: its name would stay taken for a while.
            with contextlib.suppress(BoxFailed):
                self.box.run("ip", "link", "delete", self._cable, check=False)
            holder.communicate(timeout=commands.DEADLINE_SECONDS)


def _family(address: str) -> list[str]:
    return ["-6"] if ":" in address else []


def _add_address(device: str, address: str) -> list[str]:
    """Without the second or two in which IPv6 asks whether somebody else has the address."""
    nodad = ["nodad"] if ":" in address else []
    return ["ip", *_family(address), "addr", "add", address, "dev", device, *nodad]
