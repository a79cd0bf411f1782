# SPDX-License-Identifier: MIT
"""Every case of the corpus, by the command line: `socketgate match --jsonl` as its users run it."""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypedDict

import pytest

from tests.support import commands
from tests.support.corpus import CASES, RawCase, RawQuery

CHECKOUT = Path(__file__).parents[2]


class Answer(TypedDict):
    verdict: str
    twist: bool
    file: str | None
    line: int | None
    errors: list[str]


def raw_cases() -> Iterator[RawCase]:
    with CASES.open(encoding="utf-8") as lines:
        for line in lines:
            case: RawCase = json.loads(line)
            yield case


def by_kinds() -> Mapping[tuple[str, str], list[RawCase]]:
    """What can't be said in a line goes by the command line: files that are no files."""
    groups: dict[tuple[str, str], list[RawCase]] = defaultdict(list)
    for case in raw_cases():
        groups[case.get("allow_kind", "absent"), case.get("deny_kind", "absent")].append(case)
    return groups


GROUPS = by_kinds()


def path_of(kind: str, folder: Path) -> Path:
    """A path that is as the kind says; a text in the line replaces it."""
    paths = {"absent": folder / "absent", "dir": folder, "enotdir": folder / "file" / "below"}
    return paths[kind]


def line_of(case: RawCase) -> str:
    query = case["query"]
    values: dict[str, object] = {
        "daemon": query["daemon"],
        "addr": query.get("addr") or query.get("lk_addr") or "unknown",
        "files": case.get("files", {}),
    }
    values |= {key: value for key, value in looked_up(query).items() if value}
    values |= {
        key: query[key] for key in ("cport", "sport", "aclexec", "netgroups") if key in query
    }
    values |= {key: case[key] for key in ("allow", "deny") if case[key] is not None}
    return json.dumps(values)


def looked_up(query: RawQuery) -> dict[str, str | None]:
    """In these cases it is all the same whether a fact was known before or is found out."""
    return {
        "name": query.get("name") or query.get("lk_name"),
        "user": query.get("user") or query.get("lk_user"),
        "saddr": query.get("saddr") or query.get("lk_saddr"),
        "sname": query.get("sname") or query.get("lk_sname"),
    }


def answers(cases: list[RawCase], allow: Path, deny: Path) -> list[Answer]:
    words = [sys.executable, "-m", "socketgate", "match", "--jsonl", "--libwrap"]
    result = subprocess.run(
        [*words, f"--allow={allow}", f"--deny={deny}"],
        input="".join(line_of(case) + "\n" for case in cases),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env=commands.environment(),
        cwd=CHECKOUT,
    )
    return [json.loads(line) for line in result.stdout.splitlines()]


def difference(case: RawCase, answer: Answer) -> str:
    """What is answered otherwise than by libwrap; empty when it is the same."""
    wanted = "deny" if case["live"] == "exit" else case["live"]  # of libwrap's process
    if answer["verdict"] != wanted:
        return f"{case}: {answer}"
    # The file and line of a case are those of a dry run, where commands succeed.
    if case["live"] != case["verdict"] or case["query"].get("aclexec", 0) != 0:
        return ""
    if (answer["file"], answer["line"]) != (case["file"], case["line"]):
        return f"{case}: {answer}"
    return ""


@pytest.mark.parametrize("kinds", sorted(GROUPS), ids="-".join)
def test_the_command_line_answers_the_corpus_as_libwrap_did(
    kinds: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    allow, deny = (path_of(kind, tmp_path) for kind in kinds)
    answered = answers(GROUPS[kinds], allow, deny)
    pairs = zip(GROUPS[kinds], answered, strict=True)
    assert [found for case, answer in pairs if (found := difference(case, answer))] == []
