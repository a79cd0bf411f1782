# SPDX-License-Identifier: MIT
"""What a gate says about a client: text in, value out (docs/protocol.md)."""

from dataclasses import dataclass

MAX_MESSAGE_BYTES = 65_535
MAX_BATCH = 64
#: Of an ID: a signed number of 64 bits.
MAX_DIGITS = 19

VERSION = (b"SOCKETGATE", b"1")

Fields = tuple[tuple[bytes, bytes], ...]


class MalformedMessage(Exception):
    """A gate broke the protocol."""


@dataclass(frozen=True, slots=True)
class Handoff:
    """What the gate knows of a connection. None: unknown, or there is none (AF_UNIX, vsock).

    Each line is read when it is asked for: most programs ask for few of them.
    """

    id: int
    fields: Fields

    def get(self, key: str) -> str | None:
        """The value of a line by its key; the last one's if there are several."""
        values = self.get_all(key)
        return values[-1] if values else None

    def get_all(self, key: str) -> list[str]:
        """The values of all lines with this key."""
        wanted = key.encode()
        return [v.decode(errors="surrogateescape") for k, v in self.fields if k == wanted]

    @property
    def daemon(self) -> str:
        """The name the rules know the service by."""
        return self.get("DAEMON") or ""

    @property
    def remote_addr(self) -> str | None:
        """The client's address; IPv4 even if the listener is IPv6."""
        return self.get("REMOTE_ADDR")

    @property
    def remote_port(self) -> int | None:
        """The client's port."""
        return _port(self.get("REMOTE_PORT"))

    @property
    def local_addr(self) -> str | None:
        """The address the client connected to."""
        return self.get("LOCAL_ADDR")

    @property
    def local_port(self) -> int | None:
        """The port the client connected to."""
        return _port(self.get("LOCAL_PORT"))

    @property
    def remote_host(self) -> str | None:
        """The client's name, if the rules had it looked up."""
        return self.get("REMOTE_HOST")

    @property
    def remote_user(self) -> str | None:
        """The client's user, if the rules had it asked for (RFC 1413: the client's word)."""
        return self.get("REMOTE_USER")

    @property
    def rule(self) -> str | None:
        """Which rule let the client in, as `hosts.allow:12`."""
        return self.get("RULE")

    @property
    def setenv(self) -> list[str]:
        """NAME=VALUE, each from a `setenv` option."""
        return self.get_all("SETENV")


def parse_block(block: bytes) -> Handoff:
    """The lines about one client. Raises MalformedMessage if they can't be acknowledged."""
    lines = [line.partition(b"=") for line in block.split(b"\n")]
    fields = tuple([(key, value) for key, _, value in lines])
    if fields[0] != VERSION:
        raise MalformedMessage(f"starts with {fields[0]!r}, not with SOCKETGATE=1")
    for key, value in fields:
        if key == b"ID" and _is_number(value):
            return Handoff(int(value), fields)
    raise MalformedMessage("has no usable ID")


def ids_in(text: bytes) -> list[int]:
    """The IDs a message that can't be parsed names nevertheless; none when one can't be read."""
    values = [line[3:] for line in text.split(b"\n") if line.startswith(b"ID=")]
    return [int(value) for value in values] if all(map(_is_number, values)) else []


def _is_number(text: bytes) -> bool:
    """int() refuses thousands of digits by an error of its own."""
    return text.isdigit() and len(text) <= MAX_DIGITS


def _port(text: str | None) -> int | None:
    return int(text) if text and len(text) <= 5 and text.isdecimal() else None
