# SPDX-License-Identifier: MIT
"""The tools that read the code have nothing to say about it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.modules import MODULES, PROJECT, Module

#: tool, its arguments
TOOLS = {
    "ruff-check": ("ruff", "check", "."),
    "ruff-format": ("ruff", "format", "--check", "."),
    "mypy": ("mypy", "socketgate", "tests"),
}  # fmt: skip

MAX_MODULE_LINES = 400


#: Where the project's own files are; what tools leave in them is hidden or compiled.
FOLDERS = (".ci", "docs", "packaging", "socketgate", "tests", "units")


def files() -> list[Path]:
    """What the project consists of."""
    found = [path for folder in FOLDERS for path in sorted((PROJECT / folder).rglob("*"))]
    return [path for path in found if path.is_file() and path.parent.name != "__pycache__"]


FILES = files()


def first_lines(path: Path) -> list[str]:
    with path.open("rb") as file:
        return [file.readline().decode(errors="replace").strip() for _ in range(2)]


SCRIPTS = [path for path in FILES if re.match(r"#!.*\b(ba|da)?sh\b", first_lines(path)[0])]


def said(*words: str) -> str:
    """What a tool says when it isn't content; nothing when it is."""
    path = str(Path(sys.executable).parent)  # tools of the same virtual environment
    tool = shutil.which(words[0], path=path) or shutil.which(words[0])
    assert tool is not None, f"{words[0]} is not installed"
    result = subprocess.run(
        [tool, *words[1:]], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    return f"{result.stdout}{result.stderr}" if result.returncode else ""


def named(path: Path) -> str:
    return str(path.relative_to(PROJECT))


@pytest.mark.parametrize("words", TOOLS.values(), ids=TOOLS.keys())
def test_a_tool_has_nothing_to_say(words: tuple[str, ...]) -> None:
    assert said(*words) == ""


@pytest.mark.parametrize("path", SCRIPTS, ids=named)
def test_shellcheck_has_nothing_to_say(path: Path) -> None:
    assert said("shellcheck", str(path)) == ""


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.full_name)
def test_a_module_is_short_enough_to_be_read_at_once(module: Module) -> None:
    assert len(module.path.read_text().splitlines()) <= MAX_MODULE_LINES


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".py"], ids=named)
def test_a_file_says_its_licence_first(path: Path) -> None:
    lines = first_lines(path)
    first = lines[1] if lines[0].startswith("#!") else lines[0]
    assert first == "# SPDX-License-Identifier: MIT"
