# SPDX-License-Identifier: MIT
"""Fresh random cases, decided by the real libwrap and by socketgate: verdict, file and line.

SOCKETGATE_RANDOM_DECISIONS=N decides N of them (60,000 by default), SOCKETGATE_RANDOM_SEED=N begins
elsewhere; both are printed with a difference.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from socketgate.rules.request import CommandStatus
from socketgate.rules.source import Absent, Directory, Source, Sources, Text
from socketgate.rules.table import RuleTable, build_table
from tests.support.corpus import fast_difference, settle
from tests.support.libwrap import Judgement, Libwrap, Question, running_libwrap
from tests.support.rulegen import Generator, RuleSet

DECISIONS = int(os.environ.get("SOCKETGATE_RANDOM_DECISIONS", "60000"))
SEED = int(os.environ.get("SOCKETGATE_RANDOM_SEED", "1"))
REQUESTS_PER_SET = 60


@pytest.fixture(scope="module")
def libwrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Libwrap]:
    with running_libwrap(tmp_path_factory.mktemp("libwrap")) as running:
        yield running


def in_folder(rules: RuleSet, folder: Path) -> RuleSet:
    """The rule set with its folder's name filled in."""

    def filled(text: bytes) -> bytes:
        return text.replace(b"{DIR}", bytes(folder))

    return RuleSet(
        None if rules.allow is None else filled(rules.allow),
        None if rules.deny is None else filled(rules.deny),
        {name: filled(text) for name, text in rules.host_files.items()},
    )


def write(rules: RuleSet, folder: Path) -> None:
    """Put the rule set where libwrap finds it."""
    (folder / "folder").mkdir(exist_ok=True)
    for name, text in rules.host_files.items():
        (folder / os.fsdecode(name)).write_bytes(text)
    for file, content in (("hosts.allow", rules.allow), ("hosts.deny", rules.deny)):
        if content is None:
            (folder / file).unlink(missing_ok=True)
        else:
            (folder / file).write_bytes(content)


def table_of(rules: RuleSet, folder: Path) -> RuleTable:
    def source(text: bytes | None) -> Source:
        return Absent() if text is None else Text(text)

    base = bytes(folder) + b"/"
    files: dict[bytes, Source] = {
        base + name: Text(text) for name, text in rules.host_files.items()
    }
    files[base + b"folder"] = Directory()
    return build_table(
        Sources(
            allow=source(rules.allow),
            deny=source(rules.deny),
            host_files=files,
            interfaces=frozenset({b"lo"}),
            extensions=False,
        )
    )


def difference(table: RuleTable, question: Question, theirs: Judgement) -> str:
    """What socketgate says otherwise than libwrap; empty when it is the same."""
    verdict, asked = settle(table, question.request(), question.answer)
    if theirs.verdict == "exit" and any("names itself" in text for text in verdict.messages):
        return ""  # libwrap crashes at a host file that names itself
    wanted = "deny" if theirs.verdict == "exit" else theirs.verdict
    if verdict.access.value != wanted:
        return f"{question}: {verdict}, libwrap {theirs}"
    did_not_count = any(isinstance(lookup, CommandStatus) for lookup in asked)
    place = verdict.place
    ours = (None, None) if place is None else (place.table.value, place.line)
    if not did_not_count and theirs.verdict != "exit" and ours != (theirs.table, theirs.line):
        return f"{question}: {verdict}, libwrap {theirs}"
    return fast_difference(table, question.request(), verdict)


def test_random_cases_are_decided_as_by_libwrap(libwrap: Libwrap, tmp_path: Path) -> None:
    generator = Generator(SEED)
    for number in range(-(-DECISIONS // REQUESTS_PER_SET)):
        rules = in_folder(generator.rule_set(), tmp_path)
        write(rules, tmp_path)
        questions = [generator.question() for _ in range(REQUESTS_PER_SET)]
        judgements = libwrap.decide(
            tmp_path / "hosts.allow",
            tmp_path / "hosts.deny",
            questions,
            one_by_one=rules.needs_fresh_state,
        )
        table = table_of(rules, tmp_path)
        for question, judgement in zip(questions, judgements, strict=True):
            found = difference(table, question, judgement)
            assert not found, f"seed {SEED}, rule set {number}: {rules}\n{found}"
