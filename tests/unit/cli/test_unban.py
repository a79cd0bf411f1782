# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest

from socketgate.bans import Ban, parse_net
from socketgate.banstore import Store
from socketgate.cli import main


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A store with bans of two origins, for all daemons and for one."""
    path = tmp_path / "socketgate.toml"
    path.write_text(f'[bans]\nstore = "{tmp_path}/bans"\n')
    Store(tmp_path / "bans").append(
        [
            Ban(net=parse_net("192.0.2.7"), made=1, origin="a"),
            Ban(net=parse_net("192.0.2.7"), made=1, origin="b", daemon="sshd"),
            Ban(net=parse_net("2001:db8::/64"), made=1, origin="b"),
        ],
        1.0,
    )
    return path


def unban(config: Path, *words: str) -> int:
    return main(["unban", *words, "--config", str(config)])


def left(config: Path) -> list[tuple[str, str]]:
    return sorted((one.net.name, one.daemon) for one in Store(config.parent / "bans").bans(1.0))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["192.0.2.7"], [("2001:db8::/64", "ALL")], id="for-every-daemon"),
        pytest.param(
            ["192.0.2.7", "--daemon", "sshd"],
            [("192.0.2.7", "ALL"), ("2001:db8::/64", "ALL")],
            id="for-one-daemon",
        ),
        pytest.param(
            ["192.0.2.7", "--origin", "a"],
            [("192.0.2.7", "sshd"), ("2001:db8::/64", "ALL")],
            id="of-one-origin",
        ),
        pytest.param(
            ["2001:db8::9", "--prefix", "64"],
            [("192.0.2.7", "ALL"), ("192.0.2.7", "sshd")],
            id="as-it-was-banned",
        ),
        pytest.param(["--all"], [], id="all"),
        pytest.param(["--all", "--origin", "b"], [("192.0.2.7", "ALL")], id="all-of-one-origin"),
    ],
)
def test_the_bans_that_are_meant_end(
    config: Path, words: list[str], expected: list[tuple[str, str]]
) -> None:
    assert unban(config, *words) == 0
    assert left(config) == expected


def test_of_one_net_the_bans_of_other_origins_go_on(config: Path) -> None:
    Store(config.parent / "bans").append([Ban(parse_net("192.0.2.7"), 1, origin="b")], 1.0)
    assert unban(config, "192.0.2.7", "--origin", "a") == 0
    assert ("192.0.2.7", "ALL") in left(config)


def test_what_is_not_banned_is_said_and_the_others_end(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert unban(config, "192.0.2.7", "192.0.2.8") == 1
    assert capsys.readouterr().err == "socketgate: 192.0.2.8 is not banned\n"
    assert left(config) == [("2001:db8::/64", "ALL")]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["2001:db8::9"], id="a-wider-net-is"),
        pytest.param(["2001:db8::/64", "--origin", "a"], id="by-another"),
    ],
)
def test_where_another_ban_concerns_it_that_is_said(
    config: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert unban(config, *words) == 1
    assert capsys.readouterr().err == (
        f"socketgate: {words[0]} is not banned as such: 'socketgate bans {words[0]}' shows what "
        "concerns it\n"
    )


def test_an_address_in_a_banned_net_is_not_what_was_banned(config: Path) -> None:
    assert unban(config, "2001:db8::9") == 1


def test_what_is_missing_can_be_ignored(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert unban(config, "192.0.2.8", "--ignore-missing") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("words", [[], ["192.0.2.7", "--all"]])
def test_either_nets_or_all_must_be_named(config: Path, words: list[str]) -> None:
    assert unban(config, *words) == 2
    assert len(left(config)) == 3
