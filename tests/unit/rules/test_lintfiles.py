# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.decide import decide
from socketgate.rules.diagnostic import Diagnostic
from socketgate.rules.source import Absent, Directory, Source, Sources, Text
from socketgate.rules.table import build_table
from socketgate.rules.verdict import Verdict
from tests.support.build import request


def diagnostics(
    allow: bytes = b"", deny: bytes = b"", list_source: Source | None = None
) -> tuple[Diagnostic, ...]:
    files: dict[bytes, Source] = {b"/list": list_source or Absent()}
    return build_table(Sources(allow=Text(allow), deny=Text(deny), host_files=files)).diagnostics


@pytest.mark.parametrize(
    ("text", "line", "column", "code"),
    [
        (b"10.1.2.3\n10.1.2.4 10.1\n", 2, 10, "partial-address"),
        (b"10.1.2.3\n\n# note", 3, 1, "comment-in-host-file"),
        (b"10.1.2.3, 10.1.2.4", 1, 9, "comma-in-host-file"),
        (b"bad\n10.0.0.0/33", 2, 10, "bad-mask"),
    ],
)
def test_a_mistake_in_a_host_file_is_found(text: bytes, line: int, column: int, code: str) -> None:
    found = [
        (one.origin, one.line, one.column, one.code) for one in diagnostics(list_source=Text(text))
    ]
    assert ("/list", line, column, code) in found


def test_a_mistake_far_into_a_line_is_shown_with_that_line() -> None:
    """A host file may be one line of many thousand words."""
    text = b"10.1.2.3\n" + b"10.1.2.4 " * 1000 + b"10.1\n"
    (found,) = (one for one in diagnostics(list_source=Text(text)) if one.code == "partial-address")
    assert (found.line, found.column) == (2, 9001)
    assert found.source_line.startswith(b"10.1.2.4 ")


def test_a_folder_as_host_file_is_an_error() -> None:
    assert [one.code for one in diagnostics(list_source=Directory())] == ["host-file-is-folder"]


def test_nothing_is_said_about_a_host_file_of_addresses() -> None:
    assert diagnostics(list_source=Text(b"10.1.2.3 10.1.2.4\n[::1]\n192.0.2.0/24")) == ()


@pytest.mark.parametrize(
    ("allow", "deny", "origin", "line", "source"),
    [
        (b"ALL: ALL\n", b"# x\nALL: 10.1.2.3\n", "/etc/hosts.deny", 2, b"ALL: 10.1.2.3"),
        (b"ALL: ALL\n", b"ALL: 10. \\\n 11.\n", "/etc/hosts.deny", 1, b"ALL: 10. \\"),
        (b"ALL: ALL\nALL: 10.\n", b"", "/etc/hosts.allow", 2, b"ALL: 10."),
    ],
)
def test_a_rule_that_is_never_reached_is_shown(
    allow: bytes, deny: bytes, origin: str, line: int, source: bytes
) -> None:
    [found] = diagnostics(allow, deny)
    assert (found.code, found.origin, found.line, found.source_line) == (
        "never-reached",
        origin,
        line,
        source,
    )
    assert "/etc/hosts.allow:1 matches" in found.message


def test_behind_a_nul_lines_are_those_that_editors_show() -> None:
    found = diagnostics(b"#\0\n#\nALL: ALL\n", b"#\0\n#\nALL: 10.1.2.3\n")
    (hidden,) = (one for one in found if one.code == "never-reached")
    assert (hidden.line, hidden.source_line) == (3, b"ALL: 10.1.2.3")
    assert "/etc/hosts.allow:3 matches" in hidden.message


@pytest.mark.parametrize(
    ("files", "briefs"),
    [
        pytest.param(
            {b"/a": b"10.1.2.3\n /a"}, ["/a:2:2: host file /a names itself"], id="by-itself"
        ),
        pytest.param(
            {b"/a": b"/b", b"/b": b"/a"},
            ["/a:1:1: host file /b names itself", "/b:1:1: host file /a names itself"],
            id="by-another",
        ),
        pytest.param(
            {b"/a": b"/b", b"/b": b"/b"}, ["/b:1:1: host file /b names itself"], id="one-within"
        ),
        pytest.param({b"/a": b"/b /c", b"/b": b"/c", b"/c": b"10."}, [], id="named-twice"),
    ],
)
def test_host_files_within_themselves_are_errors(
    files: dict[bytes, bytes], briefs: list[str]
) -> None:
    sources = Sources(
        deny=Text(b"ALL: /a\n"), host_files={path: Text(text) for path, text in files.items()}
    )
    assert [one.brief for one in build_table(sources).errors] == briefs


def test_a_host_file_that_names_itself_is_said_with_the_words_of_its_use() -> None:
    table = build_table(Sources(deny=Text(b"ALL: /a\n"), host_files={b"/a": Text(b"/a")}))
    verdict = decide(table, request())
    assert isinstance(verdict, Verdict)
    [error] = table.errors
    assert [text for text in verdict.messages if error.message in text]
