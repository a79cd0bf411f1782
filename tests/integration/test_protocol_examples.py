# SPDX-License-Identifier: MIT
"""The example backends of docs/protocol.md serve a client."""

import re
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.child import Child
from tests.support.gatestub import GateStub, client_pair, read_all

PROJECT = Path(__file__).parents[2]


def example(language: str) -> str:
    """The first example in a language."""
    text = (PROJECT / "docs" / "protocol.md").read_text()
    found = re.search(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def build_c(folder: Path) -> list[str]:
    source = folder / "backend.c"
    source.write_text(example("c"))
    warnings = ["-Wall", "-Wextra", "-Werror"]
    subprocess.run(["gcc", *warnings, "-O2", "-o", folder / "backend", source], check=True)
    return [str(folder / "backend")]


def build_python(folder: Path) -> list[str]:
    (folder / "backend.py").write_text(example("python"))
    return [sys.executable, str(folder / "backend.py")]


@pytest.mark.parametrize("build", [build_c, build_python])
def test_an_example_greets_the_client_by_its_address(
    tmp_path: Path, build: Callable[[Path], list[str]]
) -> None:
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT)}
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        output = stack.enter_context((tmp_path / "output").open("wb"))
        child = Child(build(tmp_path), [("x", listening)], env, output)
        stack.callback(child.close)
        gate = stack.enter_context(GateStub.connect(tmp_path / "s"))
        near, far = stack.enter_context(client_pair())
        gate.hand_over(1, far)
        assert (gate.answer(), read_all(near)) == (b"ACK=1\n", b"hello 127.0.0.1\n")
