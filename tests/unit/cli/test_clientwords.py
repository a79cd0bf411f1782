# SPDX-License-Identifier: MIT
import pytest

from socketgate.cli.clientwords import port, split_at, values_by_key
from socketgate.errors import ConfigError

KEYS = ("name", "sport")


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("sshd", ("sshd", None)),
        ("sshd@192.0.2.1", ("sshd", "192.0.2.1")),
        ("bob@192.0.2.7", ("bob", "192.0.2.7")),
        ("@group", ("@group", None)),
        ("@group@192.0.2.1", ("@group", "192.0.2.1")),
        ("a[@]@b", ("a[@]", "b")),
        ("\udcff@b", ("\udcff", "b")),
    ],
)
def test_a_word_is_split_where_the_rules_split(word: str, parts: tuple[str, str | None]) -> None:
    assert split_at(word) == parts


def test_values_go_by_their_keys() -> None:
    assert values_by_key(["name=a=b", "sport="], KEYS) == {"name": "a=b", "sport": ""}


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (["x=1"], "'x=1': write KEY=VALUE, with a KEY of: name, sport"),
        (["name"], "'name': write KEY=VALUE, with a KEY of: name, sport"),
        (["name=a", "name=a"], "name is given twice"),
    ],
)
def test_what_can_t_be_meant_is_said(pairs: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=f"^{said}$"):
        values_by_key(pairs, KEYS)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("22", 22), ("65535", 65535)])
def test_a_port_is_a_number(text: str, number: int) -> None:
    assert port("sport", text) == number


@pytest.mark.parametrize("text", ["", "65536", "-1", "ssh", "000022", "٢٢"])
def test_anything_else_is_no_port(text: str) -> None:
    with pytest.raises(ConfigError, match=f"sport={text}: no port: write a number up to 65535"):
        port("sport", text)
