# SPDX-License-Identifier: MIT
"""The manual pages in packaging/man, read as text (mdoc(7))."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "packaging" / "man"
PAGES = sorted(FOLDER.iterdir())


def page(name: str) -> str:
    """A page's source."""
    return (FOLDER / name).read_text()


def sections(text: str, macro: str) -> dict[str, str]:
    """By title, what stands below each `.Sh` or `.Ss`; a subsection ends with its section, too."""
    found: dict[str, str] = {}
    title = ""
    for line in text.splitlines():
        if line.startswith((".Sh ", f".{macro} ")):
            title = line[4:].removesuffix("\\&").strip() if line.startswith(f".{macro} ") else ""
        elif title:
            found[title] = found.get(title, "") + line + "\n"
    return found


def items(text: str, macro: str) -> list[str]:
    """What stands after a macro in the heads of a list: `.It Fl -json , Fl h` has two `Fl`."""
    heads = [line for line in text.splitlines() if line.startswith(".It ")]
    return [word for head in heads for word in re.findall(rf"(?:^|\s){macro} (\S+)", head)]


def literals(text: str) -> list[str]:
    """The examples: literal displays, with their escapes undone."""
    found = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", text, re.DOTALL | re.MULTILINE)
    return [one.replace("\\e", "\\").replace("\\&", "") for one in found]


@dataclass(frozen=True, slots=True)
class Decided:
    """A client and what becomes of it, in the words of a page."""

    daemon: str
    address: str
    facts: tuple[str, ...]
    verdict: str
    rule: str


@dataclass(frozen=True, slots=True)
class Example:
    """Files by their paths, and what they decide."""

    files: dict[str, str] = field(default_factory=dict)
    decided: list[Decided] = field(default_factory=list)


def rule_examples() -> Iterator[Example]:
    """Those of socketgate-rules(5) that say what they decide."""
    for text in literals(page("socketgate-rules.5")):
        parts = re.split(r"^(\S.*)\n", text, flags=re.MULTILINE)[1:]
        bodies = dict(zip(parts[::2], map(textwrap.dedent, parts[1::2]), strict=True))
        if decides := bodies.pop("decides", ""):
            yield Example(bodies, [_decided(line) for line in decides.splitlines()])


def _decided(line: str) -> Decided:
    words = line.split()
    at = next(at for at, word in enumerate(words) if word in ("allow", "deny"))
    rule = words[at + 1] if len(words) > at + 1 else ""
    return Decided(words[0], words[1], tuple(words[2:at]), words[at], rule)
