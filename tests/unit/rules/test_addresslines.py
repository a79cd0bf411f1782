# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.addresslines import AddressRules, take_address_lines
from socketgate.rules.lines import LineReader
from socketgate.rules.request import TableName
from socketgate.rules.rule import DENY_BASE, NO_RULE, rule_number


def taken(text: bytes, table: TableName = TableName.DENY) -> tuple[AddressRules, bytes]:
    """What is taken of a text, and what is left."""
    reader, rules = LineReader(text), AddressRules()
    while take_address_lines(reader, table, rules):
        pass
    return rules, text[reader.position :]


def lines(rules: AddressRules, daemon: bytes = b"all") -> list[tuple[int, int, int]]:
    """First address, last address and line of all rules of a daemon."""
    found = rules[daemon]
    spans = [
        *zip(found.words, found.words, found.word_numbers, strict=True),
        *zip(found.nets, found.net_lasts, found.net_numbers, strict=True),
        *found.six_spans(),
    ]
    return sorted((first, last, (number - DENY_BASE) >> 1) for first, last, number in spans)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"ALL: 10.1.2.3\n", [(0x0A010203, 0x0A010203, 1)]),
        (b"all:10.1.2.3\r\n", [(0x0A010203, 0x0A010203, 1)]),
        (b"ALL \t: \t10.1.2.3 : deny\n", [(0x0A010203, 0x0A010203, 1)]),
        (b"ALL: 10.1.2.3\nALL: 10.1.2.4\n", [(0x0A010203,) * 2 + (1,), (0x0A010204,) * 2 + (2,)]),
        (b"ALL: 10.0.0.0/8\n", [(0x0A000000, 0x0AFFFFFF, 1)]),
        (b"ALL: 10.1.2.3/32\n", [(0x0A010203, 0x0A010203, 1)]),
        (b"ALL: 128.0.0.0/1\n", [(0x80000000, 0xFFFFFFFE, 1)]),
        (b"ALL: [::1]\n", [(1, 1, 1)]),
        (b"ALL: [::1]/127\n", [(0, 1, 1)]),
        (b"ALL: [::]/0\n", [(0, (1 << 128) - 1, 1)]),
    ],
)
def test_simple_lines_are_taken(text: bytes, wanted: list[tuple[int, int, int]]) -> None:
    rules, left = taken(text)
    assert (lines(rules), left) == (wanted, b"")


@pytest.mark.parametrize(
    "line",
    [
        b"ALL: 10.1.2.3/8\n", b"ALL: 10.0.0.0/0\n", b"ALL: 10.0.0.0/33\n", b"ALL: 010.1.2.3\n",
        b"ALL: 256.1.2.3\n", b"ALL: 10.1.2.3", b"ALL: 10.1.2.3 10.1.2.4\n", b"ALL: 10.\n",
        b"ALL: 10.1.2.3 \\\n", b"ALL: [::1::]\n", b"ALL: [::1]/129\n", b"except: 10.1.2.3\n",
        b"ALL, sshd: 10.1.2.3\n", b"sshd@h: 10.1.2.3\n", b" ALL: 10.1.2.3\n", b"# x\n", b"",
        b"ALL: 255.255.255.255/32\n", b"ALL: 10.1.2.3: spawn x\n", b"ALL: 10.1.2.3: deny: \n",
    ],
)  # fmt: skip
def test_other_lines_are_left(line: bytes) -> None:
    rules, left = taken(b"ALL: 10.9.9.9\n" + line)
    assert (lines(rules), left) == ([(0x0A090909, 0x0A090909, 1)], line)


def test_a_daemon_of_which_nothing_is_taken_has_no_entry() -> None:
    assert taken(b"sshd: 10.1.2.3/8\n") == ({}, b"sshd: 10.1.2.3/8\n")


@pytest.mark.parametrize(
    ("table", "option", "is_turned"),
    [
        (TableName.ALLOW, b"allow", False),
        (TableName.ALLOW, b"DENY", True),
        (TableName.DENY, b"Allow", True),
        (TableName.DENY, b"deny", False),
    ],
)
def test_an_option_can_turn_the_files_verdict(
    table: TableName, option: bytes, is_turned: bool
) -> None:
    rules, _ = taken(b"ALL: 10.1.2.3: " + option + b"\n", table)
    assert list(rules[b"all"].word_numbers) == [rule_number(table, 1, is_turned=is_turned)]


@pytest.mark.parametrize("count", [1, 127, 128, 129, 1000])
def test_runs_of_any_length_are_taken(count: int) -> None:
    text = b"".join(b"sshd: 10.0.%d.%d\n" % divmod(number, 256) for number in range(count))
    rules, left = taken(text)
    wanted = [(0x0A000000 + number,) * 2 + (number + 1,) for number in range(count)]
    assert (lines(rules, b"sshd"), left) == (wanted, b"")


def test_a_line_that_looks_right_and_is_not_ends_the_run() -> None:
    rules, left = taken(b"ALL: 10.0.0.0/8\nALL: 11.0.0.0/8\nALL: 12.0.0.1/8\nALL: 13.0.0.0/8\n")
    assert len(lines(rules)) == 2
    assert left.startswith(b"ALL: 12.0.0.1/8")


@pytest.mark.parametrize(
    ("quad", "first", "line"),
    [(0x0A010203, 0, 1), (0x0B000000, 0, None), (0x0A010203, NO_RULE, None)],
)
def test_a_net_is_found_for_odd_spellings(quad: int, first: int, line: int | None) -> None:
    rules, _ = taken(b"ALL: 10.0.0.0/8\nALL: 10.1.0.0/16\n")
    wanted = NO_RULE if line is None else rule_number(TableName.DENY, line)
    assert rules[b"all"].net_of(quad, first) == wanted


def test_rules_are_counted() -> None:
    rules, _ = taken(b"ALL: 10.1.2.3\nALL: 10.0.0.0/8\nALL: [::1]\n")
    assert len(rules[b"all"]) == 3
