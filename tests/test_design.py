# SPDX-License-Identifier: MIT
"""docs/design.md has every module on its map, and nothing that isn't there."""

import re

import pytest

from socketgate.cli import VERBS
from tests.support.modules import MODULES, PROJECT, Module

TEXT = (PROJECT / "docs" / "design.md").read_text()
MAP = TEXT[TEXT.index("## 11.") : TEXT.index("## 12.")]
NAMED = set(re.findall(r"`([a-z_.]+)`", MAP))

#: Packages are headings there, and verbs are all alike.
HEADINGS = {"", "rules", "backend", "cli", "__main__"}
VERB_MODULES = {f"cli.{name}" for name in VERBS.values()} | {"cli.launch_commands"}
#: What stands in backquotes and isn't a module.
WORDS = {"exec", "tests/test_layers.py", "tests/test_design.py"}


def short_name(module: Module) -> str:
    package, _, rest = module.name.partition(".")
    return rest if package in ("rules", "cli") else module.name


@pytest.mark.parametrize(
    "module",
    [one for one in MODULES if one.name not in HEADINGS | VERB_MODULES],
    ids=lambda module: module.full_name,
)
def test_a_module_is_on_the_map(module: Module) -> None:
    assert short_name(module) in NAMED


def test_what_is_on_the_map_is_a_module() -> None:
    assert NAMED - {short_name(module) for module in MODULES} - WORDS == set()


def test_the_texts_it_names_are_there() -> None:
    linked = re.findall(r"\]\(([a-z]+\.md)\)", TEXT)
    assert [name for name in linked if not (PROJECT / "docs" / name).is_file()] == []
