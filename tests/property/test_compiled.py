# SPDX-License-Identifier: MIT
"""The compiled policy and a literal reading of the rules (tests/support/oracle.py) agree.

The rule sets stress the flattening into spans: nets inside nets, exceptions inside exceptions,
neighbours, first-match order, both families, several daemon lists.
"""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketgate.rules.decide import decide
from socketgate.rules.request import Endpoint, Fact, Request
from socketgate.rules.source import Source, Sources, Text
from socketgate.rules.table import RuleTable, build_table
from socketgate.rules.verdict import Verdict
from tests.support.oracle import Answer, Client, Files, judge

#: Addresses at the edges of the nets below, and within.
QUADS = (
    "0.0.0.0", "9.255.255.255", "10.0.0.0", "10.1.1.255", "10.1.2.0", "10.1.2.3", "10.1.2.4",  # noqa: S104  # nothing binds
    "10.1.2.255", "10.1.3.0", "10.255.255.255", "11.0.0.0", "127.255.255.255", "128.0.0.0",
    "192.0.2.7", "255.255.255.254", "255.255.255.255",
)  # fmt: skip
SIXES = (
    "::", "::1", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::", "2001:db8::1",
    "2001:db8:0:1::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::", "fe80::1",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::ffff:10.1.2.3", "::ffff:128.0.0.0",
)  # fmt: skip
WORDS = (
    "ALL", "10.", "10.1.", "10.1.2.", "10.1.2.3", "10.1.2.4", "255.255.255.255",
    "0.0.0.0",  # noqa: S104  # a word of rules, not bound
    "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.0/23", "10.1.2.2/31", "10.1.2.3/32",
    "0.0.0.0/1", "128.0.0.0/1", "0.0.0.0/0.0.0.0", "10.1.2.0/255.255.255.0", "10.1.2.3/8",
    "192.0.2.0/30", "255.255.255.254/31", "[::1]", "[2001:db8::1]", "[2001:db8::]/32",
    "[2001:db8::]/64", "[2001:db8:0:1::]/64", "[8000::]/1", "[::]/0", "/list", "/nets",
)  # fmt: skip
NAME_WORDS = (".example.org", "a.example.org")
HOST_FILES = {
    "/list": "10.1.2.3 10.1.2.4\n192.0.2.7\n[2001:db8::1]\n",
    "/nets": "10.1.2.0/24 128.0.0.0/1 [2001:db8::]/48 /list",
}
CLIENTS = tuple(
    Client(daemon=daemon, address=address, name="a.example.org")
    for daemon in ("sshd", "ftpd", "smtp")
    for address in QUADS + SIXES
)


def lists(words: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Up to three segments between EXCEPTs."""
    segment = st.lists(st.sampled_from(words), min_size=1, max_size=4).map(" ".join)
    return st.lists(segment, min_size=1, max_size=3).map(" EXCEPT ".join)


DAEMONS = st.sampled_from(
    ("ALL", "sshd", "ftpd", "sshd, ftpd", "ALL EXCEPT smtp", "ALL EXCEPT sshd")
)
OPTIONS = st.sampled_from(("", "", "", ": allow", ": deny"))


def files_of(words: tuple[str, ...]) -> st.SearchStrategy[str]:
    rule = st.tuples(DAEMONS, lists(words), OPTIONS).map(lambda r: f"{r[0]}: {r[1]} {r[2]}\n")
    return st.lists(rule, max_size=8).map("".join)


def table_of(files: Files) -> RuleTable:
    host_files: dict[bytes, Source] = {
        path.encode(): Text(text.encode()) for path, text in files.host_files.items()
    }
    return build_table(
        Sources(
            allow=Text(files.allow.encode()), deny=Text(files.deny.encode()), host_files=host_files
        )
    )


def request_of(client: Client) -> Request:
    return Request(
        daemon=client.daemon.encode(),
        client=Endpoint(client.address.encode()),
        facts={Fact.CLIENT_NAME: client.name.encode()},
    )


def as_answer(verdict: Verdict) -> Answer:
    place = verdict.place
    if place is None:
        return verdict.access.value, None, None
    return verdict.access.value, place.table.value, place.line


def assert_agreement(files: Files) -> None:
    table = table_of(files)
    for client in CLIENTS:
        wanted = judge(files, client)
        verdict = decide(table, request_of(client))
        assert isinstance(verdict, Verdict)
        assert as_answer(verdict) == wanted, client
        fast = table.policy(client.daemon.encode(), None).verdict(client.address)
        assert fast is None or as_answer(fast) == wanted, client


@given(allow=files_of(WORDS), deny=files_of(WORDS))
def test_address_rules_are_decided_as_they_are_written(allow: str, deny: str) -> None:
    assert_agreement(Files(allow=allow, deny=deny, host_files=HOST_FILES))


@given(allow=files_of(WORDS + NAME_WORDS * 4), deny=files_of(WORDS + NAME_WORDS * 4))
def test_rules_that_mix_names_and_addresses_keep_their_order(allow: str, deny: str) -> None:
    assert_agreement(Files(allow=allow, deny=deny, host_files=HOST_FILES))


@given(deny=files_of(WORDS))
def test_address_rules_alone_never_need_the_slow_path(deny: str) -> None:
    table = table_of(Files(deny=deny, host_files=HOST_FILES))
    for client in CLIENTS:
        assert table.policy(client.daemon.encode(), None).verdict(client.address) is not None


@pytest.mark.parametrize("length", range(1, 8))
def test_all_except_lists_of_a_small_alphabet(length: int) -> None:
    """A net, an address in it, and EXCEPT: every list of that many words."""
    for words in itertools.product(("10.1.2.0/24", "10.1.2.3", "EXCEPT"), repeat=length):
        files = Files(deny=f"ALL: {' '.join(words)}\n")
        policy = table_of(files).policy(b"sshd", None)
        for address in ("10.1.2.3", "10.1.2.4", "10.1.3.3"):
            fast = policy.verdict(address)
            assert fast is not None
            assert as_answer(fast) == judge(files, Client(daemon="sshd", address=address)), words
