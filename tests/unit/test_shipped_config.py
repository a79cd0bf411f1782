# SPDX-License-Identifier: MIT
"""The configuration that packages install: comments that show each default, and nothing else."""

import re
from pathlib import Path

from socketgate.config import Config, parse_config

SHIPPED = Path(__file__).resolve().parents[2] / "packaging/socketgate.toml"


def without_comments() -> str:
    """The settings that the comments show, switched on."""
    return re.sub(r"(?m)^#(?=\[|[a-z-]+ =)", "", SHIPPED.read_text())


def test_it_sets_nothing() -> None:
    assert parse_config([(SHIPPED, SHIPPED.read_text())]) == Config()


def test_what_its_comments_show_is_the_default() -> None:
    assert parse_config([(SHIPPED, without_comments())]) == Config()


def test_its_comments_show_settings() -> None:
    assert without_comments().count("\n[") >= 2
