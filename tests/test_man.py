# SPDX-License-Identifier: MIT
"""The manual pages say what is the case, all of it."""

import ast
import json
import re
import subprocess
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from socketgate.answers import GATES
from socketgate.cli import VERBS, ExitCode, build_parser, main
from socketgate.config import (
    BansConfig,
    CommandsConfig,
    ControlConfig,
    DaemonConfig,
    Limits,
    RulesConfig,
    default_daemon,
    parse_config,
)
from socketgate.entry import KINDS, Outcome
from socketgate.lookup_values import LookupLimits
from socketgate.metrics import FAMILIES
from socketgate.rules.expand import _KEPT, _MADE
from socketgate.rules.keyword import KEYWORDS
from tests.support.manual import (
    PAGES,
    Decided,
    Example,
    items,
    literals,
    page,
    rule_examples,
    sections,
)
from tests.support.modules import MODULES, Module
from tests.support.verbs import options_of

VERB_SECTIONS = sections(page("socketgate.8"), "Ss")
CONFIG_SECTIONS = sections(page("socketgate.5"), "Ss")
RULES_SECTIONS = sections(page("socketgate-rules.5"), "Sh")

#: Table of the configuration -> the values it becomes.
TABLES = {
    "[rules]": RulesConfig,
    "[daemon.NAME]": DaemonConfig,
    "[limits]": Limits,
    "[lookups]": LookupLimits,
    "[bans]": BansConfig,
    "[control]": ControlConfig,
    "[commands]": CommandsConfig,
}
#: What a default is called that isn't a plain value.
DEFAULTS = {
    "backend": str(default_daemon("NAME").backend[0]),
    "backend-users": "none",
    "never-ban": "none",
    "viewer-groups": "none",
    "admin-groups": "socketgate-admin",
    "socket": "socketgate-command.socket",
}

#: Where diagnostics are made, and what their codes look like.
FINDERS = {
    "rules.keyword", "rules.lint", "rules.lintaddress", "rules.lintfiles", "rules.lintoption",
    "rules.lintword", "accountcheck", "namecheck", "surroundings", "filecheck",
}  # fmt: skip
CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")

#: What mandoc says about pages of others, which needn't be installed.
OF_OTHERS = re.compile(r"mandoc\.db|referenced manual not found")


def in_manual(verb: str) -> set[str]:
    heads = items(VERB_SECTIONS[f"socketgate {verb}"], "Fl")
    return {head.lstrip("-") for head in heads}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_mandoc_has_nothing_to_say(path: Path) -> None:
    done = subprocess.run(
        ["mandoc", "-Tlint", "-Wstyle", str(path)], capture_output=True, text=True, check=False
    )
    said = f"{done.stdout}{done.stderr}".splitlines()
    assert [line for line in said if not OF_OTHERS.search(line)] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_of_ours_that_is_named_is_there(path: Path) -> None:
    named = re.findall(r"\.Xr (socketgate\S*) (\d)", path.read_text())
    assert {f"{name}.{section}" for name, section in named} <= {one.name for one in PAGES}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_says_its_licence_first(path: Path) -> None:
    assert path.read_text().splitlines()[0] == '.\\" SPDX-License-Identifier: MIT'


def test_every_verb_has_its_section_and_no_other_word_has() -> None:
    assert set(VERB_SECTIONS) == {f"socketgate {verb}" for verb in VERBS}


@pytest.mark.parametrize("verb", VERBS)
def test_the_options_of_a_verb_are_in_the_manual_and_no_others(verb: str) -> None:
    assert in_manual(verb) == options_of(verb)


@pytest.mark.parametrize("verb", VERBS)
def test_the_synopsis_of_a_verb_has_every_option_it_has_not_left_to_the_word_options(
    verb: str,
) -> None:
    synopsis = VERB_SECTIONS[f"socketgate {verb}"].partition(".Pp")[0]
    named = set(re.findall(r"Fl -([\w-]+)", synopsis))
    assert named == options_of(verb) or "Op Ar options" in synopsis


def test_the_parser_knows_the_option_before_the_verbs() -> None:
    assert "--version" in build_parser()._option_string_actions
    assert ".Op Fl -version" in page("socketgate.8")


def test_every_exit_code_is_in_the_manual() -> None:
    text = sections(page("socketgate.8"), "Sh")["EXIT STATUS"]
    assert re.findall(r"^\.It (\d)$", text, re.MULTILINE) == [str(int(one)) for one in ExitCode]


def test_the_folder_of_the_gates_is_in_the_manual() -> None:
    assert f".Pa {GATES} " in VERB_SECTIONS["socketgate explain"]


def test_every_metric_is_in_the_manual_and_no_other() -> None:
    text = VERB_SECTIONS["socketgate metrics"]
    assert set(re.findall(r"\.Ql (socketgate_\w+)", text)) == set(FAMILIES)


def test_every_outcome_is_in_the_manual_with_its_message_id() -> None:
    rows = re.findall(r"^\.It (10\w) Ta (\S+) Ta ", page("socketgate.8"), re.MULTILINE)
    expected = {(KINDS[outcome].digits, outcome.value) for outcome in Outcome}
    assert expected <= set(rows)


def test_every_field_of_the_journal_is_in_the_manual() -> None:
    source = Path(__file__).parents[1] / "socketgate"
    text = (source / "entry.py").read_text() + (source / "audit.py").read_text()
    written = set(re.findall(r"\bSOCKETGATE_[A-Z_]*[A-Z]\b", text))
    written |= {"SOCKETGATE_CLIENT_HOST", "SOCKETGATE_CLIENT_USER"}
    journal = sections(page("socketgate.8"), "Sh")["JOURNAL"]
    assert set(re.findall(r"\bSOCKETGATE_[A-Z_]+", journal)) == written


@pytest.mark.parametrize("table", TABLES)
def test_the_keys_of_a_table_are_in_the_manual_and_no_others(table: str) -> None:
    keys = {one.name.replace("_", "-") for one in fields(TABLES[table])}
    assert set(items(CONFIG_SECTIONS[table], "Ic")) == keys


def test_every_table_is_in_the_manual_and_no_other() -> None:
    assert set(CONFIG_SECTIONS) == set(TABLES)


@pytest.mark.parametrize(
    ("table", "key"),
    [(table, one.name.replace("_", "-")) for table in TABLES for one in fields(TABLES[table])],
)
def test_a_key_has_its_default_in_the_manual(table: str, key: str) -> None:
    (default,) = (one.default for one in fields(TABLES[table]) if one.name.replace("_", "-") == key)
    entry = CONFIG_SECTIONS[table].partition(f".It Ic {key} No = Ar ")[2].partition(".It ")[0]
    plain = f"{default:g}" if isinstance(default, float) and default < 1e5 else f"{default}"
    said = re.sub(r"\s+", " ", entry.rpartition("Default:")[2].replace(".Pa ", ""))
    expected = DEFAULTS.get(key) or plain.removesuffix(".0")
    assert default is not MISSING or key in DEFAULTS
    assert re.match(rf" (the one of )?{re.escape(expected)}\b", said), said


@pytest.mark.parametrize("key", [one.name for one in fields(Limits)])
def test_a_limit_has_its_unit_in_the_manual(key: str) -> None:
    head = f".It Ic {key.replace('_', '-')} No = Ar "
    unit = CONFIG_SECTIONS["[limits]"].partition(head)[2].partition("\n")[0]
    assert unit == ("seconds" if key.endswith("_seconds") else unit) != ""


def test_the_examples_of_a_configuration_are_valid() -> None:
    texts = [text for text in literals(page("socketgate.5")) if "[" in text]
    assert [parse_config([(Path("example"), text)]).bans.never_ban != () for text in texts] == [
        True
    ]


def test_every_option_of_a_rule_is_in_the_manual_with_its_values() -> None:
    heads = re.findall(r"^\.It (Cm .*)$", RULES_SECTIONS["OPTIONS"], re.MULTILINE)
    shown = {
        re.sub(r"\b(Cm|Ar) ", "", part).strip() for head in heads for part in head.split(" , Cm ")
    }
    assert shown == {keyword.usage for keyword in KEYWORDS.values()}


def test_the_options_that_must_be_last_are_said_to_be() -> None:
    blocks = RULES_SECTIONS["OPTIONS"].split(".It Cm ")[1:]
    last = [block.splitlines()[0] for block in blocks if "Last\noption only" in block
            or "Last option only" in block]  # fmt: skip
    words = {word for head in last for word in re.findall(r"\b[a-z]+\d*", head)}
    expected = {name.decode() for name, one in KEYWORDS.items() if one.must_be_last}
    assert words == expected


def test_every_letter_of_an_expansion_is_in_the_manual_and_no_other() -> None:
    heads = re.findall(r"^\.It Cm (.*)$", RULES_SECTIONS["EXPANSIONS"], re.MULTILINE)
    shown = {letter for head in heads for letter in re.findall(r"%(.)", head.replace("%%", "%%"))}
    assert shown == {letter.decode() for letter in (*_KEPT, *_MADE) if letter}


def codes_of(module: Module) -> set[str]:
    """The texts of a module that are words joined by hyphens, as codes of diagnostics are."""
    texts = (node.value for node in ast.walk(module.tree()) if isinstance(node, ast.Constant))
    return {text for text in texts if isinstance(text, str) and CODE.fullmatch(text)}


def test_every_mistake_that_is_found_is_in_the_manual_and_no_other() -> None:
    known = set().union(*(codes_of(one) for one in MODULES if one.name in FINDERS))
    shown = set(items(RULES_SECTIONS["MISTAKES"], "Sy"))
    assert shown == known - {"utf-8", "lookup-accounts", "admin-groups", "viewer-groups"}


def decisions() -> list[tuple[Example, Decided]]:
    return [(example, one) for example in rule_examples() for one in example.decided]


def test_there_are_examples_of_rules() -> None:
    assert len(decisions()) >= 30


@pytest.mark.parametrize(
    ("example", "decided"),
    decisions(),
    ids=[f"{one.daemon}-{one.address}-{'-'.join(one.facts)}" for _, one in decisions()],
)
def test_an_example_of_rules_decides_as_it_says(
    example: Example, decided: Decided, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in ("/etc/hosts.allow", "/etc/hosts.deny", *example.files):
        text = example.files.get(path, "").replace("/etc/socketgate/", f"{tmp_path}/")
        (tmp_path / Path(path).name).write_text(text)
    files = [f"--allow={tmp_path}/hosts.allow", f"--deny={tmp_path}/hosts.deny"]
    main(["match", decided.daemon, decided.address, *decided.facts, *files, "--json"])
    answer = json.loads(capsys.readouterr().out)
    rule = f"hosts.{answer['file']}:{answer['line']}" if answer["file"] else ""
    assert (answer["verdict"], rule) == (decided.verdict, decided.rule)


@pytest.mark.parametrize("example", list(rule_examples()))
def test_an_example_of_rules_has_nothing_wrong(
    example: Example, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in ("/etc/hosts.allow", "/etc/hosts.deny", *example.files):
        text = example.files.get(path, "").replace("/etc/socketgate/", f"{tmp_path}/")
        (tmp_path / Path(path).name).write_text(text)
    files = [f"--allow={tmp_path}/hosts.allow", f"--deny={tmp_path}/hosts.deny"]
    assert main(["check", *files, "--no-lookups"]) == 0, capsys.readouterr().out
