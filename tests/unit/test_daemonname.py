# SPDX-License-Identifier: MIT
import pytest

from socketgate.daemonname import name_problem


@pytest.mark.parametrize("name", ["sshd", "in.ftpd", "a", "x" * 255, "web-1", "web_1", "Nobody"])
def test_a_plain_word_is_a_daemon_s_name(name: str) -> None:
    assert name_problem(name) == ""


@pytest.mark.parametrize(
    "name",
    ["", "a/b", "a:b", ".", "..", ".hidden", "a.", "a b", "é", "a\n", "a\0", "a,b", "sshd@x", "{x"],
)
def test_what_rules_read_otherwise_is_none_and_what_may_stand_there_is_said(name: str) -> None:
    assert name_problem(name).startswith("letters, digits, '_', '-' and inner '.' only")


@pytest.mark.parametrize("name", ["ALL", "all", "EXCEPT", "UNKNOWN", "LOCAL", "connection"])
def test_a_word_that_means_something_else_is_none(name: str) -> None:
    assert name_problem(name).startswith("this word means something else")


def test_a_name_that_no_descriptor_can_have_is_none() -> None:
    assert name_problem("x" * 256) == "at most 255 characters"
