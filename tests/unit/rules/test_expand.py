# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.expand import (
    MAX_BYTES,
    ExpansionTooLong,
    expand,
    expanded,
    unknown_letters,
)
from socketgate.rules.facts import Facts
from socketgate.rules.request import UNKNOWN, Answer, Endpoint, Fact, Lookup, Need, Request


def request(**texts: bytes) -> Request:
    facts: dict[Lookup, Answer] = {
        fact: texts[key]
        for key, fact in (
            ("name", Fact.CLIENT_NAME),
            ("user", Fact.CLIENT_USER),
            ("server_name", Fact.SERVER_NAME),
        )
        if key in texts
    }
    return Request(
        daemon=texts.get("daemon", b"sshd"),
        client=Endpoint(b"10.1.2.3", 4711),
        server=Endpoint(texts.get("server", b"192.0.2.1"), 22),
        pid=17,
        facts=facts,
    )


@pytest.mark.parametrize(
    ("text", "result"),
    [
        (b"%a %A", b"10.1.2.3 192.0.2.1"),
        (b"%n %N", b"alpha srv"),
        (b"%h %H", b"alpha srv"),
        (b"%u %c", b"bob bob@alpha"),
        (b"%d %s", b"sshd sshd@srv"),
        (b"%r %R %p", b"4711 22 17"),
        (b"100%% %", b"100% %"),
        (b"a%qb", b"ab"),
        (b"none", b"none"),
    ],
)
def test_letters_are_replaced(text: bytes, result: bytes) -> None:
    assert expand(text, request(name=b"alpha", user=b"bob", server_name=b"srv")) == result


@pytest.mark.parametrize(
    ("text", "known", "result"),
    [
        (b"%h", {"name": b"paranoid"}, b"10.1.2.3"),
        (b"%h", {"name": UNKNOWN}, b"10.1.2.3"),
        (b"%h", {}, b"10.1.2.3"),
        (b"%c", {"user": UNKNOWN}, b"10.1.2.3"),
        (b"%c", {}, b"10.1.2.3"),
        (b"%s", {"server": UNKNOWN}, b"sshd"),
        (b"%n", {"name": "n\u00e9;`x`".encode()}, b"n____x_"),
        (b"%c", {"user": b"b$b", "name": b"a b"}, b"b_b@a_b"),
    ],
)
def test_what_is_put_in_is_clean(text: bytes, known: dict[str, bytes], result: bytes) -> None:
    assert expand(text, request(**known)) == result


@pytest.mark.parametrize(
    ("text", "fact"),
    [(b"%n", Fact.CLIENT_NAME), (b"%N", Fact.SERVER_NAME), (b"%u", Fact.CLIENT_USER)],
)
def test_a_name_is_looked_up_when_a_letter_needs_it(text: bytes, fact: Fact) -> None:
    assert expand(text, request()) == Need(fact)


@pytest.mark.parametrize(
    ("text", "dirty", "clean"),
    [
        (b"%n", {"name": b"a;b"}, (b"sshd", b"a_b", b"bob", b"srv")),
        (b"%u", {"user": b"b;b"}, (b"sshd", b"alpha", b"b_b", b"srv")),
        (b"%N", {"server_name": b"s;s"}, (b"sshd", b"alpha", b"bob", b"s_s")),
        (b"%d", {"daemon": b"d;d"}, (b"d_d", b"alpha", b"bob", b"srv")),
        (b"%c", {"name": b"a;b"}, (b"sshd", b"a;b", b"bob", b"srv")),
    ],
)
def test_a_fact_that_was_shown_stays_clean(
    text: bytes, dirty: dict[str, bytes], clean: tuple[bytes, ...]
) -> None:
    texts = {"name": b"alpha", "user": b"bob", "server_name": b"srv", **dirty}
    facts = Facts(request(**texts))
    facts.see_everything()
    expanded(text, facts)
    left = facts.as_request()
    kept = (Fact.CLIENT_NAME, Fact.CLIENT_USER, Fact.SERVER_NAME)
    assert (left.daemon, *(left.facts[fact] for fact in kept)) == clean


@pytest.mark.parametrize(
    ("text", "dirty", "clean"), [(b"%a", b"1;2", b"1_2"), (b"%h", b"1;2", b"1_2")]
)
def test_an_address_that_was_shown_stays_clean(text: bytes, dirty: bytes, clean: bytes) -> None:
    facts = Facts(Request(daemon=b"sshd", client=Endpoint(dirty)))
    expanded(text, facts)
    assert facts.as_request().client.address == clean


def test_an_unknown_letter_is_worth_a_warning() -> None:
    facts = Facts(request())
    expanded(b"%q", facts)
    assert facts.messages == ["warning: unrecognized %q"]


def test_a_result_may_be_just_so_long() -> None:
    assert len(expanded(b"x" * (MAX_BYTES - 8) + b"%a", Facts(request()))) == MAX_BYTES


def test_a_longer_result_is_refused() -> None:
    with pytest.raises(ExpansionTooLong):
        expand(b"x" * (MAX_BYTES - 7) + b"%a", request())


def test_letters_that_nothing_is_put_in_for_are_known_beforehand() -> None:
    assert unknown_letters(b"%q %a %% %x %q %c %") == [b"q", b"x"]
