# SPDX-License-Identifier: MIT
import pytest

from socketgate.xinetd import BOOLEANS, CUMULATIVE, INHERITED, SETS, SINGLE
from socketgate.xinetdterms import (
    FLAGS_WITHOUT,
    IMPOSSIBLE,
    NO_COUNTERPART,
    NOTHING_ASKED,
    PLAIN_FLAGS,
    READ,
    SERVICE_SETTINGS,
    SOCKET_FLAGS,
)

#: All that xinetd.conf(5) has.
ATTRIBUTES = """
    id type flags disable socket_type protocol wait user group instances nice server server_args
    libwrap only_from no_access access_times log_type log_on_success log_on_failure rpc_version
    rpc_number env passenv port redirect bind interface banner banner_success banner_fail
    per_source cps max_load groups mdns umask enabled disabled rlimit_as rlimit_files rlimit_cpu
    rlimit_data rlimit_rss rlimit_stack deny_time
""".split()
FLAGS = """
    INTERCEPT NORETRY IDONLY NAMEINARGS NODELAY KEEPALIVE NOLIBWRAP SENSOR IPV4 IPV6 LABELED REUSE
""".split()


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_it_is_known_what_becomes_of_an_attribute(name: str) -> None:
    tables = (READ | IMPOSSIBLE.keys(), SERVICE_SETTINGS.keys(), NO_COUNTERPART.keys())
    assert sum(name in table for table in tables) == 1


@pytest.mark.parametrize("flag", FLAGS)
def test_it_is_known_what_becomes_of_a_flag(flag: str) -> None:
    tables = (PLAIN_FLAGS, SOCKET_FLAGS.keys(), FLAGS_WITHOUT.keys(), {"SENSOR"})
    assert sum(flag in table for table in tables) == 1


def test_only_what_has_no_counterpart_can_ask_for_nothing() -> None:
    assert NOTHING_ASKED.keys() <= NO_COUNTERPART.keys()


@pytest.mark.parametrize("names", [SETS, INHERITED, CUMULATIVE, SINGLE, BOOLEANS])
def test_no_attribute_is_misspelt(names: frozenset[str]) -> None:
    assert names <= {*ATTRIBUTES, "v6only"}
