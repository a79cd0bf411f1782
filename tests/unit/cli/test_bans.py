# SPDX-License-Identifier: MIT
import json
import time
from pathlib import Path

import pytest

from socketgate.bans import NEVER, Ban, parse_net
from socketgate.banstore import Store
from socketgate.cli import main


def ban(net: str, made: int, daemon: str = "ALL", until: int = NEVER) -> Ban:
    return Ban(net=parse_net(net), made=made, daemon=daemon, until=until, origin="me", reason="a b")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "socketgate.toml"
    path.write_text(f'[bans]\nstore = "{tmp_path}/bans"\n')
    return path


@pytest.fixture
def filled(config: Path) -> Path:
    """With bans of three nets, the newest first."""
    soon = int(time.time()) + 90
    store = Store(config.parent / "bans")
    store.append([ban("192.0.2.0/24", 30), ban("192.0.2.7", 20, "sshd", soon)], 30.0)
    store.append([ban("2001:db8::/64", 10)], 30.0)
    return config


def nets(capsys: pytest.CaptureFixture[str], config: Path, *words: str) -> list[str]:
    main(["bans", "--json", *words, "--config", str(config)])
    return [one["net"] for one in json.loads(capsys.readouterr().out)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param([], ["2001:db8::/64", "192.0.2.7/32", "192.0.2.0/24"], id="oldest-first"),
        pytest.param(["192.0.2.7"], ["192.0.2.7/32", "192.0.2.0/24"], id="that-have-an-address"),
        pytest.param(["192.0.2.0/25"], ["192.0.2.7/32", "192.0.2.0/24"], id="of-a-net"),
        pytest.param(["192.0.2.8", "--daemon", "sshd"], ["192.0.2.0/24"], id="that-concern-one"),
        pytest.param(["--daemon", "ALL"], ["2001:db8::/64", "192.0.2.0/24"], id="for-all-daemons"),
        pytest.param(["--origin", "x"], [], id="of-an-origin"),
    ],
)
def test_the_bans_that_are_asked_for_are_told(
    filled: Path, words: list[str], expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert nets(capsys, filled, *words) == expected


def test_the_table_has_all_of_a_ban(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bans", "192.0.2.7", "--config", str(filled)]) == 0
    heading, one, net = capsys.readouterr().out.splitlines()
    assert heading.split() == ["NET", "DAEMON", "SINCE", "LEFT", "ORIGIN", "REASON"]
    assert one.split()[:2] == ["192.0.2.7", "sshd"]
    assert net.split()[-5:] == ["for", "ever", "me", "a", "b"]
    assert "1min" in one


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param([], 0, "there are no bans", id="none-at-all"),
        pytest.param(["192.0.2.7"], 1, "there are no bans", id="an-address"),
    ],
)
def test_without_bans_that_is_said(
    config: Path, words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bans", *words, "--config", str(config)]) == code
    assert capsys.readouterr() == ("", f"socketgate: {said}\n")


@pytest.mark.parametrize(
    ("words", "code"), [(["192.0.3.7"], 1), (["192.0.3.0/24"], 1), (["--origin", "x"], 0)]
)
def test_what_is_not_banned_is_said(
    filled: Path, words: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bans", *words, "--config", str(filled)]) == code
    assert capsys.readouterr() == ("", "socketgate: there is no such ban\n")


def test_an_address_that_is_none_is_an_error(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bans", "host.example", "--config", str(filled)]) == 2
    assert "no IPv4 or IPv6 address" in capsys.readouterr().err


def test_damage_is_mended_and_said(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (filled.parent / "bans").open("a") as file:
        file.write("rubbish\n")
    assert main(["bans", "--config", str(filled)]) == 0
    assert "3 bans could be read" in capsys.readouterr().err
    assert main(["bans", "--config", str(filled)]) == 0
    assert capsys.readouterr().err == ""
