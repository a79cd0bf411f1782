# SPDX-License-Identifier: MIT
"""Run a program for a test: its words, its input, and all it said when it failed."""

import subprocess
from collections.abc import Mapping, Sequence

#: What programs started for a test see of the environment: nothing of the caller's.
CLEAN_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}

#: Longer than any command of a test takes on a busy machine.
DEADLINE_SECONDS = 60.0

Result = subprocess.CompletedProcess[str]


class CommandFailed(AssertionError):
    """A program ended with another status than 0; the text has its words and its output."""


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """A clean environment, and what the test adds to it."""
    return {**CLEAN_ENVIRONMENT, **(more or {})}


def run(
    words: Sequence[str],
    *,
    input: str | None = None,  # noqa: A002  # subprocess.run's own name for it
    check: bool = True,
    timeout_seconds: float = DEADLINE_SECONDS,
    env: Mapping[str, str] | None = None,
) -> Result:
    """Run a program to its end. Without input its standard input is empty."""
    result = subprocess.run(
        words,
        input="" if input is None else input,
        capture_output=True,
        check=False,
        text=True,
        errors="surrogateescape",
        timeout=timeout_seconds,
        env=environment(env),
        cwd="/",
    )
    if check and result.returncode != 0:
        raise CommandFailed(
            f"exit status {result.returncode} of: {' '.join(words)}\n{result.stdout}{result.stderr}"
        )
    return result


def start(words: Sequence[str], *, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a program and leave it running, with pipes on its three ends; use it in a `with`."""
    return subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(env),
        cwd="/",
    )
