# SPDX-License-Identifier: MIT
from dataclasses import fields
from pathlib import Path

import pytest

from socketgate.bans import parse_net
from socketgate.config import (
    BansConfig,
    CommandsConfig,
    Config,
    ControlConfig,
    DaemonConfig,
    HandoffMode,
    Limits,
    OnError,
    RulesConfig,
    affordable,
    load_config,
    parse_config,
)
from socketgate.errors import ConfigError
from socketgate.lookup_values import LookupLimits

FILE = Path("/etc/socketgate/socketgate.toml")


def parsed(text: str) -> Config:
    return parse_config([(FILE, text)])


def error_of(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parsed(text)
    return str(caught.value)


def test_no_file_at_all_gives_the_defaults_of_the_contract() -> None:
    config = parse_config([])
    assert config.rules == RulesConfig(
        allow=Path("/etc/hosts.allow"), deny=Path("/etc/hosts.deny"), on_error=OnError.KEEP
    )


def test_a_daemon_that_no_file_mentions_has_the_contract_s_backend_and_handoff() -> None:
    assert parse_config([]).daemon("sshd") == DaemonConfig(
        backend=(Path("/run/socketgate/backend/sshd.sock"),),
        handoff=HandoffMode.CHANNEL,
        backend_users=(),
    )


def test_every_key_of_the_contract_is_read() -> None:
    config = parsed(
        '[rules]\nallow = "/a"\ndeny = "/d"\non-error = "libwrap"\n'
        '[daemon.sshd]\nbackend = "/b.sock"\nhandoff = "connection"\n'
    )
    assert (config.rules, config.daemon("sshd")) == (
        RulesConfig(allow=Path("/a"), deny=Path("/d"), on_error=OnError.LIBWRAP),
        DaemonConfig(backend=(Path("/b.sock"),), handoff=HandoffMode.CONNECTION),
    )


def test_a_backend_may_be_a_list_of_paths() -> None:
    config = parsed('[daemon.web]\nbackend = ["/a.sock", "/b.sock"]\n')
    assert config.daemon("web").backend == (Path("/a.sock"), Path("/b.sock"))


def test_a_daemon_s_other_settings_keep_the_default_backend() -> None:
    config = parsed('[daemon.web]\nbackend-users = ["www-data"]\n')
    assert config.daemon("web") == DaemonConfig(
        backend=(Path("/run/socketgate/backend/web.sock"),), backend_users=("www-data",)
    )


def test_a_daemon_s_name_may_hold_dots_when_it_is_quoted() -> None:
    config = parsed('[daemon."in.ftpd"]\nbackend = "/b.sock"\n')
    assert config.daemon("in.ftpd").backend == (Path("/b.sock"),)


def test_who_runs_commands_and_how_long_they_may_take_can_be_set() -> None:
    config = parsed('[commands]\nsocket = "/c.sock"\nseconds = 7\ntwist-seconds = 8\n')
    assert config.commands == CommandsConfig(socket=Path("/c.sock"), seconds=7, twist_seconds=8)


@pytest.mark.parametrize("name", [limit.name for limit in fields(Limits)])
def test_every_limit_can_be_set(name: str) -> None:
    config = parsed(f"[limits]\n{name.replace('_', '-')} = 7\n")
    assert getattr(config.limits, name) == 7


@pytest.mark.parametrize("name", [limit.name for limit in fields(LookupLimits)])
def test_every_limit_of_lookups_can_be_set(name: str) -> None:
    config = parsed(f"[lookups]\n{name.replace('_', '-')} = 7\n")
    assert getattr(config.lookups, name) == 7


def test_who_runs_commands_keeps_bans_and_may_look_can_be_set() -> None:
    config = parsed(
        '[commands]\nsocket = "/r"\nseconds = 5\ntwist-seconds = 6\n'
        '[bans]\nstore = "/b"\nnever-ban = ["192.0.2.0/24"]\n'
        '[control]\nadmin-groups = ["adm"]\nviewer-groups = ["users"]\n'
    )
    assert (config.commands, config.bans, config.control) == (
        CommandsConfig(socket=Path("/r"), seconds=5, twist_seconds=6),
        BansConfig(store=Path("/b"), never_ban=(parse_net("192.0.2.0/24"),)),
        ControlConfig(admin_groups=("adm",), viewer_groups=("users",)),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("[rule]\n", "1: rule is unknown: did you mean 'rules'?", id="section"),
        pytest.param(
            "\n[xyzzy]\n",
            "2: xyzzy is unknown: "
            "valid are bans, commands, control, daemon, limits, lookups, rules",
            id="far-section",
        ),
        pytest.param(
            '[rules]\n\nalow = "/a"\n',
            "3: rules.alow is unknown: did you mean 'allow'?",
            id="key-of-rules",
        ),
        pytest.param(
            '[rules]\non_error = "keep"\n',
            "2: rules.on_error is unknown: did you mean 'on-error'?",
            id="underscore",
        ),
        pytest.param(
            "[rules]\nqqqq = 1\n",
            "2: rules.qqqq is unknown: valid are allow, deny, on-error",
            id="far-key",
        ),
        pytest.param(
            '[daemon.a]\nbackend = "/a"\n[daemon.b]\nbackends = "/b"\n',
            "4: daemon.b.backends is unknown: did you mean 'backend'?",
            id="key-of-a-daemon",
        ),
        pytest.param(
            "[limits]\nheld-connection = 5\n",
            "2: limits.held-connection is unknown: did you mean 'held-connections'?",
            id="key-of-limits",
        ),
        pytest.param(
            'daemon.sshd.handof = "channel"\n',
            "1: daemon.sshd.handof is unknown: did you mean 'handoff'?",
            id="dotted-key",
        ),
        pytest.param(
            '[daemon."in.ftpd"]\n# backend\nbackened = "/b"\n',
            "3: daemon.in.ftpd.backened is unknown: did you mean 'backend'?",
            id="quoted-name",
        ),
        pytest.param("rules = 5\n", "1: rules must be a table: [rules]", id="section-no-table"),
        pytest.param("daemon = 5\n", "1: daemon must be a table: [daemon]", id="daemon-no-table"),
        pytest.param(
            "[daemon]\nsshd = 5\n",
            "2: daemon.sshd must be a table: [daemon.sshd]",
            id="one-daemon-no-table",
        ),
        pytest.param("[[rules]]\n", "1: rules must be a table: [rules]", id="array-of-tables"),
    ],
)
def test_an_error_names_file_line_and_nearest_key(text: str, message: str) -> None:
    assert error_of(text) == f"{FILE}:{message}"


@pytest.mark.parametrize(
    ("text", "where", "wanted"),
    [
        pytest.param(
            "[rules]\nallow = 5",
            "rules.allow",
            'an absolute path, such as "/etc/hosts.allow"',
            id="path-number",
        ),
        pytest.param(
            '[rules]\nallow = "hosts.allow"',
            "rules.allow",
            'an absolute path, such as "/etc/hosts.allow"',
            id="path-relative",
        ),
        pytest.param(
            '[rules]\ndeny = "/a\\u0000b"',
            "rules.deny",
            'an absolute path, such as "/etc/hosts.allow"',
            id="path-nul",
        ),
        pytest.param(
            '[rules]\non-error = "ignore"', "rules.on-error", '"keep" or "libwrap"', id="choice"
        ),
        pytest.param(
            "[rules]\non-error = true", "rules.on-error", '"keep" or "libwrap"', id="choice-bool"
        ),
        pytest.param(
            "[daemon.x]\nbackend = []",
            "daemon.x.backend",
            "a path or a list of at least one path",
            id="no-path",
        ),
        pytest.param(
            '[daemon.x]\nbackend = ["/a", 5]',
            "daemon.x.backend",
            'an absolute path, such as "/etc/hosts.allow"',
            id="a-path-and-a-number",
        ),
        pytest.param(
            '[daemon.x]\nhandoff = "proxy"',
            "daemon.x.handoff",
            '"channel" or "connection"',
            id="handoff",
        ),
        pytest.param(
            '[daemon.x]\nbackend-users = "www-data"',
            "daemon.x.backend-users",
            'a list of user names, such as ["www-data"]',
            id="users-no-list",
        ),
        pytest.param(
            '[daemon.x]\nbackend-users = [""]',
            "daemon.x.backend-users",
            'a list of user names, such as ["www-data"]',
            id="users-empty",
        ),
        pytest.param(
            '[control]\nadmin-groups = "adm"',
            "control.admin-groups",
            'a list of group names, such as ["adm"]',
            id="groups-no-list",
        ),
        pytest.param(
            '[bans]\nnever-ban = "192.0.2.0/24"',
            "bans.never-ban",
            'a list of addresses and networks, such as ["192.0.2.0/24"]',
            id="nets-no-list",
        ),
        pytest.param(
            '[bans]\nnever-ban = ["192.0.2.0/33"]',
            "bans.never-ban",
            "addresses and networks: '192.0.2.0/33': a network's length is a number from 1 to 32",
            id="net-too-long",
        ),
        pytest.param(
            '[commands]\nsocket = "run"',
            "commands.socket",
            'an absolute path, such as "/etc/hosts.allow"',
            id="runner-relative",
        ),
        pytest.param(
            "[lookups]\nname-seconds = 0",
            "lookups.name-seconds",
            "a whole number from 1 to 1000000",
            id="lookup-limit-0",
        ),
        *(
            pytest.param(
                f"[limits]\nheld-connections = {value}",
                "limits.held-connections",
                "a whole number from 1 to 1000000",
                id=f"limit-{value}",
            )
            for value in ("0", "-1", "1000001", "1.5", "true", '"5"', "[5]")
        ),
    ],
)
def test_a_value_of_the_wrong_type_is_told_what_it_must_be(
    text: str, where: str, wanted: str
) -> None:
    assert error_of(text) == f"{FILE}:2: {where} must be {wanted}"


def test_what_is_no_toml_is_said_with_its_line() -> None:
    assert error_of("[rules]\nallow = \n").startswith(f"{FILE}:2: not valid TOML: ")


def test_a_key_said_twice_in_two_files_is_an_error_at_the_later_one(tmp_path: Path) -> None:
    first, second = tmp_path / "10.toml", tmp_path / "20.toml"
    texts = [
        (first, '[daemon.sshd]\nbackend = "/a"\n'),
        (second, '[daemon.web]\nbackend = "/w"\n[daemon.sshd]\nbackend = "/b"\n'),
    ]
    with pytest.raises(ConfigError) as caught:
        parse_config(texts)
    assert str(caught.value) == (
        f"{second}:4: daemon.sshd.backend is already set in an earlier file; keep one of them"
    )


def test_one_daemon_s_keys_may_come_from_several_files() -> None:
    config = parse_config(
        [
            (Path("/1"), '[daemon.sshd]\nbackend = "/a"\n'),
            (Path("/2"), '[daemon.sshd]\nhandoff = "connection"\n'),
        ]
    )
    assert config.daemon("sshd") == DaemonConfig(
        backend=(Path("/a"),), handoff=HandoffMode.CONNECTION
    )


def test_a_daemon_s_table_with_such_a_name_is_an_error() -> None:
    assert error_of('\n[daemon."../x"]\nbackend = "/b"\n') == (
        f"{FILE}:2: daemon.../x can't be a daemon's name (FileDescriptorName=): "
        "letters, digits, '_', '-' and inner '.' only, as in sshd or in.ftpd"
    )


def test_the_parts_of_the_folder_are_merged_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text('[rules]\nallow = "/a"\n')
    (tmp_path / "gate.d").mkdir()
    (tmp_path / "gate.d" / "b.toml").write_text('[daemon.b]\nbackend = "/b"\n')
    (tmp_path / "gate.d" / "a.toml").write_text('[daemon.a]\nbackend = "/a"\n')
    config = load_config(tmp_path / "gate.toml")
    assert (config.rules.allow, list(config.daemons)) == (Path("/a"), ["a", "b"])


@pytest.mark.parametrize(
    ("descriptors", "held", "deciding"),
    [
        pytest.param(65_536, 512, 4096, id="as-the-unit-has-it"),
        pytest.param(1024, 488, 488, id="a-shell's-default"),
        pytest.param(80, 16, 16, id="few"),
        pytest.param(10, 1, 1, id="too-few"),
    ],
)
def test_clients_never_take_all_descriptors(descriptors: int, held: int, deciding: int) -> None:
    limits = affordable(Limits(), descriptors)
    assert (limits.held_connections, limits.deciding_connections) == (held, deciding)


def test_a_number_of_thousands_of_digits_is_a_mistake_like_any_other() -> None:
    assert "not valid TOML" in error_of(f"[limits]\nhandoff-seconds = {'9' * 5000}\n")


def test_a_key_that_is_set_is_named_with_its_place() -> None:
    config = parsed('[rules]\n[daemon.web]\nbackend-users = ["www-data"]\n')
    assert config.where("daemon", "web", "backend-users").endswith(
        ".toml:3: daemon.web.backend-users"
    )


def test_a_key_that_is_not_set_is_named_alone() -> None:
    assert parsed("").where("daemon", "web", "backend-users") == "daemon.web.backend-users"
