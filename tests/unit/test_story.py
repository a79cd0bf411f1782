# SPDX-License-Identifier: MIT
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from socketgate.rules.decide import decide
from socketgate.rules.policy import Compiled
from socketgate.rules.request import Fact
from socketgate.rules.source import Sources
from socketgate.rules.table import PolicyKey, RuleTable, build_table
from socketgate.rules.trace import Considered
from socketgate.rules.verdict import Verdict
from socketgate.story import story_of
from tests.support.build import request, sources

ASKED = request().with_fact(Fact.CLIENT_NAME, b"unknown")
ALLOW = "sshd: 10.0.0.1\nsshd: .x\n"
DENY = "# a\nALL: 192.0.2.7\n"
KEY: PolicyKey = (b"sshd", 22)


def files(folder: Path, allow: str = "", deny: str = "") -> Sources:
    """Two files as they were read, once more to be read there."""
    return replace(
        sources(allow, deny),
        allow_origin=f"{folder}/hosts.allow",
        deny_origin=f"{folder}/hosts.deny",
    )


def compiled(whole: Sources) -> tuple[RuleTable, Sources]:
    """A table without the address rules, and its excerpts."""
    rules = build_table(whole)
    segments: dict[PolicyKey, Compiled] = {
        KEY: Compiled(tuple(rules.policy(*KEY).segments_by_file), 99, 1 << 32)
    }
    excerpts = replace(
        whole,
        allow=replace(rules.allow.excerpt, whole=hashlib.sha256(ALLOW.encode()).hexdigest()),
        deny=rules.deny.excerpt,
    )
    return build_table(excerpts, compiled=segments), excerpts


def told(table: RuleTable, sources: Sources) -> list[Considered]:
    verdict = decide(table, ASKED)
    assert isinstance(verdict, Verdict)
    return list(story_of(table, sources, ASKED, verdict))


def test_what_is_in_memory_needs_no_file(tmp_path: Path) -> None:
    whole = files(tmp_path, ALLOW, DENY)
    texts = [one.text for one in told(build_table(whole), whole)]
    assert texts == [b"sshd: 10.0.0.1", b"sshd: .x", b"ALL: 192.0.2.7"]


def test_without_rules_there_is_no_story(tmp_path: Path) -> None:
    whole = files(tmp_path)
    assert told(build_table(whole), whole) == []


@pytest.mark.parametrize(
    ("now", "text"),
    [
        pytest.param(DENY, b"ALL: 192.0.2.7", id="as-it-was"),
        pytest.param("# a\nALL: 192.0.2.8\n", b"", id="changed-since"),
        pytest.param("", b"", id="emptied"),
        pytest.param(None, b"", id="gone"),
    ],
)
def test_the_text_of_a_compiled_rule_is_read_from_its_file(
    tmp_path: Path, now: str | None, text: bytes
) -> None:
    if now is not None:
        (tmp_path / "hosts.deny").write_text(now)
    (one,) = told(*compiled(files(tmp_path, deny=DENY)))
    assert (one.place.line, one.text) == (2, text)


def test_a_folder_in_place_of_the_file_has_no_text(tmp_path: Path) -> None:
    (tmp_path / "hosts.deny").mkdir()
    (one,) = told(*compiled(files(tmp_path, deny=DENY)))
    assert one.text == b""


@pytest.mark.parametrize(
    ("now", "texts"),
    [
        pytest.param(ALLOW, [b"sshd: 10.0.0.1", b"sshd: .x"], id="as-it-was"),
        pytest.param(ALLOW + "#\n", [b"", b"sshd: .x"], id="changed-since"),
        pytest.param(None, [b"", b"sshd: .x"], id="gone"),
    ],
)
def test_a_small_file_beside_a_large_one_has_its_texts(
    tmp_path: Path, now: str | None, texts: list[bytes]
) -> None:
    if now is not None:
        (tmp_path / "hosts.allow").write_text(now)
    assert [one.text for one in told(*compiled(files(tmp_path, ALLOW)))] == texts
