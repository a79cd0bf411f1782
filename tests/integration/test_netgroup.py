# SPDX-License-Identifier: MIT
"""Netgroups by innetgr(3), from a netgroup file.

Each scene is played in a process with its own /etc and loopback (tests/support/own_etc.py), and
comes back as what the test compares.
"""

import pytest

from socketgate.lookups import Lookups
from socketgate.rules.request import InNetgroup
from tests.support.lookups import (
    etc,
    request,
    text,
    with_lookups,
)
from tests.support.own_etc import in_own_etc

NETGROUPS = (
    "trusted (a.example,,) (b.example,bob,) (c.example,,nis.example)\nall-of-us trusted\nany (,,)\n"
)


def netgroups_scene() -> object:
    async def scene(lookups: Lookups) -> object:
        return {
            f"{group} {host}": text(
                await lookups.look_up(InNetgroup(group.encode(), host.encode()), request())
            )[0]
            for group, host in (row[:2] for row in MEMBERS)
        }

    return with_lookups(scene)


MEMBERS = [
    ("trusted", "a.example", "True"),
    ("trusted", "A.EXAMPLE", "True"),
    ("trusted", "b.example", "True"),
    ("trusted", "c.example", "True"),
    ("trusted", "d.example", "False"),
    ("trusted", "unknown", "False"),
    ("Trusted", "a.example", "False"),
    ("all-of-us", "a.example", "True"),
    ("any", "unknown", "True"),
    ("nobody", "a.example", "False"),
]  # fmt: skip


@pytest.fixture(scope="module")
def netgroups() -> object:
    return in_own_etc(netgroups_scene, {**etc(), "netgroup": NETGROUPS})


@pytest.mark.parametrize(("group", "host", "expected"), MEMBERS)
def test_a_host_is_in_a_netgroup_when_innetgr_says_so(
    netgroups: dict[str, str], group: str, host: str, expected: str
) -> None:
    assert netgroups[f"{group} {host}"] == expected
