# SPDX-License-Identifier: MIT
import tempfile
from pathlib import Path

import pytest

from socketgate.bans import NEVER
from socketgate.banstore import Store
from socketgate.cli import main
from tests.support.forked import as_nobody
from tests.support.waiting import environment


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "socketgate.toml"
    path.write_text(f'[bans]\nstore = "{tmp_path}/bans"\nnever-ban = ["198.51.100.7"]\n')
    return path


def ban(config: Path, *words: str) -> int:
    return main(["ban", *words, "--config", str(config)])


def banned(config: Path) -> list[str]:
    return [one.net.name for one in Store(config.parent / "bans").bans(0.0)]


def test_several_can_be_banned_at_once(config: Path) -> None:
    assert ban(config, "192.0.2.7", "2001:db8::/32") == 0
    assert banned(config) == ["192.0.2.7", "2001:db8::/32"]


def test_a_ban_has_all_that_was_said_of_it(config: Path) -> None:
    ban(
        config, "192.0.2.7", "--for", "10m", "--daemon", "sshd", "--reason", "a b", "--origin", "me"
    )
    (found,) = Store(config.parent / "bans").bans(0.0)
    assert (found.daemon, found.reason, found.origin) == ("sshd", "a b", "me")
    assert found.until - found.made == 600


@pytest.mark.parametrize("words", [[], ["--for", "-1"]])
def test_a_ban_without_a_time_has_no_end(config: Path, words: list[str]) -> None:
    ban(config, "192.0.2.7", *words)
    assert [one.until for one in Store(config.parent / "bans").bans(0.0)] == [NEVER]


def test_an_ipv6_address_is_banned_with_its_neighbours(config: Path) -> None:
    ban(config, "2001:db8::7", "192.0.2.7", "--prefix", "64")
    assert banned(config) == ["192.0.2.7", "2001:db8::/64"]


@pytest.mark.parametrize(
    "words",
    [["192.0.2.x"], ["192.0.2.0/0"], ["2001:db8::1", "--prefix", "0"], ["fe80::1%eth0"]],
)
def test_what_cannot_be_banned_is_one_clear_line(
    config: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ban(config, *words) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert banned(config) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["2001:db8::1", "--prefix", "0"], "--prefix 0: write a number of bits from 1 to 128"),
        (["192.0.2.7", "--prefix", "129"], "--prefix 129: write a number of bits from 1 to 128"),
        (["192.0.2.7", "--prefix", "24"], "for IPv4 write 192.0.2.7/24"),
        (["fe80::1%lo"], "leave the zone out"),
    ],
)
def test_what_is_wrong_says_what_to_write(
    config: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ban(config, *words) == 2
    assert said in capsys.readouterr().err
    assert banned(config) == []


@pytest.mark.parametrize("words", [["192.0.2.7", "--prefix", "32"], ["192.0.2.7/24"]])
def test_a_prefix_that_changes_nothing_for_ipv4_is_no_mistake(
    config: Path, words: list[str]
) -> None:
    assert ban(config, *words) == 0


def test_who_comes_by_a_link_local_address_does_not_ban_himself(config: Path) -> None:
    with environment(SSH_CONNECTION="fe80::1%lo 1 fe80::2%lo 22"):
        assert ban(config, "fe80::/10") == 2
    assert banned(config) == []


def test_who_comes_by_ssh_does_not_ban_himself(config: Path) -> None:
    with environment(SSH_CONNECTION="192.0.2.7 1 2 3"):
        assert ban(config, "192.0.2.0/24") == 2
    assert banned(config) == []


def test_he_does_if_he_insists(config: Path) -> None:
    with environment(SSH_CONNECTION="192.0.2.7 1 2 3"):
        assert ban(config, "192.0.2.0/24", "--force") == 0
    assert banned(config) == ["192.0.2.0/24"]


@pytest.mark.parametrize(
    ("net", "warned"), [("198.51.100.0/24", True), ("198.51.100.7", True), ("198.51.100.8", False)]
)
def test_it_is_said_whom_the_ban_does_not_concern(
    config: Path, net: str, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ban(config, net) == 0
    assert ("198.51.100.7 is in never-ban" in capsys.readouterr().err) is warned


def test_a_daemon_that_is_not_there_is_said_and_banned_for(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ban(config, "192.0.2.7", "--daemon", "no-such-daemon") == 0
    assert "no socket is called no-such-daemon" in capsys.readouterr().err
    assert banned(config) == ["192.0.2.7"]


def test_without_the_folder_it_says_how_to_make_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "socketgate.toml"
    config.write_text(f'[bans]\nstore = "{tmp_path}/nowhere/bans"\n')
    assert ban(config, "192.0.2.7") == 2
    assert "systemd-tmpfiles --create" in capsys.readouterr().err


def test_damage_is_said(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "bans").write_text("rubbish\n")
    assert ban(config, "192.0.2.7") == 0
    assert "was damaged" in capsys.readouterr().err


def test_who_may_not_is_told_by_the_exit_code() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        config = folder / "socketgate.toml"
        config.write_text(f'[bans]\nstore = "{folder}/bans"\n')
        assert as_nobody(lambda: str(int(ban(config, "192.0.2.7")))) == "4"
