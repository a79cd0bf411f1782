# SPDX-License-Identifier: MIT
"""Who comes, as `match` and `explain` are told: DAEMON[@SERVER] [USER@]CLIENT KEY=VALUE ..."""

import re
from collections.abc import Collection, Iterable

from socketgate.cli.output import printable
from socketgate.errors import ConfigError
from socketgate.rules.text import find_outside

MAX_PORT = 65535


def split_at(word: str) -> tuple[str, str | None]:
    """`left@right`, split where hosts_access(5) splits."""
    data = word.encode("utf-8", "surrogateescape")
    at = find_outside(data, b"@", 1)
    if at < 0:
        return word, None
    left, right = (part.decode("utf-8", "surrogateescape") for part in (data[:at], data[at + 1 :]))
    return left, right


def values_by_key(pairs: Iterable[str], keys: Collection[str]) -> dict[str, str]:
    """What `KEY=VALUE`s say, each key once; raises ConfigError."""
    given: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or key not in keys:
            listed = ", ".join(keys)
            raise ConfigError(f"{printable(pair)!r}: write KEY=VALUE, with a KEY of: {listed}")
        if key in given:
            raise ConfigError(f"{key} is given twice")
        given[key] = value
    return given


def port(key: str, text: str) -> int:
    """The port of `KEY=TEXT`; raises ConfigError."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > MAX_PORT:
        raise ConfigError(f"{key}={printable(text)}: no port: write a number up to {MAX_PORT}")
    return int(text)
