# SPDX-License-Identifier: MIT
"""What `socketgate import xinetd` prints units for is what the real xinetd serves."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from socketgate.xinetd import load_configuration
from socketgate.xinetdplan import Imported, import_services
from tests.support.xinetd import PATIENCE_SECONDS, xinetd

ADDRESS = "127.0.0.1"
DEFAULTS = """\
defaults
{
    disabled = by-the-first-line
    disabled = by-the-second-line
    user = root
}
"""
BLOCK = {
    "type": "UNLISTED",
    "socket_type": "stream",
    "protocol": "tcp",
    "wait": "no",
    "user": "root",
    "server": "/bin/echo",
    "server_args": "served",
    "flags": "NOLIBWRAP",
    "bind": ADDRESS,
}
#: What is said otherwise, by service; None: nothing.
SERVICES: dict[str, dict[str, str | None]] = {
    "as-usual": {},
    "small-letters": {"type": "unlisted", "flags": "nolibwrap ipv4"},
    "capital-letters": {"wait": "NO", "disable": "NO"},
    "disabled": {"disable": "yes"},
    "disabled-in-capitals": {"disable": "YES"},
    "by-the-first-line": {},
    "by-the-second-line": {},
    "neither-yes-nor-no": {"disable": "perhaps"},
    "unknown-flag": {"flags": "NOLIBWRAP DISABLE"},
    "unknown-attribute": {"novelty": "1"},
    "sensor": {"flags": "SENSOR", "server": None, "server_args": None},
    "internal": {"type": "INTERNAL UNLISTED"},
    "without-wait": {"wait": None},
    "without-user": {"user": None},
    "without-server": {"server": None},
    "without-socket-type": {"socket_type": None},
    "without-both": {"socket_type": None, "protocol": None},
    "without-arguments": {"flags": "NOLIBWRAP NAMEINARGS", "server_args": None},
    "two-words": {"server": "/bin/echo # the program"},
    "twice": {"server": "/bin/echo\n    server = /bin/false"},
    "disabled-later": {"disable": "no\n    disable = yes"},
    "added-to-no-set": {"nice": "1\n    nice += 1"},
    "taken-from-env": {"env": "A=1\n    env -= A=1"},
    "syntax": {"nice": "1\n    no operator here"},
    "interface": {"bind": None, "interface": ADDRESS},
    "last": {},
}


def free_ports(count: int) -> list[int]:
    socks = [socket.create_server((ADDRESS, 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in socks]
    for sock in socks:
        sock.close()
    return ports


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = DEFAULTS
    for (name, changes), port in zip(SERVICES.items(), free_ports(len(SERVICES)), strict=True):
        lines = [
            f"    {key} = {value}"
            for key, value in {**BLOCK, **changes, "port": str(port)}.items()
            if value is not None
        ]
        text += "\n".join([f"service {name}", "{", *lines, "}", ""])
    file = tmp_path_factory.mktemp("xinetd") / "xinetd.conf"
    file.write_text(text)
    return file


@pytest.fixture(scope="module")
def served(configuration: Path) -> Iterator[set[str]]:
    """The services that the real one serves."""
    ports = {
        one.name: int(one.word("port")) for one in load_configuration([configuration]).services
    }
    with xinetd(configuration):
        yield {name for name, port in ports.items() if is_served(port)}


def is_served(port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(PATIENCE_SECONDS)
        return sock.connect_ex((ADDRESS, port)) == 0 and sock.recv(6) == b"served"


@pytest.mark.parametrize("name", SERVICES)
def test_what_xinetd_serves_is_imported_and_nothing_else(
    name: str, configuration: Path, served: set[str]
) -> None:
    (one,) = [
        one
        for one in import_services(load_configuration([configuration]).services)
        if one.service.name == name
    ]
    assert isinstance(one, Imported) is (name in served), one
