# SPDX-License-Identifier: MIT
import io
import json
from pathlib import Path

import pytest

from socketgate.cli.matchlines import answer_lines
from socketgate.rules.source import Sources
from tests.support.build import text_of

FILES = Sources(allow=text_of("sshd: 192.0.2.7\n"), deny=text_of("ALL: ALL\n"))


def answers(*lines: object, sources: Sources = FILES) -> tuple[int, list[dict[str, object]]]:
    """The exit code and the answers; a text or bytes go in as they are."""
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    output = io.StringIO()
    code = answer_lines([line + b"\n" for line in raw], output, sources)
    return code, [json.loads(line) for line in output.getvalue().splitlines()]


def verdict(**values: object) -> object:
    """The verdict on sshd's client."""
    _, (answer,) = answers({"daemon": "sshd", "addr": "192.0.2.7", **values})
    return answer["verdict"]


def test_an_answer_has_the_five_keys() -> None:
    assert answers({"daemon": "sshd", "addr": "192.0.2.8"}) == (
        0,
        [{"verdict": "deny", "twist": False, "file": "deny", "line": 1, "errors": []}],
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({}, "allow", id="the-files"),
        pytest.param({"allow": ""}, "deny", id="allow-replaced"),
        pytest.param({"allow": None}, "allow", id="null-replaces-nothing"),
        pytest.param({"allow": "", "deny": ""}, "allow", id="both-replaced"),
        pytest.param({"allow": "ALL: .x.org\n", "name": "a.x.org"}, "allow", id="name"),
        pytest.param({"allow": "ALL: KNOWN\n"}, "deny", id="no-name-is-unknown"),
        pytest.param({"allow": "ALL: a@ALL\n", "user": "a"}, "allow", id="user"),
        pytest.param({"allow": "sshd@[::1]: ALL\n", "saddr": "::1"}, "allow", id="saddr"),
        pytest.param({"allow": "sshd@x: ALL\n", "sname": "x"}, "allow", id="sname"),
        pytest.param({"allow": "22: ALL\n", "sport": 22}, "allow", id="sport"),
        pytest.param({"allow": "ALL: ALL: aclexec x\n"}, "allow", id="a-command-succeeds"),
        pytest.param({"allow": "ALL: ALL: aclexec x\n", "aclexec": 1}, "deny", id="or-fails"),
        pytest.param(
            {"allow": "ALL: ALL: aclexec x: aclexec y\n", "aclexec": [1, 0]}, "allow", id="or-both"
        ),
        pytest.param(
            {"allow": "ALL: {DIR}/a\n", "files": {"a": "192.0.2.7"}}, "allow", id="a-host-file"
        ),
        pytest.param(
            {"allow": "ALL: {DIR}/a\n", "files": {"a": "{DIR}/b", "b": "192."}},
            "allow",
            id="a-host-file-in-a-host-file",
        ),
        pytest.param({"allow": "ALL: {DIR}/a\n", "files": {"a": None}}, "deny", id="a-folder"),
        pytest.param({"allow": "ALL: {DIR}/a\n"}, "deny", id="no-such-host-file"),
        pytest.param(
            {"allow": "ALL: @lab\n", "name": "Alpha", "netgroups": {"lab": ["alpha"]}},
            "allow",
            id="a-netgroup",
        ),
        pytest.param({"allow": "ALL: \udcff\n", "name": "\udcff"}, "allow", id="no-utf-8"),
        pytest.param({"deny": "no colon\n", "allow": ""}, "allow", id="a-bad-line-is-skipped"),
        pytest.param({"note": "anything", "id": 7}, "allow", id="other-keys"),
    ],
)
def test_what_a_line_can_say(values: dict[str, object], expected: str) -> None:
    assert verdict(**values) == expected


def test_a_host_file_of_the_machine_is_read(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("192.0.2.7\n")
    assert verdict(allow=f"ALL: {tmp_path}/hosts\n") == "allow"


def test_the_rules_of_one_line_are_not_the_next_ones() -> None:
    client = {"daemon": "sshd", "addr": "192.0.2.7"}
    _, found = answers({**client, "allow": ""}, client, {**client, "allow": ""})
    assert [answer["verdict"] for answer in found] == ["deny", "allow", "deny"]


def test_libwraps_words_are_the_errors() -> None:
    _, (answer,) = answers({"daemon": "sshd", "addr": "::1", "allow": "ALL: ALL: nice x\n"})
    assert answer["errors"] == ['error: /etc/hosts.allow, line 1: bad nice value: "x"']


@pytest.mark.parametrize(
    ("line", "error"),
    [
        pytest.param(b"{", "not JSON", id="half-a-line"),
        pytest.param(b"", "not JSON", id="an-empty-line"),
        pytest.param(b"[" * 100_000, "not JSON", id="too-deep"),
        pytest.param([], "not a JSON object", id="a-list"),
        pytest.param({"daemon": "sshd"}, "daemon and addr", id="no-address"),
        pytest.param({"addr": "::1"}, "daemon and addr", id="no-daemon"),
        pytest.param({"daemon": 1, "addr": "::1"}, "daemon must be a text", id="no-text"),
        pytest.param({"daemon": "\ud800", "addr": "::1"}, "daemon: ", id="no-bytes"),
        pytest.param({"daemon": "x", "addr": "::1", "sport": "22"}, "sport must be", id="no-port"),
        pytest.param({"daemon": "x", "addr": "::1", "sport": True}, "sport must be", id="a-bool"),
        pytest.param({"daemon": "x", "addr": "::1", "cport": 65536}, "cport must", id="too-large"),
        pytest.param({"daemon": "x", "addr": "::1", "aclexec": "1"}, "aclexec", id="no-status"),
        pytest.param({"daemon": "x", "addr": "::1", "files": []}, "files must", id="no-files"),
        pytest.param({"daemon": "x", "addr": "::1", "netgroups": {"a": 1}}, "netg", id="no-group"),
    ],
)
def test_a_line_that_is_no_request_is_denied_and_the_others_are_answered(
    line: object, error: str
) -> None:
    code, found = answers(line, {"daemon": "sshd", "addr": "192.0.2.7"})
    assert (code, [answer["verdict"] for answer in found]) == (2, ["deny", "allow"])
    assert error in str(found[0]["errors"])


def test_a_name_that_is_given_counts_as_known_before_the_rules_are_asked() -> None:
    long_name, too_often = "a" * 100, "%h" * 90
    allow = f"ALL: 192.0.2.7: spawn {too_often}\n"
    assert (verdict(allow=allow), verdict(allow=allow, name=long_name)) == ("allow", "deny")
