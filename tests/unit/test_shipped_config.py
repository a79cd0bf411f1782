# SPDX-License-Identifier: MIT
"""The configuration that packages install: comments that show every setting, and nothing else."""

import re
import tomllib
from pathlib import Path

from socketgate import config
from socketgate.config import Config, default_daemon, parse_config

SHIPPED = Path(__file__).resolve().parents[2] / "packaging/socketgate.toml"

#: The daemon that stands for all in the comments.
SHOWN = "sshd"

#: Without a value that could be shown: its comment isn't one of those below.
FOUND_OUT = {"commands": {"socket"}}


def without_comments() -> str:
    """The settings that the comments show, switched on."""
    return re.sub(r"(?m)^#(?=\[|[a-z-]+ =)", "", SHIPPED.read_text())


def shown_settings() -> dict[str, set[str]]:
    """The keys that the comments show, by section."""
    tree = tomllib.loads(without_comments())
    tree["daemon"] = tree["daemon"][SHOWN]
    return {section: set(values) for section, values in tree.items()}


def test_it_sets_nothing() -> None:
    assert parse_config([(SHIPPED, SHIPPED.read_text())]) == Config()


def test_what_its_comments_show_is_the_default() -> None:
    shown = Config(daemons={SHOWN: default_daemon(SHOWN)})
    assert parse_config([(SHIPPED, without_comments())]) == shown


def test_its_comments_show_every_setting_there_is() -> None:
    there = {
        section: set(keys) - FOUND_OUT.get(section, set())
        for section, keys in config._READERS.items()
    }
    assert shown_settings() == there


def test_what_has_no_default_to_show_is_mentioned() -> None:
    names = [name for keys in FOUND_OUT.values() for name in keys]
    assert [name for name in names if f"\n# {name} = " not in SHIPPED.read_text()] == []
