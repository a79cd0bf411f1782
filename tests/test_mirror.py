# SPDX-License-Identifier: MIT
"""Every module has its own unit tests, in the file a reader would look for."""

from pathlib import Path

import pytest

from tests.support.modules import MODULES, Module

UNIT = Path(__file__).parent / "unit"

#: Modules without a file of their own, and where or why.
EXCEPTIONS = {
    "": "a version and a docstring",
    "rules": "a docstring",
    "stations": "a value; tests/unit/test_gate.py",
    "backend.message": "tests/unit/test_backend.py: one interface, tested as its users see it",
    "backend.channel": "tests/unit/test_backend.py",
    "backend.receiver": "tests/unit/test_backend.py",
    "backend.sockets": "tests/unit/test_backend.py",
    "backend.listener": "tests/unit/test_backend.py",
}


def unit_file(module: Module) -> Path:
    *folders, name = module.name.split(".")
    return UNIT.joinpath(*folders, f"test_{name.strip('_')}.py")


@pytest.mark.parametrize(
    "module",
    [module for module in MODULES if module.name not in EXCEPTIONS],
    ids=lambda module: module.full_name,
)
def test_a_module_has_its_unit_tests(module: Module) -> None:
    assert unit_file(module).is_file(), f"write {unit_file(module).relative_to(UNIT.parent.parent)}"


def test_exceptions_are_modules() -> None:
    assert EXCEPTIONS.keys() <= {module.name for module in MODULES}
