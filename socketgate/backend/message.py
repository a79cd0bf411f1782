# SPDX-License-Identifier: MIT
"""What a gate says about a client: text in, value out (docs/protocol.md)."""

from dataclasses import dataclass

MAX_MESSAGE_BYTES = 65_535
MAX_BATCH = 64

Fields = tuple[tuple[bytes, bytes], ...]


class MalformedMessage(Exception):
    """A gate broke the protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handoff:
    """What the gate knows of a connection. None: unknown, or there is none (AF_UNIX, vsock)."""

    id: int
    daemon: str
    remote_addr: str | None = None
    remote_port: int | None = None
    local_addr: str | None = None
    local_port: int | None = None
    remote_host: str | None = None
    remote_user: str | None = None
    rule: str | None = None
    setenv: tuple[str, ...] = ()  # NAME=VALUE
    fields: Fields = ()  # every line as it came, for keys that are not named above


def parse_block(block: bytes) -> Handoff:
    """The lines about one client, unknown keys in `fields` only. Raises MalformedMessage."""
    lines = [line.partition(b"=") for line in block.split(b"\n")]
    fields = tuple((key, value) for key, _, value in lines)
    if fields[0] != (b"SOCKETGATE", b"1"):
        raise MalformedMessage(f"starts with {fields[0]!r}, not with SOCKETGATE=1")
    known = {key: _text(value) for key, value in fields}
    try:
        return Handoff(
            id=int(known[b"ID"]),
            daemon=known.get(b"DAEMON", ""),
            remote_addr=known.get(b"REMOTE_ADDR"),
            remote_port=_port(known.get(b"REMOTE_PORT")),
            local_addr=known.get(b"LOCAL_ADDR"),
            local_port=_port(known.get(b"LOCAL_PORT")),
            remote_host=known.get(b"REMOTE_HOST"),
            remote_user=known.get(b"REMOTE_USER"),
            rule=known.get(b"RULE"),
            setenv=tuple(_text(value) for key, value in fields if key == b"SETENV"),
            fields=fields,
        )
    except (KeyError, ValueError) as error:
        raise MalformedMessage(f"has no usable ID or port: {error}") from error


def ids_in(text: bytes) -> list[int]:
    """The IDs a message that can't be parsed names nevertheless; none when one can't be read."""
    values = [line[3:] for line in text.split(b"\n") if line.startswith(b"ID=")]
    return [int(value) for value in values] if all(x.isdigit() for x in values) else []


def _text(value: bytes) -> str:
    return value.decode(errors="surrogateescape")


def _port(text: str | None) -> int | None:
    return None if text is None else int(text)
