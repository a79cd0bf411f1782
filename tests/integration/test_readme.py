# SPDX-License-Identifier: MIT
"""The backends in README.md and socketgate-backend(7) serve a client, as they stand there."""

import re
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.child import Child
from tests.support.gatestub import GateStub, client_pair, read_all
from tests.support.manual import literals, page

PROJECT = Path(__file__).parents[2]
#: Where the README's example listens; a test passes it a socket in place of that.
PATH = '"/run/socketgate/backend/hello.sock"'


def in_readme() -> str:
    found = re.search(
        r"^```python\n(.*?)^```$", (PROJECT / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    assert found is not None
    assert PATH in found[1]
    return found[1].replace(PATH, "")


def in_manual() -> str:
    (text,) = (one for one in literals(page("socketgate-backend.7")) if "import asyncio" in one)
    return text


@pytest.mark.parametrize(
    ("text", "greeting"),
    [
        pytest.param(in_readme(), b"hello, 127.0.0.1\n", id="readme"),
        pytest.param(in_manual(), b"hello 127.0.0.1\n", id="manual"),
    ],
)
def test_a_backend_greets_the_client_by_its_address(
    text: str, greeting: bytes, tmp_path: Path
) -> None:
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT)}
    (tmp_path / "backend.py").write_text(text)
    words = [sys.executable, str(tmp_path / "backend.py")]
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        output = stack.enter_context((tmp_path / "output").open("wb"))
        stack.callback(Child(words, [("x", listening)], env, output).close)
        gate = stack.enter_context(GateStub.connect(tmp_path / "s"))
        near, far = stack.enter_context(client_pair())
        gate.hand_over(1, far)
        assert (gate.answer(), read_all(near)) == (b"ACK=1\n", greeting)
