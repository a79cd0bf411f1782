# SPDX-License-Identifier: MIT
"""What README.md, docs/ and the journal's catalog say is the case."""

import re
import shlex
from pathlib import Path

import pytest

from socketgate.cli import VERBS, main, parse
from socketgate.config import parse_config
from socketgate.journal import MESSAGE_ID
from tests.support.manual import page

PROJECT = Path(__file__).parents[1]
README = PROJECT / "README.md"
TEXTS = [README, *sorted((PROJECT / "docs").glob("*.md"))]
CATALOG = (PROJECT / "units" / "socketgate.catalog").read_text()

#: A command in a block of code, with or without the shell's prompt.
COMMAND = re.compile(r"^(?:    |[$#] )(socketgate [a-z].*)$", re.MULTILINE)
#: A line that is added to a rule file.
ADDED_RULE = re.compile(r"""^    echo (['"])(.*)\1 >> /etc/hosts\.(?:allow|deny)""", re.MULTILINE)
#: A file of ours that a text names.
NAMED_FILE = re.compile(
    r"(?<![\w/.@~=-])(?:docs|packaging|tests|units|socketgate)/[A-Za-z0-9_@.-]+(?:/[A-Za-z0-9_@.-]+)*"
)


def commands() -> list[tuple[Path, list[str]]]:
    return [
        (path, shlex.split(line, comments=True)[1:])
        for path in TEXTS
        for line in COMMAND.findall(path.read_text())
    ]


def in_words(words: list[str]) -> str:
    return " ".join(words)


def documented(*verbs: str) -> list[list[str]]:
    return [words for _, words in commands() if words[0] in verbs]


def test_every_verb_that_an_admin_types_has_an_example() -> None:
    shown = {words[0] for _, words in commands()} | set(
        re.findall(r"socketgate ([a-z]+)", page("socketgate.8"))
    )
    assert set(VERBS) <= shown


@pytest.mark.parametrize(("path", "words"), commands(), ids=lambda one: str(one)[-60:])
def test_a_command_that_is_shown_is_one(path: Path, words: list[str]) -> None:
    parse(words[0], words[1:])  # leaves by SystemExit when it is none


@pytest.mark.parametrize(
    "words", [one for one in documented("unit") if "--install" in one], ids=in_words
)
def test_units_that_are_installed_in_a_text_are_installed(words: list[str], tmp_path: Path) -> None:
    at = words.index("--install")
    assert main([*words[:at], f"--root={tmp_path}", *words[at:]]) == 0


@pytest.mark.parametrize("rule", [rule for _, rule in ADDED_RULE.findall(README.read_text())])
def test_a_rule_that_is_shown_has_nothing_wrong(
    rule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "allow").write_text(rule.replace("${SSH_CONNECTION%% *}", "192.0.2.9") + "\n")
    (tmp_path / "deny").touch()
    files = [f"--allow={tmp_path}/allow", f"--deny={tmp_path}/deny", "--no-lookups"]
    assert main(["check", *files]) == 0, capsys.readouterr()


def test_the_rule_that_refuses_somebody_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (_, rule), *_ = ADDED_RULE.findall(README.read_text())
    (tmp_path / "allow").touch()
    (tmp_path / "deny").write_text(f"{rule}\n")
    files = [f"--allow={tmp_path}/allow", f"--deny={tmp_path}/deny"]
    codes = [main(["match", "sshd", one, *files]) for one in ("192.0.2.7", "192.0.2.8")]
    assert codes == [1, 0], capsys.readouterr()


def blocks(kind: str) -> list[tuple[Path, str]]:
    block = re.compile(rf"^```{kind}\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    return [(path, text) for path in TEXTS for text in block.findall(path.read_text())]


@pytest.mark.parametrize(("path", "text"), blocks("toml"))
def test_a_configuration_that_is_shown_is_valid(path: Path, text: str) -> None:
    parse_config([(path, text)])


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_a_file_that_a_text_names_is_there(path: Path) -> None:
    named = {one.rstrip(".") for one in NAMED_FILE.findall(path.read_text())}
    missing = {one for one in named if not (PROJECT / one).exists()}
    assert missing == set()


def in_code() -> set[str]:
    """The last digits of every MESSAGE_ID that is written."""
    text = "".join(path.read_text() for path in (PROJECT / "socketgate").glob("*.py"))
    return set(re.findall(r'"(1[0-9a-f]{2})"', text))


def test_every_message_id_is_in_the_catalog() -> None:
    assert in_code() <= set(re.findall(rf"^-- {MESSAGE_ID}(\w+)$", CATALOG, re.MULTILINE))


def test_every_message_id_of_the_catalog_is_in_the_manual() -> None:
    catalog = re.findall(rf"^-- {MESSAGE_ID}(\w+)$", CATALOG, re.MULTILINE)
    assert re.findall(r"^\.It (1\w\w) Ta", page("socketgate.8"), re.MULTILINE) == catalog


def test_the_manual_has_what_every_message_id_begins_with() -> None:
    assert f"is {MESSAGE_ID}, followed" in page("socketgate.8")


@pytest.mark.parametrize("verb", re.findall(r"`socketgate ([a-z]+)", CATALOG))
def test_a_command_that_the_catalog_names_is_one(verb: str) -> None:
    assert verb in VERBS
