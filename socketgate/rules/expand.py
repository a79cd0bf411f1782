# SPDX-License-Identifier: MIT
"""The `%` letters of hosts_access(5), cleaned so that a shell can't be told anything.

What is put in has every byte outside a small set replaced by `_`, and that is done to the fact
itself where the letter shows a fact as it is kept: later patterns see the cleaned text.
"""

import re
from collections.abc import Callable

from socketgate.rules.address import Subject
from socketgate.rules.facts import FactNeeded, Facts, Host
from socketgate.rules.request import UNKNOWN, Need, Request
from socketgate.rules.text import shown

#: The longest result; libwrap's process ends at a longer one.
MAX_BYTES = 8190

_LETTER = re.compile(rb"%(.?)", re.DOTALL)
_UNSAFE = re.compile(rb"[^0-9A-Za-z!@%=_+:,./-]")


class ExpansionTooLong(Exception):
    """The text has more than MAX_BYTES bytes once the letters are replaced."""


def expand(text: bytes, request: Request) -> bytes | Need:
    """The text with its letters replaced, or what must be looked up first.

    All that is in the request counts as known. Raises ExpansionTooLong.
    """
    facts = Facts(request)
    facts.see_everything()
    try:
        return expanded(text, facts)
    except FactNeeded as needed:
        return Need(needed.fact, needed.timeout_seconds)


def expanded(text: bytes, facts: Facts) -> bytes:
    """The same within a decision: raises FactNeeded, cleans the facts it shows."""

    def replace(found: re.Match[bytes]) -> bytes:
        return _letter(found[1], facts)

    result = _LETTER.sub(replace, text)
    if len(result) > MAX_BYTES:
        raise ExpansionTooLong(shown(result[:30]))
    return result


def unknown_letters(text: bytes) -> list[bytes]:
    """The letters in a text that nothing is put in for, each once."""
    letters: list[bytes] = _LETTER.findall(text)
    return [one for one in dict.fromkeys(letters) if one not in _KEPT and one not in _MADE]


def _letter(letter: bytes, facts: Facts) -> bytes:
    if show := _KEPT.get(letter):
        return _clean_in_place(show(facts), facts)
    if make := _MADE.get(letter):
        return _UNSAFE.sub(b"_", make(facts))
    facts.warn(f"unrecognized %{shown(letter)}")
    return b""


def _clean_in_place(shown: Subject, facts: Facts) -> bytes:
    cleaned = _UNSAFE.sub(b"_", shown.raw)
    if cleaned != shown.raw:
        facts.replace(shown, cleaned)
    return cleaned


def _client(facts: Facts) -> bytes:
    """`%c`: the user's name and the host's; the host's alone is shown as it is kept."""
    user = facts.seen_user()
    host = facts.client.label()
    if user is None or user.plain == UNKNOWN:
        return _clean_in_place(host, facts)
    return user.raw + b"@" + host.raw


def _server(facts: Facts) -> bytes:
    host = facts.server.label()
    if host.plain == UNKNOWN:
        return _clean_in_place(facts.daemon, facts)
    return facts.daemon.raw + b"@" + host.raw


def _port(host: Host) -> bytes:
    return b"%d" % (host.port or 0)


#: Letters that show a text as it is kept.
_KEPT: dict[bytes, Callable[[Facts], Subject]] = {
    b"a": lambda facts: facts.client.address,
    b"A": lambda facts: facts.server.address,
    b"n": lambda facts: facts.client.name(),
    b"N": lambda facts: facts.server.name(),
    b"h": lambda facts: facts.client.label(),
    b"H": lambda facts: facts.server.label(),
    b"d": lambda facts: facts.daemon,
    b"u": lambda facts: facts.user(),
}
#: Letters that show a text made for the purpose.
_MADE: dict[bytes, Callable[[Facts], bytes]] = {
    b"c": _client,
    b"s": _server,
    b"r": lambda facts: _port(facts.client),
    b"R": lambda facts: _port(facts.server),
    b"p": lambda facts: b"%d" % facts.request.pid,
    b"%": lambda _facts: b"%",
    b"": lambda _facts: b"%",
}
