# SPDX-License-Identifier: MIT
"""Short words for tests of lookups: requests, and the end of a pool's threads."""

import threading

from socketgate.rules.request import Endpoint, Request

DEADLINE_SECONDS = 30.0


def request(
    client: str = "192.0.2.7",
    *,
    client_port: int | None = 40123,
    server: str = "127.0.0.1",
    server_port: int | None = 22,
) -> Request:
    """A request to sshd from this address."""
    return Request(
        daemon=b"sshd",
        client=Endpoint(client.encode(), client_port),
        server=Endpoint(server.encode(), server_port),
    )


def wait_threads_gone() -> None:
    """Until the threads of closed pools have ended; what they are to do must be done."""
    for thread in threading.enumerate():
        if thread.name.startswith("lookup-"):
            thread.join(DEADLINE_SECONDS)
