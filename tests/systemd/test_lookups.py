# SPDX-License-Identifier: MIT
"""Names under a real systemd, with the shipped sandbox and a name server on another host."""

import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.support.answering import start_visits, told
from tests.support.asking import HASTY, HOSTS, NSSWITCH, PORT, Asking, asking
from tests.support.box import Box
from tests.support.dnsserver import reverse

pytestmark = pytest.mark.systemd

#: What most tests go with: a gate that does not wait long for names.
HURRIED = "[lookups]\nname-seconds = 2\n"
#: One that waits for them longer than any test takes.
PATIENT = "[lookups]\nname-seconds = 200\n[limits]\ndecide-seconds = 200\n"

GOOD, OTHER, LIAR, ORPHAN, NAMELESS, ALIAS, NUMBER, LATE, HOSTILE, FAR = (
    *(f"198.18.1.{number}" for number in range(1, 10)),
    "fd77:5::2",
)

ZONE = {
    **reverse(GOOD, "good.example."),
    "good.example. A": [GOOD],
    **reverse(OTHER, "other.elsewhere."),
    "other.elsewhere. A": [OTHER],
    **reverse(LIAR, "good.example."),
    **reverse(ORPHAN, "orphan.example."),
    **reverse(ALIAS, "alias.example."),
    "alias.example. CNAME": ["good.example."],
    **reverse(NUMBER, "198.18.1.7."),
    **reverse(LATE, "late.example."),
    "late.example. A": [LATE],
    **reverse(HOSTILE, r"x\;touch$\{IFS\}pwned`id`.example."),
    **reverse(FAR, "far.example."),
    "far.example. AAAA": [FAR],
}


@pytest.fixture(scope="module")
def whole(box: Box) -> Iterator[Asking]:
    """The module's box with all that answers."""
    with asking(box, "10.77.5") as on:
        on.settings(HURRIED)
        yield on


@pytest.fixture
def on(whole: Asking) -> Iterator[Asking]:
    """With every file and record as it was, and no answer known."""
    whole.names.order(records=ZONE, is_dead=False, held=[])
    yield whole
    whole.names.order(is_dead=False, held=[])
    whole.box.write("/etc/nsswitch.conf", NSSWITCH)
    whole.box.write("/etc/hosts", HOSTS)
    whole.resolver()


@pytest.fixture
def on_patient(on: Asking) -> Iterator[Asking]:
    """With a gate that is patient."""
    on.settings(PATIENT)
    yield on
    on.settings(HURRIED)


class Case(NamedTuple):
    """A client, a word that must match it, one that must not, and what the journal says of it."""

    address: str
    word: str
    other_word: str
    name: str | None = None
    lookup: str | None = None


#: What is wrong with a client's name, in the words of docs/lookups.md.
CASES = {
    "a name that leads back": Case(GOOD, "good.example", "other.elsewhere", "good.example"),
    "a name's domain": Case(GOOD, ".example", ".elsewhere", "good.example"),
    "a name is KNOWN": Case(OTHER, "KNOWN", "UNKNOWN", "other.elsewhere"),
    "an IPv6 client's name": Case(FAR, "far.example", "PARANOID", "far.example"),
    "a name of somebody else's": Case(
        LIAR, "PARANOID", ".example", None,
        f"name: host name/address mismatch: {LIAR} != good.example",
    ),
    "a name without an address": Case(
        ORPHAN, "PARANOID", "KNOWN", None,
        "name: can't verify hostname: getaddrinfo(orphan.example, AF_INET) failed",
    ),
    "a name that is an alias": Case(
        ALIAS, "PARANOID", "alias.example", None,
        "name: host name/name mismatch: alias.example != good.example",
    ),
    "a name that reads as an address": Case(
        NUMBER, "PARANOID", "KNOWN", None,
        f"name: host name/name mismatch: reverse lookup results in non-FQDN {NUMBER}",
    ),
    "no name": Case(NAMELESS, "UNKNOWN", "KNOWN", None, "name: not found"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_rule_by_name_decides_by_what_dns_says(on: Asking, case: Case) -> None:
    """The rule that must not match denies, though it is asked first; the other one admits."""
    on.rules(f"ALL: {case.other_word}: deny\nALL: {case.word}\n")
    answer, entry = on.visit(case.address)
    assert answer == f"host={case.name or ''} user= who=\n"
    assert entry["SOCKETGATE_RULE_LINE"] == "2"
    assert entry.get("SOCKETGATE_CLIENT_HOST") == case.name
    assert entry.get("SOCKETGATE_LOOKUP") == case.lookup
    address = case.address if ":" in case.address else f"::ffff:{case.address}"
    assert entry["MESSAGE"] == f"connect from {case.name or address} ({address})"


def test_a_refused_client_is_named_in_the_journal(on: Asking) -> None:
    on.rules(deny="ALL: .example\n")
    answer, entry = on.visit(GOOD)
    assert answer == ""
    assert entry["MESSAGE"] == f"refused connect from good.example (::ffff:{GOOD})"


DEAD = {
    "the resolver gives up": (HASTY, "name: the resolver gave no answer"),
    "the gate's deadline is first": (None, "name: timed out"),
}


@pytest.mark.parametrize(("settings", "lookup"), DEAD.values(), ids=DEAD)
def test_with_a_dead_name_server_a_name_is_unknown(
    on: Asking, settings: str | None, lookup: str
) -> None:
    on.names.order(is_dead=True)
    on.resolver(*([settings] if settings else []))
    on.rules("ALL: KNOWN: deny\nALL: UNKNOWN\n")
    answer, entry = on.visit(GOOD)
    assert (answer, entry["SOCKETGATE_LOOKUP"]) == ("host= user= who=\n", lookup)


def test_a_slow_name_is_waited_for(on_patient: Asking) -> None:
    """While one client waits, another by name is served."""
    on = on_patient
    asked = len(on.names.order(held=["late.example."]))
    on.rules("ALL: .example\n")
    with start_visits(on.host, PORT, [LATE]) as late:
        on.names.order(wait_asked=asked + 2)
        assert on.visit(GOOD)[0] == "host=good.example user= who=\n"
        assert on.waiting() == 1
        on.names.order(held=[])
        assert told(late) == ["host=late.example user= who=\n"]


@pytest.mark.parametrize(
    ("allow", "deny", "expected"),
    [
        pytest.param(
            f"ALL: {GOOD}\nALL: .example\n", "ALL: ALL\n", "host= user= who=\n", id="allowed"
        ),
        pytest.param("", "ALL: 198.18.\nALL: UNKNOWN PARANOID\n", "", id="denied"),
    ],
)
def test_no_name_is_asked_for_when_an_address_rule_decides_first(
    on: Asking, allow: str, deny: str, expected: str
) -> None:
    on.rules(allow, deny)
    asked = on.names.order()
    answer, entry = on.visit(GOOD)
    assert (answer, on.names.order()) == (expected, asked)
    assert "SOCKETGATE_CLIENT_HOST" not in entry


def test_a_name_is_asked_for_once_as_long_as_it_is_kept(on: Asking) -> None:
    on.rules("ALL: good.example\n")
    asked = len(on.names.order())
    for _ in range(3):
        on.visit(GOOD)
    assert on.names.order()[asked:] == ["1.1.18.198.in-addr.arpa. PTR", "good.example. A"]


class Change(NamedTuple):
    """A file with which the client has no name, and one with which he is good.example."""

    path: str
    before: str
    after: str


CHANGES = {
    "hosts": Change("/etc/hosts", f"{GOOD} bad.elsewhere\n", f"{GOOD} good.example\n"),
    "resolv.conf": Change("/etc/resolv.conf", "nameserver 127.0.0.1\n", "nameserver 10.77.5.2\n"),
    "nsswitch.conf": Change("/etc/nsswitch.conf", "hosts: files\n", "hosts: files dns\n"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_first_client_after_a_change_is_decided_anew(on: Asking, change: Change) -> None:
    """Though the answer that the gate has would be kept for a while longer."""
    on.rules("ALL: good.example\n")
    on.box.write(change.path, change.before)
    assert on.visit(GOOD)[0] == ""
    on.box.write(change.path, change.after)
    assert on.visit(GOOD)[0] == "host=good.example user= who=\n"


def test_what_is_known_outlives_a_change_of_another_file(on: Asking) -> None:
    on.rules("ALL: good.example\n")
    on.visit(GOOD)
    asked = on.names.order()
    on.box.write("/etc/motd", "changed\n")
    on.visit(GOOD)
    assert on.names.order() == asked


@pytest.mark.parametrize(("group", "line"), [("trusted", "1"), ("others", "2")])
def test_a_netgroup_is_asked_for_by_nsswitch(on: Asking, group: str, line: str) -> None:
    on.box.write("/etc/netgroup", f"{group} (good.example,,)\n")
    on.rules("ALL: @trusted\nALL: @others\n")
    assert on.visit(GOOD)[1].get("SOCKETGATE_RULE_LINE") == line


FORWARD = "[lookups]\nforward-refresh-seconds = 1\nforward-retry-seconds = 1\n"
HOME, NEW_HOME = "198.18.3.1", "198.18.3.2"


@pytest.fixture
def on_home(on: Asking) -> Iterator[Asking]:
    """With a gate that knows where home.example is now, and asks again every second."""
    on.names.order(records={"home.example. A": [HOME]})
    on.resolver(HASTY)
    on.rules("ALL: dns:home.example\n")
    on.settings(FORWARD)
    yield on
    on.rules()
    on.settings(HURRIED)


def wait_refreshed(on: Asking) -> None:
    """Until answers of now have come, for both families: the question after each is asked."""
    first = len(on.names.order())
    for _ in range(1000):
        questions = on.names.order(wait_asked=len(on.names.order()) + 1)[first:]
        kinds = [question.partition(" ")[2] for question in questions]
        if min(kinds.count("A"), kinds.count("AAAA")) >= 2:
            return
    raise AssertionError("home.example is not asked for any more")


def verdicts(on: Asking) -> list[str]:
    """Of a client at the old home and of one at the new."""
    return [on.visit(address)[1]["SOCKETGATE_VERDICT"] for address in (HOME, NEW_HOME)]


def test_a_forward_name_admits_whoever_has_its_address(on_home: Asking) -> None:
    assert verdicts(on_home) == ["allow", "deny"]


def test_explain_knows_the_addresses_of_a_forward_name(on_home: Asking) -> None:
    """As the gate has them, and how long it has had them."""
    words = ("socketgate", "explain", "--json", "named", HOME)
    (fact,) = json.loads(on_home.box.run(*words).stdout)["facts"]
    assert (fact["answer"], fact["source"]) == (HOME, "kept")
    assert fact["age"] > 0


def test_a_forward_name_that_moves_is_followed(on_home: Asking) -> None:
    on_home.names.order(records={"home.example. A": [NEW_HOME]})
    wait_refreshed(on_home)
    assert verdicts(on_home) == ["deny", "allow"]


def test_a_forward_name_keeps_its_address_while_the_resolver_is_dead(on_home: Asking) -> None:
    on_home.names.order(is_dead=True)
    wait_refreshed(on_home)
    _, entry = on_home.visit(HOME)
    kept = "dns:home.example: the resolver gives no answer, the last good one is kept"
    assert (entry["SOCKETGATE_VERDICT"], entry["SOCKETGATE_LOOKUP"]) == ("allow", kept)


def test_a_forward_name_without_an_answer_holds_up_nobody(on_patient: Asking) -> None:
    on = on_patient
    asked = len(on.names.order(held=["away.example."]))
    on.rules("ALL: dns:away.example\nALL: ALL\n")
    on.names.order(wait_asked=asked + 1)
    answer, entry = on.visit(GOOD)
    on.names.order(held=[])
    assert answer == "host= user= who=\n"
    assert entry["SOCKETGATE_LOOKUP"] == "dns:away.example: not resolved yet"


#: Where commands may write.
STATE = "/var/lib/socketgate-command"
WITH_HOSTS = {
    "by DNS": (HOSTS, f"unknown ::ffff:{HOSTILE} ::ffff:{HOSTILE}"),
    "by a file": (
        f"{HOSTILE} x;touch${{IFS}}pwned`id`\n",
        "x_touch__IFS_pwned_id_ x_touch__IFS_pwned_id_ x_touch__IFS_pwned_id_",
    ),
}


@pytest.mark.parametrize(("hosts", "said"), WITH_HOSTS.values(), ids=WITH_HOSTS)
def test_no_name_tells_a_shell_anything(on: Asking, hosts: str, said: str) -> None:
    """The C library lets no such name through from DNS, and the gate none from elsewhere."""
    on.box.write("/etc/hosts", hosts)
    on.rules(f"ALL: ALL: spawn echo %n %h %c >{STATE}/said\n")
    on.visit(HOSTILE)
    assert on.box.run("cat", f"{STATE}/said").stdout == f"{said}\n"


def test_a_name_that_no_host_can_have_is_none(on: Asking) -> None:
    """It is asked for, and counts as little as if there were no record."""
    asked = len(on.names.order())
    on.rules("ALL: UNKNOWN\n")
    _, entry = on.visit(HOSTILE)
    assert on.names.order()[asked:] == ["9.1.18.198.in-addr.arpa. PTR"]
    assert (entry["SOCKETGATE_VERDICT"], entry["SOCKETGATE_LOOKUP"]) == ("allow", "name: not found")
