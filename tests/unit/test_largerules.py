# SPDX-License-Identifier: MIT
"""Large rule files: what is compiled, mapped and appended decides as the whole text does."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from socketgate.config import OnError, RulesConfig
from socketgate.largerules import (
    LARGE_BYTES,
    CannotCompile,
    CompilerStarved,
    Order,
    WrongRules,
    appended_to,
    find_prepared,
    read_answer,
    table_of,
)
from socketgate.rulefiles import load_saved_sources
from socketgate.rules.policy import NotCovered
from socketgate.rules.source import was_emptied
from socketgate.rules.table import RuleTable, build_table
from socketgate.tablefile import indexes
from tests.support.largefiles import ADDRESSES, ALLOW, DENY, KEY, Files

Change = Callable[[Files], object]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def verdicts(table: RuleTable) -> Iterator[object]:
    policy = table.policy(*KEY)
    for address in ADDRESSES:
        verdict = policy.verdict(address)
        yield verdict and (verdict.access, verdict.place, verdict.actions)


def assert_same(table: RuleTable, files: Files) -> None:
    whole = build_table(files.sources())
    assert list(verdicts(table)) == list(verdicts(whole))
    assert table.rule_count == whole.rule_count
    assert set(table.by_number) <= set(whole.by_number)


def test_what_a_child_compiled_decides_as_the_text(files: Files) -> None:
    assert_same(table_of(files.compile()), files)


def test_a_table_is_found_again_for_the_same_files(files: Files) -> None:
    files.compile()
    found = find_prepared(files.order())
    assert found is not None
    assert_same(table_of(*found), files)


def test_what_was_appended_is_behind_what_is_compiled(files: Files) -> None:
    prepared = files.compile()
    files.append("sshd: 203.0.113.\nALL: 203.0.113.200 : allow\nALL: 10.3.3.3\n")
    sources = appended_to(prepared)
    assert sources is not None
    assert_same(table_of(prepared, sources), files)


def test_a_start_after_something_was_appended_compiles_nothing(files: Files) -> None:
    files.compile()
    files.append("ALL: 203.0.113.10\n")
    found = find_prepared(files.order())
    assert found is not None
    assert_same(table_of(*found), files)


@pytest.mark.parametrize("change", [
    pytest.param(lambda files: files.deny.write_text(DENY.replace("192.0.2.7", "192.0.2.9")),
                 id="written-again"),
    pytest.param(lambda files: files.deny.write_text(DENY[:-20]), id="shorter"),
    pytest.param(lambda files: files.allow.unlink(), id="gone"),
    pytest.param(lambda files: files.append("ALL: /etc/hosts.list\n"), id="names-a-host-file"),
    pytest.param(lambda files: files.append("ALL: 192.0.2.1\n" * 20_000), id="much-appended"),
])  # fmt: skip
def test_any_other_change_is_no_appending(files: Files, change: Change) -> None:
    prepared = files.compile()
    change(files)
    assert appended_to(prepared) is None
    assert find_prepared(files.order()) is None


def test_an_unfinished_last_line_is_not_appended_to(files: Files) -> None:
    files.deny.write_text("ALL: 192.0.2.7\\\n")
    prepared = files.compile(OnError.LIBWRAP)
    files.append(" 192.0.2.8\n")
    assert appended_to(prepared) is None


def test_a_file_that_was_empty_beside_a_large_one_was_not_emptied(files: Files) -> None:
    """Else a mistake soon after would bring back the rules before (reload.EMPTIED_SECONDS)."""
    files.allow.write_text("")
    before = files.compile().sources
    files.deny.write_text("ALL: 192.0.2.8\n")
    assert not was_emptied(before, files.sources())


def test_a_file_that_is_emptied_beside_a_large_one_is_seen(files: Files) -> None:
    before = files.compile().sources
    files.allow.write_text("")
    assert was_emptied(before, files.compile().sources)


def test_two_lists_of_addresses_alone_are_not_taken_for_each_other(files: Files) -> None:
    files.allow.write_text("")
    files.deny.write_text("ALL: 192.0.2.7\n")
    one = files.compile()
    files.deny.write_text("ALL: 192.0.2.8\n")
    other = files.compile()
    assert one.sources != other.sources
    assert table_of(one) != table_of(other)


def test_an_aclexec_rule_keeps_the_files_apart(files: Files) -> None:
    files.allow.write_text("ALL: 10. : aclexec true\n" + ALLOW)
    assert_same(table_of(files.compile()), files)


def test_an_appended_aclexec_rule_has_all_compiled_anew(files: Files) -> None:
    prepared = files.compile()
    with files.allow.open("a") as file:
        file.write("ALL: 10. : aclexec true\n")
    sources = appended_to(prepared)
    assert sources is not None
    with pytest.raises(NotCovered):
        table_of(prepared, sources)


def test_a_large_host_file_is_there_by_its_addresses(files: Files, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("198.51.100.77\n" + "192.0.2.99\n" * (LARGE_BYTES // 10))
    files.deny.write_text(f"{DENY}ALL: {hosts}\n")
    assert_same(table_of(files.compile()), files)


def test_a_large_host_file_that_was_changed_is_not_taken_for_itself(
    files: Files, tmp_path: Path
) -> None:
    """Else a reload would find that nothing has changed, and a ban in it would never hold."""
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.99\n" * (LARGE_BYTES // 10))
    files.deny.write_text(f"ALL: {hosts}\n")
    before = files.compile()
    with hosts.open("a") as file:
        file.write("198.51.100.77\n")
    after = files.compile()
    assert before.sources != after.sources
    assert table_of(before) != table_of(after)


def test_a_large_host_file_with_all_is_not_compiled_here(files: Files, tmp_path: Path) -> None:
    """ALL matches clients without an address too, whom no span has."""
    hosts = tmp_path / "hosts"
    hosts.write_text("ALL\n" + "192.0.2.99\n" * (LARGE_BYTES // 10))
    files.deny.write_text(f"ALL: {hosts}\n")
    with pytest.raises(CannotCompile, match="more than addresses"):
        files.compile()


def test_a_host_file_that_changed_since_is_no_appending(files: Files, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("198.51.100.77\n")
    files.deny.write_text(f"{DENY}ALL: {hosts}\n")
    prepared = files.compile()
    assert appended_to(prepared) == prepared.sources
    hosts.write_text("198.51.100.78\n")
    assert appended_to(prepared) is None


@pytest.mark.parametrize(
    ("rule", "in_host_file"),
    [("ALL: [fe80::1%{}]", ""), ("ALL: {}/hosts", "[fe80::1%{}]\n")],
    ids=["rule", "host-file"],
)
def test_a_zone_counts_as_soon_as_its_interface_is_there(
    files: Files, tmp_path: Path, rule: str, in_host_file: str
) -> None:
    """It is compiled as an address that matches nobody while there is none."""
    (tmp_path / "hosts").write_text(in_host_file.format("wg9"))
    files.deny.write_text(rule.format(tmp_path if in_host_file else "wg9") + "\n")
    prepared = files.compile(OnError.LIBWRAP)
    before = replace(prepared.sources, interfaces=prepared.sources.interfaces | {b"gone"})
    assert appended_to(prepared) is not None
    assert appended_to(replace(prepared, sources=before)) is None


def test_what_was_compiled_as_libwrap_has_it_is_not_taken_for_right(files: Files) -> None:
    files.append("ALL: 0.0.0.0/0\n")
    files.compile(OnError.LIBWRAP)
    assert find_prepared(files.order(OnError.LIBWRAP)) is not None
    assert find_prepared(files.order()) is None


def test_a_large_host_file_with_names_is_not_compiled_here(files: Files, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(".example.org\n" + "192.0.2.99\n" * (LARGE_BYTES // 10))
    files.deny.write_text(f"ALL: {hosts}\n")
    with pytest.raises(CannotCompile, match="host file"):
        files.compile()


def test_rules_with_errors_are_not_compiled_and_said(files: Files) -> None:
    files.append("ALL: 0.0.0.0/0\n")
    with pytest.raises(WrongRules) as wrong:
        files.compile()
    assert wrong.value.mistakes[0].advice.startswith(f"{files.deny}:10:")
    assert indexes(files.cache, [KEY]) == []


def test_like_libwrap_rules_with_errors_are_compiled(files: Files) -> None:
    files.append("ALL: 0.0.0.0/0\nno colon\nALL: 203.0.113.10\n")
    assert_same(table_of(files.compile(OnError.LIBWRAP)), files)


def test_the_child_keeps_the_last_good_rules(files: Files) -> None:
    files.compile()
    assert load_saved_sources(files.last_good, files.order().config) == files.sources()


@pytest.mark.parametrize("last_good", [None, Path("/var/lib/g\u00fct \udcff.tar")])
def test_an_order_survives_the_command_line(last_good: Path | None) -> None:
    config = RulesConfig(allow=Path("/a b"), deny=Path("d"), on_error=OnError.LIBWRAP)
    order = Order(config, ((b"ssh\xff", 22), (b"x", None)), Path("/var/cache"), last_good)
    assert Order.from_text(order.as_text()) == order


def test_a_child_that_was_ended_is_no_answer() -> None:
    with pytest.raises(CompilerStarved, match="ended"):
        read_answer(b"")
