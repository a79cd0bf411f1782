# SPDX-License-Identifier: MIT
"""The rules are decided as the gate decides them."""

import pytest

from socketgate.rules.source import Source, Sources, Text
from socketgate.rules.table import build_table
from socketgate.xinetdaccess import MAX_LIST_BYTES, NoPattern, access_rules, parse_clients
from tests.support.corpus import settle
from tests.support.libwrap import Question

#: xinetd.conf(5): zeros at the end stand for everything.
EVERYBODY = ".".join(["0"] * 4)


def verdict(
    only_from: str | None, no_access: str, address: str, name: str = "unknown", below: str = ""
) -> str:
    """Of a client of in.x under these two lists; `below` stands behind them in hosts.allow."""
    wanted = None if only_from is None else parse_clients(only_from.split())
    rules = access_rules("in.x", wanted, parse_clients(no_access.split()), "/f", is_dual=True)
    text = "".join(f"{line}\n" for line in rules.lines) + below
    files: dict[bytes, Source] = {
        path.encode(): Text("\n".join(words).encode()) for path, words in rules.files
    }
    table = build_table(Sources(allow=Text(text.encode()), deny=Text(b""), host_files=files))
    question = Question(daemon=b"in.x", address=address.encode(), name=name.encode())
    return settle(table, question.request(), question.answer)[0].access.value


@pytest.mark.parametrize(
    ("only_from", "no_access", "address", "expected"),
    [
        pytest.param(None, "", "192.0.2.1", "allow", id="no-lists"),
        pytest.param("192.0.2.0", "", "192.0.2.1", "allow", id="of-the-network"),
        pytest.param("192.0.2.0", "", "192.0.3.1", "deny", id="of-another-network"),
        pytest.param("10.0.0.0", "", "10.9.9.9", "allow", id="three-zeros-are-wild"),
        pytest.param("10.1", "", "10.1.2.3", "allow", id="two-numbers-are-a-network"),
        pytest.param(EVERYBODY, "", "203.0.113.9", "allow", id="all-zeros-are-everybody"),
        pytest.param("192.0.2.{5,7}", "", "192.0.2.7", "allow", id="one-of-a-factorized-one"),
        pytest.param("192.0.2.{5, 7}", "", "192.0.2.7", "allow", id="with-a-blank"),
        pytest.param("192.0.2.{5,7}", "", "192.0.2.6", "deny", id="none-of-a-factorized-one"),
        pytest.param("192.0.2.0/25", "", "192.0.2.127", "allow", id="by-prefix-length"),
        pytest.param("192.0.2.0/25", "", "192.0.2.128", "deny", id="beyond-the-prefix"),
        pytest.param("2001:db8::/32", "", "2001:db8::7", "allow", id="ipv6-network"),
        pytest.param("2001:db8::7", "", "2001:db8::8", "deny", id="ipv6-address"),
        pytest.param("fe80::7%eth9", "", "fe80::7", "allow", id="ipv6-zone-that-is-not-there"),
        pytest.param("fe80::%eth9/64", "", "fe80::8", "allow", id="ipv6-network-with-a-zone"),
        pytest.param("", "", "192.0.2.1", "deny", id="an-empty-list-is-nobody"),
        pytest.param(None, "192.0.2.7", "192.0.2.7", "deny", id="kept-out"),
        pytest.param(None, "192.0.2.7", "192.0.2.8", "allow", id="not-kept-out"),
        pytest.param(None, EVERYBODY, "203.0.113.9", "deny", id="everybody-kept-out"),
        pytest.param("192.0.2.0", "192.0.2.7", "192.0.2.7", "deny", id="no-access-has-it"),
        pytest.param("192.0.2.7", "192.0.2.0", "192.0.2.7", "deny", id="in-both-lists"),
        pytest.param("10.0.0.0", "10.1.0.0", "10.2.0.1", "allow", id="in-only-from-alone"),
        pytest.param("192.0.2.{0,7}", "", "192.0.2.9", "deny", id="a-zero-in-braces-counts"),
        pytest.param("192.0.{2,3}", "", "192.0.3.9", "allow", id="a-factorized-network"),
        pytest.param("::/0", "", "192.0.2.7", "allow", id="all-of-ipv6-has-ipv4"),
        pytest.param("::ffff:192.0.2.7", "", "192.0.2.7", "allow", id="an-ipv4-mapped-one"),
        pytest.param("::ffff:192.0.2.0/120", "", "192.0.3.7", "deny", id="a-mapped-network"),
        pytest.param(EVERYBODY, "", "2001:db8::7", "deny", id="all-zeros-are-ipv4"),
    ],
)
def test_a_client_is_judged_as_by_xinetd(
    only_from: str | None, no_access: str, address: str, expected: str
) -> None:
    assert verdict(only_from, no_access, address) == expected


@pytest.mark.parametrize(
    ("only_from", "no_access", "name", "expected"),
    [
        pytest.param("a.example.org", "", "a.example.org", "allow", id="the-host"),
        pytest.param("a.example.org", "", "b.example.org", "deny", id="another-host"),
        pytest.param(".example.org", "", "b.example.org", "allow", id="of-the-domain"),
        pytest.param(".example.org", "b.example.org", "b.example.org", "deny", id="but-for-one"),
        pytest.param("b.example.org", ".example.org", "b.example.org", "deny", id="in-both"),
        pytest.param(".example.org", "192.0.2.0", "b.example.org", "deny", id="by-address"),
    ],
)
def test_names_are_matched(only_from: str, no_access: str, name: str, expected: str) -> None:
    assert verdict(only_from, no_access, "192.0.2.7", name) == expected


def test_whom_the_lists_let_in_the_rules_below_may_still_refuse() -> None:
    assert verdict("192.0.2.0", "", "192.0.2.7", below="ALL: ALL: deny\n") == "deny"


def test_an_ipv4_service_has_no_ipv4_mapped_clients() -> None:
    rules = access_rules("in.x", parse_clients(["::/0"]), [], "/f", is_dual=False)
    assert rules.lines == ("in.x: ALL EXCEPT [::]/0: deny",)


def test_a_long_list_goes_into_a_host_file() -> None:
    many = [f"10.0.{number // 250}.{number % 250 + 1}" for number in range(300)]
    assert sum(map(len, many)) > MAX_LIST_BYTES
    rules = access_rules("in.x", parse_clients(many), [], "/f", is_dual=True)
    assert rules.lines == ("in.x: ALL EXCEPT /f/in.x.only-from: deny",)


def test_a_long_list_of_those_kept_out_goes_into_another() -> None:
    many = [f"10.0.{number // 250}.{number % 250 + 1}" for number in range(300)]
    rules = access_rules("in.x", None, parse_clients(many), "/f", is_dual=True)
    assert rules.lines == ("in.x: /f/in.x.no-access: deny",)


@pytest.mark.parametrize(("address", "expected"), [("10.0.1.3", "allow"), ("10.9.1.3", "deny")])
def test_a_long_list_is_decided_alike(address: str, expected: str) -> None:
    many = " ".join(f"10.0.{number // 250}.{number % 250 + 1}" for number in range(300))
    assert verdict(many, "", address) == expected


@pytest.mark.parametrize(
    "word",
    ["192.0.2.300", "192.0.2.0/33", "1.2.3.4.5", "127", "a b:c", "x;y", "local", "EXCEPT", "1.2%a"],
)
def test_what_is_no_client_is_said(word: str) -> None:
    with pytest.raises(NoPattern):
        parse_clients([word])
