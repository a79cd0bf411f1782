# SPDX-License-Identifier: MIT
"""What may stand in a unit that `socketgate unit` writes: names, addresses, users, paths. Pure.

Every text is checked here, where it enters; whatever is wrong raises ConfigError with one line that
says what would be right.
"""

import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from socketgate.daemonname import name_problem
from socketgate.errors import ConfigError

BACKEND_FOLDER = "/run/socketgate/backend"

#: unix(7): sun_path has 108 bytes, the last of them a NUL.
MAX_SOCKET_PATH_BYTES = 107
#: What is left of that for a name, since the backend listens on BACKEND_FOLDER/NAME.sock. Names of
#: units (255, with the instance that Accept=yes adds) and of descriptors (255) may be longer.
MAX_NAME_LENGTH = MAX_SOCKET_PATH_BYTES - len(f"{BACKEND_FOLDER}/.sock")
#: systemd.exec(5), "User=": what systemd takes without complaint.
USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}|[0-9]{1,10}")
#: Whom systemd warns of: files and processes that are nobody's would be the program's.
NOBODY = frozenset({"nobody", "65534"})
CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")


class Reach(Enum):
    """Which clients an address can be reached by."""

    EVERY = "every"  # a bare port: IPv4 and IPv6
    IPV4 = "ipv4"
    IPV6 = "ipv6"
    OTHER = "other"  # AF_UNIX, AF_VSOCK


FAMILIES = {Reach.IPV4: "IPv4", Reach.IPV6: "IPv6"}

#: The addresses that stand for all addresses of their family.
WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  # compared with, not bound


@dataclass(frozen=True, slots=True)
class Listen:
    """One value of ListenStream=; the address in its canonical form, where it has one."""

    text: str
    reach: Reach
    address: str = ""
    port: int = 0

    def overlaps(self, other: "Listen") -> bool:
        """Whether the kernel refuses to open both: EADDRINUSE, ip(7)."""
        if Reach.OTHER in (self.reach, other.reach) or self.port != other.port:
            return self.text == other.text
        if Reach.EVERY in (self.reach, other.reach):
            return True
        if self.reach is not other.reach:
            return False
        return self.address == other.address or not WILDCARDS.isdisjoint(
            (self.address, other.address)
        )


def parse_name(text: str) -> str:
    """The name of a daemon: an instance of socketgate@.socket and a word in the rules."""
    if len(text) > MAX_NAME_LENGTH:
        raise ConfigError(
            f"name {text[:20] + '...'!r}: at most {MAX_NAME_LENGTH} characters,"
            f" else {BACKEND_FOLDER}/NAME.sock is too long"
        )
    if problem := name_problem(text):
        raise ConfigError(f"name {text!r}: {problem}")
    return text


def parse_user(text: str) -> str:
    """A user's name or number."""
    if not USER.fullmatch(text):
        raise ConfigError(f"user {text!r}: neither the name nor the number of a user")
    if text in NOBODY:
        raise ConfigError(
            f"user {text!r}: shares its rights with everything that is nobody's;"
            " make a user for the program (sysusers.d(5))"
        )
    return text


def parse_socket_path(text: str) -> str:
    """The path of a Unix socket."""
    if CONTROL_CHARACTER.search(text) or not text.startswith("/") or text.endswith(("/", " ")):
        raise ConfigError(f"path {text!r}: must be absolute, without control characters")
    if not _is_utf8(text):
        raise ConfigError(f"path {text!r}: a unit file must be UTF-8")
    if len(os.fsencode(text)) > MAX_SOCKET_PATH_BYTES:
        raise ConfigError(
            f"path {text[:20] + '...'!r}: at most {MAX_SOCKET_PATH_BYTES} bytes, see unix(7)"
        )
    return text


def parse_program(words: Sequence[str]) -> tuple[str, ...]:
    """A program and its arguments."""
    if not words:
        raise ConfigError("no program: add `-- /path/of/program ARGUMENT ...` (or --backend PATH)")
    if not words[0].startswith("/"):
        raise ConfigError(f"program {words[0]!r}: must be an absolute path")
    for word in words:
        if "\0" in word or not _is_utf8(word):
            raise ConfigError(f"argument {word!r}: a unit file must be UTF-8 without NUL")
    return tuple(words)


def parse_listens(texts: Sequence[str]) -> tuple[Listen, ...]:
    """The addresses a socket unit listens on; all of them can be open at once."""
    if not texts:
        raise ConfigError("no address: add --listen PORT or --listen ADDRESS:PORT")
    listens = tuple(parse_listen(text) for text in texts)
    for index, listen in enumerate(listens):
        for other in listens[:index]:
            if listen.overlaps(other):
                raise ConfigError(f"--listen {other.text} and --listen {listen.text} overlap")
    if needs_ipv6_only(listens) and any(listen.reach is Reach.EVERY for listen in listens):
        raise ConfigError(
            "--listen [::]:PORT beside an IPv4 address: write other bare ports as 0.0.0.0:PORT"
            " and [::]:PORT, too"
        )
    return listens


def needs_ipv6_only(listens: Sequence[Listen]) -> bool:
    """Whether some `[::]:PORT` has to leave IPv4 to another address of the same port."""
    every_ipv6 = {listen.port for listen in listens if listen.address == "::"}
    return any(listen.reach is Reach.IPV4 and listen.port in every_ipv6 for listen in listens)


def parse_listen(text: str) -> Listen:
    """One address as systemd.socket(5) has it, of the kinds that a gate can serve."""
    if text.startswith("/"):
        return Listen(parse_socket_path(text), Reach.OTHER)
    if text.startswith("vsock:"):
        return _parse_vsock(text)
    address, colon, port = text.rpartition(":")
    if not colon:
        return Listen(text, Reach.EVERY, port=_parse_port(text, text))
    if address.startswith("[") and address.endswith("]"):
        return _parse_internet(text, Reach.IPV6, address[1:-1], port)
    if ":" in address:
        raise ConfigError(
            f"--listen {text}: an IPv6 address stands in brackets, [{address}]:{port}"
        )
    return _parse_internet(text, Reach.IPV4, address, port)


def _parse_internet(text: str, reach: Reach, address: str, port: str) -> Listen:
    kind = ipaddress.IPv4Address if reach is Reach.IPV4 else ipaddress.IPv6Address
    try:
        parsed = kind(address)
    except ValueError:
        raise ConfigError(f"--listen {text}: {address!r} is no {FAMILIES[reach]} address") from None
    if "%" in address:
        raise ConfigError(
            f"--listen {text}: systemd wants the interface to be there when it reads the unit,"
            " which at boot it isn't; use [::]:PORT and BindToDevice= in a drop-in"
        )
    return Listen(text, reach, str(parsed), _parse_port(text, port))


def _parse_vsock(text: str) -> Listen:
    match = re.fullmatch(r"vsock:([0-9]{0,10}):([0-9]{1,10})", text)
    if not match or int(match[1] or 0) >= 2**32 or int(match[2]) >= 2**32:
        raise ConfigError(f"--listen {text}: must be vsock:CID:PORT or vsock::PORT, vsock(7)")
    return Listen(text, Reach.OTHER)


def _parse_port(text: str, port: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise ConfigError(
            f"--listen {text}: must be PORT, ADDRESS:PORT, [ADDRESS]:PORT, /path or vsock:CID:PORT,"
            " with a port from 1 to 65535"
        )
    return int(port)


def _is_utf8(word: str) -> bool:
    """Whether the word came from bytes that are UTF-8 (os.fsdecode makes surrogates of others)."""
    return not any("\ud800" <= character <= "\udfff" for character in word)
