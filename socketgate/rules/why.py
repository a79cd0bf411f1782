# SPDX-License-Identifier: MIT
"""Why a rule matches a client or doesn't, in words for people, by each of the rule's own words.

The words of a rule are looked at as they stand in the file, where the rule itself has them joined;
what a word had to know is found by asking it again with nothing known.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from socketgate.rules.facts import FactNeeded, Facts
from socketgate.rules.host import AnyText, HostFile, Nothing
from socketgate.rules.pattern import Anything
from socketgate.rules.request import (
    PARANOID,
    UNKNOWN,
    AccountExists,
    Answer,
    CommandStatus,
    Fact,
    ForwardAddresses,
    InNetgroup,
    Lookup,
    Request,
)
from socketgate.rules.split import Word as Place
from socketgate.rules.split import segments, split_fields, split_words
from socketgate.rules.text import shown
from socketgate.rules.word import (
    ClientWord,
    DaemonPort,
    DaemonWord,
    Reading,
    parse_client_word,
    parse_daemon_word,
)

#: No reason has more than so many of a rule's words, or bytes of a word.
_MAX_NOTES = 3
_MAX_WORD = 80


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    pattern: DaemonWord | ClientWord


#: A list between its EXCEPTs.
_Segments = list[list[_Word]]


def why(text: bytes, request: Request, reading: Reading) -> tuple[bool, str]:
    """Whether the rule that reads so matches, and why.

    `reading` is how the rule's words are read. A fact that nobody knows matches nothing.
    """
    fields = split_fields(text, extensions=reading.extensions)
    if fields is None:
        return False, "it is no rule"
    lists = (
        _parsed(split_words(text, 0, fields.daemons_end), parse_daemon_word, reading),
        _parsed(
            split_words(text, fields.daemons_end + 1, fields.clients_end),
            parse_client_word,
            reading,
        ),
    )
    scene = _Scene(request, reading)
    daemons, clients = map(scene.deciding, lists)
    if len(daemons) % 2 == 0:
        return False, scene.why_not_the_daemon(lists[0], daemons)
    if len(clients) % 2 == 0:
        return False, scene.why_not_the_client(lists[1], clients)
    return True, scene.because(clients)


def _parsed(
    places: list[Place],
    parse: Callable[[bytes, Reading], DaemonWord | ClientWord],
    reading: Reading,
) -> _Segments:
    return [
        [_Word(shown(place.text[:_MAX_WORD]), parse(place.text, reading)) for place in segment]
        for segment in segments(places)
    ]


@dataclass(frozen=True, slots=True)
class _Scene:
    """Who comes, and how words are read."""

    request: Request
    reading: Reading

    def deciding(self, parts: _Segments) -> list[_Word]:
        """The first word that matches of each segment, as far as segments match."""
        found: list[_Word] = []
        for segment in parts:
            word = next((one for one in segment if self._matches(one)), None)
            if word is None:
                break
            found.append(word)
        return found

    def because(self, found: Sequence[_Word]) -> str:
        """Why a client list matches."""
        first, *others = found
        texts = [f"{first.text}: {self._reason(first)}"]
        for index, word in enumerate(others):
            taken = "takes it in again" if index % 2 else "takes the client out"
            texts.append(f"EXCEPT {word.text} {taken}: {self._reason(word)}")
        return "; ".join(texts)

    def why_not_the_daemon(self, parts: _Segments, found: Sequence[_Word]) -> str:
        """Why a daemon list doesn't match."""
        daemon = shown(self.request.daemon)
        if found:
            return f"not for {daemon}: EXCEPT {found[-1].text}"
        notes = [note for word in parts[0] for note in self._about_server(word.pattern, word.text)]
        return _joined([f"not for {daemon}", *notes[:_MAX_NOTES]])

    def why_not_the_client(self, parts: _Segments, found: Sequence[_Word]) -> str:
        """Why a client list doesn't match."""
        if found:
            return f"EXCEPT {found[-1].text} takes the client out: {self._reason(found[-1])}"
        facts = dict.fromkeys(fact for word in parts[0] for fact in self._used(word))
        notes = [note for word in parts[0] for note in self._about_client(word)]
        said = [_said(fact, self.request.facts[fact]) for fact in facts]
        address = shown(self.request.client.address)
        return _joined([f"it doesn't list {address}", *said, *notes[:_MAX_NOTES]])

    def _reason(self, word: _Word) -> str:
        """How a word of a client list matched."""
        facts = self._used(word)
        if facts:
            return ", ".join(_said(fact, self.request.facts[fact]) for fact in facts)
        if word.pattern.host == AnyText(Anything(), by_address=False):
            return "everybody"
        return f"the address is {shown(self.request.client.address)}"

    def _about_server(self, pattern: DaemonWord | ClientWord, text: str) -> Iterator[str]:
        """Why a word that is for this daemon, or for a port, doesn't match."""
        if not isinstance(pattern, DaemonWord):
            return
        server = self.request.server
        if isinstance(pattern.daemon, DaemonPort) and server.port != pattern.daemon.port:
            port = "not known" if server.port is None else f"{server.port}"
            yield f"{text}: the server port is {port}"
        elif pattern.host is not None and pattern.daemon.matches(self._facts()):
            is_known = server.address != UNKNOWN
            address = f"is {shown(server.address)}" if is_known else "is not known"
            used = self._used(_Word(text, pattern))
            said = [_said(fact, self.request.facts[fact]) for fact in used]
            yield f"{text}: {', '.join([f'the server address {address}', *said])}"

    def _about_client(self, word: _Word) -> Iterator[str]:
        """What is worth knowing of a word that doesn't match."""
        pattern = word.pattern
        match pattern.host:
            case Nothing():
                yield f"{word.text} can match nothing"
            case HostFile(path, library) if not library.get(path):
                yield f"{word.text} is empty or not there"
            case HostFile() as file:
                facts = self._facts()
                _known(lambda: file.matches(facts.client))
                yield from (message.partition(": ")[2] for message in facts.messages)
            case _:
                pass
        if isinstance(pattern, ClientWord) and pattern.user is not None:
            host = _Word(word.text, ClientWord(pattern.host))
            if self._matches(host):
                yield f"{word.text}: the host would match"

    def _matches(self, word: _Word) -> bool:
        facts = self._facts()
        return _known(lambda: word.pattern.matches(facts))

    def _used(self, word: _Word) -> list[Lookup]:
        """The facts that a word asks for, as far as they are known."""
        known = replace(self.request, facts={})
        used: list[Lookup] = []
        while True:
            try:
                word.pattern.matches(Facts(known, self.reading.interfaces))
            except FactNeeded as needed:
                if needed.fact not in self.request.facts:
                    return used
                known = known.with_fact(needed.fact, self.request.facts[needed.fact])
                used.append(needed.fact)
            else:
                return used

    def _facts(self) -> Facts:
        return Facts(self.request, self.reading.interfaces)


def _known(question: Callable[[], bool]) -> bool:
    """The answer; what depends on a fact that nobody looked up is no."""
    try:
        return question()
    except FactNeeded:
        return False


def _said(fact: Lookup, answer: Answer) -> str:
    """A fact as a statement."""
    match fact:
        case Fact() if answer == PARANOID:
            return f"the {fact.value} is paranoid: it contradicts the address"
        case Fact() if isinstance(answer, bytes) and answer != UNKNOWN:
            return f"the {fact.value} is {shown(answer)}"
        case Fact():
            return f"the {fact.value} is not known"
        case InNetgroup(group, host):
            return f"{shown(host)} is {'' if answer else 'not '}in the netgroup {shown(group)}"
        case ForwardAddresses(name):
            addresses = sorted(map(shown, answer)) if isinstance(answer, frozenset) else []
            return f"{shown(name)} has {', '.join(addresses) or 'no address that is known'}"
        case _:
            return f"{fact}"


def fact_name(fact: Lookup) -> str:
    """What a fact is called."""
    match fact:
        case Fact():
            return fact.value
        case InNetgroup(group, host):
            return f"{shown(host)} in netgroup {shown(group)}"
        case AccountExists(name, is_group):
            return f"{'group' if is_group else 'user'} {shown(name)} exists"
        case CommandStatus(command):
            return f"exit status of {shown(command)}"
        case ForwardAddresses(name):
            return f"addresses of {shown(name)}"


def fact_value(answer: Answer) -> str:
    """What is known of a fact."""
    match answer:
        case bool():
            return "yes" if answer else "no"
        case bytes():
            return shown(answer)
        case frozenset():
            return ", ".join(sorted(map(shown, answer))) or "none known"
        case _:
            return str(answer)


def _joined(texts: Sequence[str]) -> str:
    first, *others = texts
    return f"{first}: {'; '.join(others)}" if others else first
