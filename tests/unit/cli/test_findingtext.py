# SPDX-License-Identifier: MIT
"""How findings look. Which there are: test_check.py."""

import pytest

from socketgate.cli.findingtext import as_json, as_text, excerpt, in_order
from socketgate.cli.output import Paint
from socketgate.rules.table import build_table
from tests.support.build import sources

#: An error behind a warning, and an error in the other file.
MISTAKEN = sources(allow="sshd: bad*\nsshd\n", deny="ALL: ALL : no\n")


def test_errors_come_first_in_the_order_of_the_files() -> None:
    found = in_order(reversed(build_table(MISTAKEN).diagnostics), MISTAKEN)
    assert [(one.severity.value, one.origin, one.line) for one in found] == [
        ("error", "/etc/hosts.allow", 2),
        ("error", "/etc/hosts.deny", 1),
        ("warning", "/etc/hosts.allow", 1),
    ]


def test_a_finding_is_shown_as_compilers_do() -> None:
    error = in_order(build_table(MISTAKEN).diagnostics, MISTAKEN)[0]
    assert as_text(error, Paint(is_on=False)) == (
        '/etc/hosts.allow:2:1: missing ":" separator: libwrap skips the line [error: no-colon]\n'
        "    sshd\n"
        "    ^\n"
        "    hint: write DAEMONS : CLIENTS\n"
    )


def test_json_has_all_of_them_and_how_many() -> None:
    told = as_json(build_table(MISTAKEN).diagnostics, 7)
    assert (told["errors"], told["warnings"], told["left_out"]) == (2, 1, 7)


@pytest.mark.parametrize(
    ("source", "column", "shown"),
    [
        pytest.param(b"ALL: x", 6, ("ALL: x", "     ^"), id="plain"),
        pytest.param(b"ALL:\tx", 6, ("ALL:\tx", "    \t^"), id="a-tab-stays-a-tab"),
        pytest.param("é: x".encode(), 4, ("é: x", "  ^"), id="columns-are-bytes"),
        pytest.param("漢: x".encode(), 6, ("漢: x", "    ^"), id="wide-letters-take-two"),
        pytest.param(b"\x1b[2J: x", 7, ("\\x1b[2J: x", " " * 9 + "^"), id="escapes-are-shown"),
        pytest.param(b"ALL: x", 7, ("ALL: x", "      ^"), id="behind-the-end"),
    ],
)
def test_the_caret_stands_below_the_column(
    source: bytes, column: int, shown: tuple[str, str]
) -> None:
    assert excerpt(source, column) == shown


def test_of_a_long_line_only_what_is_near_is_shown() -> None:
    line, caret = excerpt(b"a" * 1000 + b"!" + b"b" * 1000, 1001)
    assert (line[len(caret) - 1], len(line) < 130) == ("!", True)
