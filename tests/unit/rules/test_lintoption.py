# SPDX-License-Identifier: MIT
"""Each mistake in an option is found, and what it was meant to be a part of."""

import pytest

from socketgate.rules.fault import Fault
from socketgate.rules.keyword import parse_option, split_options
from socketgate.rules.lintoption import option_faults


def faults_of(text: bytes, *, behind_comment: bool = False) -> list[Fault]:
    options = split_options(text + b"\n")
    steps = zip(options, map(parse_option, options), strict=True)
    return list(option_faults(steps, behind_comment=behind_comment))


@pytest.mark.parametrize(
    ("text", "code", "offset", "hint"),
    [
        (b" deny # nobody", "forbidden-value", 1, "in the first column"),
        (b" severity info # x", "bad-value", 1, "in the first column"),
        (b" nice 5\t#x", "bad-value", 1, "in the first column"),
        (b" allow # trusted: yes", "unknown-option", 18, "in the first column"),
        (b" setenv A b # x", "comment-not-first", 1, "in the first column"),
        (b" banners /x # y", "comment-not-first", 1, "in the first column"),
        (b" spawn mail root: hello", "unknown-option", 18, "write \\: for a colon"),
        (b" spawn date +%H:%M", "unknown-option", 16, "write \\: for a colon"),
        (b" twist echo http://x", "unknown-option", 17, "write \\: for a colon"),
        (b" spawn x: dny", "unknown-option", 10, "did you mean deny?"),
        (b" spawn x:", "missing-option", 9, "remove the extra colon"),
        (b" /bin/mail root", "unknown-option", 1, "write spawn before"),
        (b"22", "unknown-option", 0, "a port in the place of the daemon"),
        (b" permit", "unknown-option", 1, "did you mean allow?"),
        (b" Reject", "unknown-option", 1, "did you mean deny?"),
        (b" deny,spawn x", "unknown-option", 1, "a colon between"),
        (b" ALL", "unknown-option", 1, "DAEMONS : CLIENTS : OPTIONS"),
        (b" allowall", "unknown-option", 1, "see hosts_options(5)"),
        (b" spawn echo %q", "unknown-letter", 1, "%%"),
        (b" setenv A %x", "unknown-letter", 1, "%%"),
    ],
)
def test_a_mistake_in_an_option_is_found(text: bytes, code: str, offset: int, hint: str) -> None:
    found = {(fault.code, fault.offset): fault.hint for fault in faults_of(text)}
    assert hint in found.get((code, offset), f"nothing of the kind: {found}")


def test_an_option_that_was_meant_as_a_part_of_a_comment_is_told_so() -> None:
    [fault] = faults_of(b" yes", behind_comment=True)
    assert "first column" in fault.hint


@pytest.mark.parametrize(
    "text", [b" spawn echo 12\\:30 # logged: deny", b" spawn a %%q %a%: allow", b" setenv A b#c"]
)
def test_nothing_is_said_about_good_options(text: bytes) -> None:
    assert faults_of(text) == []
