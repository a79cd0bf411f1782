# SPDX-License-Identifier: MIT
"""A name server on loopback, for real resolvers: its names agree, contradict, lack or keep waiting.

    with DnsServer({"7.2.0.192.in-addr.arpa. PTR": ["a.example."], "a.example. A": ["192.0.2.7"]}):
        socket.getnameinfo(("192.0.2.7", 0), socket.NI_NAMEREQD)

Port 53 needs a network namespace of its own (own_etc.py).
"""

import json
import os
import select
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self, TypedDict

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.reversename
import dns.rrset

DEADLINE_SECONDS = 30.0

Records = Mapping[str, Sequence[str]]


def reverse(address: str, *names: str) -> dict[str, Sequence[str]]:
    """The PTR records of an address."""
    return {f"{dns.reversename.from_address(address)} PTR": names}


class DnsServer:
    """Serves records by UDP from a thread. `records` may be replaced while it runs."""

    def __init__(self, records: Records, *, address: str = "127.0.0.1", port: int = 53) -> None:
        self.records = dict(records)
        #: A server that is dead takes every question and says nothing.
        self.is_dead = False
        #: Answers to these questions ("a.example. A"), or about these names, wait until `release`.
        self.held: set[str] = set()
        self.questions: list[str] = []
        self._waiting: list[tuple[bytes, tuple[str, int]]] = []
        self._asked = threading.Condition()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, port))
        self._wake, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="dns-server")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._waker)
        self._thread.join()
        os.close(self._wake)
        self._socket.close()

    def count(self, question: str) -> int:
        """How often this was asked, as "a.example. A"."""
        with self._asked:
            return self.questions.count(question)

    def wait_asked(self, count: int) -> None:
        """Until this many questions have come, in all."""
        with self._asked:
            if not self._asked.wait_for(lambda: len(self.questions) >= count, DEADLINE_SECONDS):
                raise AssertionError(f"asked only {self.questions}")

    def release(self) -> None:
        """Send the answers that were held, and hold no more."""
        with self._asked:
            self.held.clear()
            for reply, client in self._waiting:
                self._socket.sendto(reply, client)
            self._waiting.clear()

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._socket.fileno(), self._wake], [], [])
            if self._wake in ready:
                return
            wire, client = self._socket.recvfrom(65535)
            self._answer(dns.message.from_wire(wire), client)

    def _answer(self, query: dns.message.Message, client: tuple[str, int]) -> None:
        asked = query.question[0]
        question = f"{asked.name} {dns.rdatatype.to_text(asked.rdtype)}"
        with self._asked:
            self.questions.append(question)
            self._asked.notify_all()
            if self.is_dead:
                return
            wire = self._reply(query).to_wire()
            if not self.held.isdisjoint({str(asked.name), question}):
                self._waiting.append((wire, client))
            else:
                self._socket.sendto(wire, client)

    def _reply(self, query: dns.message.Message) -> dns.message.Message:
        """With the name's records, or those its CNAME leads to; NXDOMAIN for a name with none."""
        asked = query.question[0]
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA | dns.flags.AA
        name = str(asked.name)
        for alias in self.records.get(f"{name} CNAME", ()):
            reply.answer.append(_rrset(name, dns.rdatatype.CNAME, [alias]))
            name = alias
        values = self.records.get(f"{name} {dns.rdatatype.to_text(asked.rdtype)}", ())
        if values:
            reply.answer.append(_rrset(name, asked.rdtype, values))
        elif not any(key.partition(" ")[0] == name for key in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply


def _rrset(name: str, kind: dns.rdatatype.RdataType, values: Sequence[str]) -> dns.rrset.RRset:
    return dns.rrset.from_text_list(name, 60, dns.rdataclass.IN, kind, values)


class Order(TypedDict, total=False):
    """What a server that runs as a program is told: how to be from now on, what to wait for."""

    records: Records
    is_dead: bool
    held: Sequence[str]
    wait_asked: int


def obey(server: DnsServer, order: Order) -> list[str]:
    """Carry it out. The answer: all questions so far. What is held no longer is sent."""
    if "records" in order:
        server.records = dict(order["records"])
    server.is_dead = order.get("is_dead", server.is_dead)
    if "held" in order:
        server.release()
        server.held.update(order["held"])
    server.wait_asked(order.get("wait_asked", 0))
    return list(server.questions)


def main() -> None:
    """dnsserver.py ADDRESS: obeys orders, one JSON object a line, until standard input ends."""
    with DnsServer({}, address=sys.argv[1]) as server:
        for line in sys.stdin:
            answer = json.dumps(obey(server, json.loads(line)))
            print(answer, flush=True)  # noqa: T201  # whoever started us waits for it


if __name__ == "__main__":
    main()
