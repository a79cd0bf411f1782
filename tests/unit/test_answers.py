# SPDX-License-Identifier: MIT
import re

from socketgate.answers import DEFINITION, INTERFACE, ban_entry
from socketgate.bans import Ban, parse_net
from socketgate.varlink import describe

#: https://varlink.org/Interface-Definition: names of fields, of types and methods, of interfaces.
FIELD = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*")
NAME = re.compile(r"[A-Z][A-Za-z0-9]*")


def test_the_interface_can_be_described() -> None:
    text = describe(DEFINITION)
    assert [one for one in text.splitlines() if one.startswith("interface ")] == [
        f"interface {INTERFACE}"
    ]


def test_all_names_are_ones_that_varlink_allows() -> None:
    text = describe(DEFINITION)
    fields = re.findall(r"(\w+): [\[?\w]", "".join(re.sub(r"#.*", "", text)))
    names = re.findall(r"^(?:type|method|error) (\w+)", text, re.MULTILINE)
    wrong = [one for one in fields if not FIELD.fullmatch(one)]
    wrong += [one for one in names if not NAME.fullmatch(one)]
    assert fields
    assert wrong == []


def test_a_ban_without_an_end_has_no_time_until() -> None:
    assert ban_entry(Ban(net=parse_net("192.0.2.7"), made=5)) == {
        "net": "192.0.2.7/32",
        "daemon": "ALL",
        "made": 5,
        "until": None,
        "origin": "",
        "reason": "",
    }


def test_a_ban_with_an_end_says_when() -> None:
    assert ban_entry(Ban(net=parse_net("192.0.2.7"), made=5, until=9))["until"] == 9
