# SPDX-License-Identifier: MIT
"""What is wrong with a rule's options; and what a bad one was before a colon made it an option."""

import re
from collections.abc import Iterable, Iterator

from socketgate.rules.expand import unknown_letters
from socketgate.rules.fault import Fault, error, warning
from socketgate.rules.keyword import (
    Command,
    CommandKind,
    Environment,
    Fail,
    Field,
    Step,
    near_keyword,
)
from socketgate.rules.text import shown

COMMENT_HINT = "put comments on lines of their own, with # in the first column"
_FORWARD_HINT = "write dns:NAME in one word, with nothing before it and a dot in NAME"
_COLON_HINT = "write \\: for a colon within the command before it"
_COMMANDS = frozenset(kind.value.encode() for kind in CommandKind)
_COMMENT = re.compile(rb"(?:^|[ \t])#")


def option_faults(
    options: Iterable[tuple[Field, Step]], *, behind_comment: bool, behind_dns: bool = False
) -> Iterator[Fault]:
    """All of a rule's options. Offsets are from the first one's colon.

    What stands `behind_comment`, behind a command, or first `behind_dns`, the client list's last
    word, was probably meant as a part of it.
    """
    behind_command = False
    for option, step in options:
        is_command = option.keyword.lower() in _COMMANDS
        has_comment = not is_command and _has_comment(option)
        behind_comment = behind_comment or has_comment
        if isinstance(step, Fail):
            hint = step.hint
            if behind_comment:
                hint = COMMENT_HINT
            elif option.keyword and near_keyword(option.keyword) is None:
                hint = _FORWARD_HINT if behind_dns else _COLON_HINT if behind_command else hint
            yield error(step.code, f"{step.text}: who matches is refused", hint, option.start)
        elif has_comment:
            message = "# begins a comment only in the first column: this belongs to the option"
            yield warning("comment-not-first", message, COMMENT_HINT, option.start)
        behind_command, behind_dns = behind_command or is_command, False
        yield from _letter_faults(option, step)


def _has_comment(option: Field) -> bool:
    return option.keyword[:1] == b"#" or _COMMENT.search(option.value or b"") is not None


def _letter_faults(option: Field, step: Step) -> Iterator[Fault]:
    if isinstance(step, Command | Environment):
        letters = ", ".join("%" + shown(letter) for letter in unknown_letters(step.text))
        if letters:
            message = f"nothing is put in for {letters}"
            yield warning("unknown-letter", message, "write %% for a percent sign", option.start)
