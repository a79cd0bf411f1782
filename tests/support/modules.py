# SPDX-License-Identifier: MIT
"""The project's modules and what each imports, read from their text."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = "socketgate"


@dataclass(frozen=True, slots=True)
class Module:
    """One module. Its name is without the package's: `gate`, `rules.table`, `rules` itself."""

    name: str
    path: Path

    @property
    def full_name(self) -> str:
        """As an import statement says it."""
        return f"{PACKAGE}.{self.name}" if self.name else PACKAGE

    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.path.read_text(), str(self.path))


def module_at(path: Path) -> Module:
    """The module in a file."""
    parts = path.relative_to(PROJECT / PACKAGE).with_suffix("").parts
    return Module(".".join(part for part in parts if part != "__init__"), path)


MODULES = [module_at(path) for path in sorted((PROJECT / PACKAGE).rglob("*.py"))]
NAMES = {module.full_name for module in MODULES}


def imported(module: Module) -> Iterator[str]:
    """The full name of every module it imports, wherever in its text the import stands."""
    for node in ast.walk(module.tree()):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(module, node)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full in NAMES else base


def absolute(module: Module, node: ast.ImportFrom) -> str:
    """What a `from` import names, also where it is relative."""
    if not node.level:
        return node.module or ""
    is_package = module.path.name == "__init__.py"
    parts = module.full_name.split(".")
    kept = parts[: len(parts) - node.level + is_package]
    return ".".join([*kept, node.module] if node.module else kept)


def own_imports(module: Module) -> set[str]:
    """The names of the project's modules it imports."""
    return {
        name.removeprefix(PACKAGE).removeprefix(".") for name in imported(module) if name in NAMES
    }


def foreign_imports(module: Module) -> set[str]:
    """The top names of what it imports from elsewhere."""
    return {name.partition(".")[0] for name in imported(module)} - {PACKAGE}
