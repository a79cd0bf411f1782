# SPDX-License-Identifier: MIT
"""Users under a real systemd, with the shipped sandbox and ident servers on the clients' host."""

from collections.abc import Iterator

import pytest

from tests.support.answering import ident_server, oidentd, start_visits, told
from tests.support.asking import PORT, Asking, asking
from tests.support.box import Box

pytestmark = pytest.mark.systemd

#: Clients whose ident server is the real one; one of the tests' own; none.
HONEST, STRANGE, SILENT = "198.18.9.1", "198.18.9.2", "198.18.9.3"

#: A second address of the box.
ASIDE = "10.77.6.77"

#: Where commands may write.
STATE = "/var/lib/socketgate-command"


@pytest.fixture(scope="module")
def on(box: Box) -> Iterator[Asking]:
    """The module's box, and the real ident server on the clients' host, who are root there."""
    with asking(box, "10.77.6") as on, oidentd(on.host, HONEST):
        on.host.box.run("ip", "address", "add", f"{ASIDE}/32", "dev", "lo")
        yield on


@pytest.mark.parametrize(
    ("allow", "verdict"),
    [
        pytest.param(f"ALL: root@{HONEST}\n", "allow", id="the user of the rule"),
        pytest.param(f"ALL: bob@{HONEST}\n", "deny", id="another user"),
        pytest.param(f"ALL: KNOWN@{HONEST}\n", "allow", id="KNOWN"),
        pytest.param("ALL: root@198.18.8.1\n", "deny", id="another host"),
    ],
)
def test_a_rule_by_user_decides_by_what_oidentd_says(on: Asking, allow: str, verdict: str) -> None:
    on.rules(allow)
    assert on.visit(HONEST)[1]["SOCKETGATE_VERDICT"] == verdict


def test_a_user_is_told_to_program_and_journal(on: Asking) -> None:
    on.rules("ALL: ALL: rfc931: setenv WHO %u\n")
    answer, entry = on.visit(HONEST)
    assert answer == "host= user=root who=root\n"
    assert entry["SOCKETGATE_CLIENT_USER"] == "root"
    assert entry["MESSAGE"] == f"connect from root@::ffff:{HONEST} (::ffff:{HONEST})"


def test_the_question_comes_from_the_address_that_the_client_came_to(on: Asking) -> None:
    """oidentd knows no connection between the client and any other."""
    on.rules("ALL: ALL: rfc931\n")
    with start_visits(on.host, PORT, [HONEST], server=ASIDE) as visits:
        assert told(visits) == ["host= user=root who=\n"]


BAD = {
    "lies": "user: a reply about other ports",
    "stalls": "user: timed out",
    "floods": "user: a reply of more than 1000 bytes",
}


@pytest.mark.parametrize(("behaviour", "lookup"), BAD.items(), ids=BAD)
def test_a_user_is_unknown_when_the_ident_server(on: Asking, behaviour: str, lookup: str) -> None:
    on.rules("ALL: ALL: rfc931 1: setenv WHO %u\n")
    with ident_server(on.host, STRANGE, behaviour):
        answer, entry = on.visit(STRANGE)
    assert answer == "host= user= who=unknown\n"
    assert entry["SOCKETGATE_LOOKUP"] == lookup


def test_a_rule_says_how_long_an_ident_server_may_take(on: Asking) -> None:
    """Two seconds, not the ten that it may take otherwise."""
    on.rules("ALL: ALL: rfc931 2\n")
    with ident_server(on.host, STRANGE, "stalls"):
        _, entry = on.visit(STRANGE)
    assert 2.0 <= int(entry["SOCKETGATE_USEC"]) / 1e6 < 10.0


def test_without_an_ident_server_a_user_is_unknown(on: Asking) -> None:
    on.rules("ALL: ALL: rfc931\n")
    answer, entry = on.visit(SILENT)
    assert answer == "host= user= who=\n"
    assert entry["SOCKETGATE_LOOKUP"] == "user: no answer (Connection refused)"


def test_a_client_whose_ident_server_stalls_holds_up_nobody(on: Asking) -> None:
    on.rules("ALL: ALL: rfc931 20\n")
    with (
        ident_server(on.host, STRANGE, "stalls"),
        start_visits(on.host, PORT, [STRANGE]) as stalled,
    ):
        while not on.waiting():
            assert stalled.poll() is None
        assert on.visit(HONEST)[0] == "host= user=root who=\n"
        assert on.waiting() == 1
        stalled.kill()


def test_no_user_tells_a_shell_anything(on: Asking) -> None:
    r"""He is $(reboot);`id`, he says."""
    on.rules(f"ALL: ALL: rfc931: spawn echo %u %c >{STATE}/said: setenv WHO %u\n")
    with ident_server(on.host, STRANGE, "shell"):
        answer, _ = on.visit(STRANGE)
    cleaned = "__reboot___id_"
    assert on.box.run("cat", f"{STATE}/said").stdout == f"{cleaned} {cleaned}@::ffff:{STRANGE}\n"
    assert f"who={cleaned}" in answer
