# SPDX-License-Identifier: MIT
"""The rules that `socketgate import xinetd` prints decide as the real xinetd does."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from socketgate.rules.source import Source, Sources, Text
from socketgate.rules.table import build_table
from socketgate.xinetd import load_configuration
from socketgate.xinetdplan import Imported, import_services
from tests.support.corpus import settle
from tests.support.libwrap import Question
from tests.support.xinetd import PATIENCE_SECONDS, xinetd

#: xinetd.conf(5): zeros at the end stand for everything.
EVERYBODY = ".".join(["0"] * 4)


@dataclass(frozen=True, slots=True)
class Case:
    """Two lists, and a client of a service that has them."""

    only_from: str | None
    no_access: str
    client: str
    is_dual: bool = False

    @property
    def bind(self) -> str:
        """Where the service listens."""
        if self.is_dual:
            return "::"
        return "::1" if ":" in self.client else "127.0.0.1"

    @property
    def server(self) -> str:
        """Where the client finds it."""
        return "::1" if ":" in self.client else "127.0.0.1"


#: IPv4 clients of a service for both families.
DUAL = [
    Case(only_from, no_access, "127.0.0.2", is_dual=True)
    for only_from, no_access in (
        ("::/0", ""),
        ("::1", ""),
        ("127.0.0.0", ""),
        (EVERYBODY, ""),
        ("::ffff:127.0.0.2", ""),
        ("::ffff:127.0.0.3", ""),
        (None, "::/0"),
        (None, EVERYBODY),
    )
]
CASES = DUAL + [
    Case(only_from, no_access, client)
    for only_from, no_access in (
        (None, ""),
        ("127.0.0.0", ""),
        ("127.1.0.0", ""),
        ("127.0", ""),
        ("127.0.0", ""),
        ("127.0.0.{2,3}", ""),
        ("127.0.0.{0,1}", ""),
        ("127.0.{0,1}", ""),
        ("127.000.0.0", ""),
        ("127.0.0.2/30", ""),
        ("127.0.0.2/31 127.0.1.9", ""),
        ("::/0", ""),
        (EVERYBODY, ""),
        ("", ""),
        (None, "127.0.0.2"),
        (None, "127.0.0.0"),
        (None, EVERYBODY),
        ("127.0.0.0", "127.0.0.2"),
        ("127.0.0.2", "127.0.0.0"),
        ("127.0.0.2", "127.0.0.2"),
        ("127.0.0.2", EVERYBODY),
        ("127.0.0.0/24", "127.0.0.0/8"),
        ("127.0.0.0/8", "127.0.0.0/24"),
        ("127.0.0.0", "127.0.0.0/8 127.0.0.0/30"),
    )
    for client in ("127.0.0.2", "127.0.0.9", "127.0.1.2", "::1")
]  # fmt: skip
BLOCK = """\
service s{number}
{{
    type = UNLISTED
    socket_type = stream
    wait = no
    user = root
    server = /bin/echo
    server_args = let in
    libwrap = s{number}
    flags = NOLIBWRAP {family}
    bind = {address}
    port = {port}
    {lists}
}}
"""


def free_ports() -> list[int]:
    """One for each case, on the address it is for."""
    with contextlib.ExitStack() as stack:
        socks = [_server(case.bind) for case in CASES]
        for sock in socks:
            stack.enter_context(sock)
        return [sock.getsockname()[1] for sock in socks]


def _server(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, 0), family=family, dualstack_ipv6=address == "::")


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service for each case."""
    blocks = []
    for number, (case, port) in enumerate(zip(CASES, free_ports(), strict=True)):
        lists = [f"only_from = {case.only_from}"] if case.only_from is not None else []
        lists += [f"no_access = {case.no_access}"] if case.no_access else []
        blocks.append(
            BLOCK.format(
                number=number,
                family="IPv6" if ":" in case.bind else "IPv4",
                address=case.bind,
                port=port,
                lists="\n    ".join(lists),
            )
        )
    file = tmp_path_factory.mktemp("xinetd") / "xinetd.conf"
    file.write_text("".join(blocks))
    return file


@pytest.fixture(scope="module")
def running(configuration: Path) -> Iterator[None]:
    """The real xinetd with this configuration."""
    with xinetd(configuration):
        yield


def real_answer(case: Case, port: int) -> str:
    family = socket.AF_INET6 if ":" in case.client else socket.AF_INET
    with socket.socket(family) as sock:
        sock.settimeout(PATIENCE_SECONDS)
        sock.bind((case.client, 0))
        sock.connect((case.server, port))
        with contextlib.suppress(ConnectionResetError):
            return "allow" if sock.recv(6) == b"let in" else "deny"
    return "deny"


def our_answer(one: Imported, case: Case) -> str:
    text = "".join(f"{line}\n" for line in one.rules.lines)
    files: dict[bytes, Source] = {}
    table = build_table(
        Sources(allow=Text(text.encode()), deny=Text(b"ALL: ALL\n"), host_files=files)
    )
    question = Question(daemon=one.plan.name.encode(), address=case.client.encode())
    return settle(table, question.request(), question.answer)[0].access.value


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("number", range(len(CASES)), ids=map(str, CASES))
def test_xinetd_and_the_rules_agree(number: int, configuration: Path) -> None:
    one = import_services(load_configuration([configuration]).services)[number]
    assert isinstance(one, Imported), one
    case = CASES[number]
    assert our_answer(one, case) == real_answer(case, one.plan.listens[0].port)
