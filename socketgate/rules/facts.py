# SPDX-License-Identifier: MIT
"""What one decision knows, and what it finds out that it needs.

Reading a fact that nobody looked up raises FactNeeded; only decide() catches it. The texts can be
changed while options are expanded (hosts_access(5) cleans them where they are kept), so a Facts
lives for one run of decide() and the changed texts go out with the verdict.
"""

from dataclasses import replace

from socketgate.rules.address import Subject
from socketgate.rules.request import (
    PARANOID,
    UNKNOWN,
    Answer,
    Endpoint,
    Fact,
    Lookup,
    Request,
    RulePlace,
)


class FactNeeded(Exception):
    """The rules can't go on before this is known."""

    def __init__(self, fact: Lookup, timeout_seconds: int | None = None) -> None:
        super().__init__(fact)
        self.fact = fact
        self.timeout_seconds = timeout_seconds


class Host:
    """One end of the connection: an address that is there, a name that may have to be looked up."""

    __slots__ = ("_name", "_name_fact", "address", "facts", "port")

    def __init__(self, facts: "Facts", endpoint: Endpoint, name_fact: Fact) -> None:
        self.facts = facts
        self._name_fact = name_fact
        self._name: Subject | None = None
        self.address = facts.subject(endpoint.address)
        self.port = endpoint.port

    def name(self) -> Subject:
        """The name, looked up if need be."""
        if self._name is None:
            self._name = self.facts.subject(self.facts.text(self._name_fact))
        return self._name

    def seen_name(self) -> Subject | None:
        """The name, if something asked for it."""
        return self._name

    def label(self) -> Subject:
        """The name if it is known by now, else the address (hosts_access(5), `%h`)."""
        if self._name is not None and self._name.plain not in (UNKNOWN, PARANOID):
            return self._name
        return self.address

    def holds(self, text: Subject) -> bool:
        """Whether the text is this end's name or address."""
        return text is self._name or text is self.address

    def replace(self, old: Subject, new: bytes) -> None:
        """Keep a cleaned text in the place of the one it came from."""
        if old is self._name:
            self._name = self.facts.subject(new)
        else:
            self.address = self.facts.subject(new)

    def endpoint(self) -> Endpoint:
        """The end as a value again."""
        return Endpoint(self.address.raw, self.port)


class Facts:
    """The request as one decision sees it."""

    __slots__ = (
        "_interfaces", "_seen_user", "_was_cleaned", "client", "commands_run", "daemon",
        "messages", "open_files", "place", "request", "server",
    )  # fmt: skip

    def __init__(self, request: Request, interfaces: frozenset[bytes] = frozenset()) -> None:
        self.request = request
        self._interfaces = interfaces | request.zones
        self.daemon = Subject(request.daemon)
        self.client = Host(self, request.client, Fact.CLIENT_NAME)
        self.server = Host(self, request.server, Fact.SERVER_NAME)
        self._seen_user: Subject | None = None
        self._was_cleaned = False
        #: The warnings and errors that libwrap would log.
        self.messages: list[str] = []
        #: The rule being tried, for the messages.
        self.place: RulePlace | None = None
        #: Host files being read: one that names itself is noticed.
        self.open_files: list[bytes] = []
        #: How often each command has been asked about.
        self.commands_run: dict[bytes, int] = {}
        if request.seen:
            self._see(request.seen)

    def warn(self, text: str) -> None:
        """Note what libwrap would log as a warning."""
        self._note("warning", text)

    def error(self, text: str) -> None:
        """Note what libwrap would log as an error."""
        self._note("error", text)

    def _note(self, severity: str, text: str) -> None:
        context = f"{self.place.origin}, line {self.place.line}: " if self.place else ""
        self.messages.append(f"{severity}: {context}{text}")

    def subject(self, text: bytes) -> Subject:
        """A text as the patterns see it, cut as libwrap cuts it; an empty one is unknown."""
        return Subject(text or UNKNOWN, self._interfaces)

    def answer(self, lookup: Lookup, timeout_seconds: int | None = None) -> Answer:
        """What the lookup found, or FactNeeded."""
        if lookup not in self.request.facts:
            raise FactNeeded(lookup, timeout_seconds)
        return self.request.facts[lookup]

    def text(self, fact: Fact, timeout_seconds: int | None = None) -> bytes:
        """A fact that is a text; whatever else was answered is unknown."""
        answer = self.answer(fact, timeout_seconds)
        return answer if isinstance(answer, bytes) else UNKNOWN

    def user(self, timeout_seconds: int | None = None) -> Subject:
        """The client's user name, looked up if need be."""
        if self._seen_user is None:
            self._seen_user = self.subject(self.text(Fact.CLIENT_USER, timeout_seconds))
        return self._seen_user

    def seen_user(self) -> Subject | None:
        """The user name, if something asked for it."""
        return self._seen_user

    def see_everything(self) -> None:
        """Take all that is in the request for known by now, asked for or not."""
        self._see(frozenset(Fact) & self.request.facts.keys())

    def _see(self, known: frozenset[Fact]) -> None:
        if Fact.CLIENT_NAME in known:
            self.client.name()
        if Fact.SERVER_NAME in known:
            self.server.name()
        if Fact.CLIENT_USER in known:
            self.user()

    def replace(self, old: Subject, new: bytes) -> None:
        """Keep a cleaned text in the place of the one it came from (hosts_access(5))."""
        self._was_cleaned = True
        if old is self.daemon:
            self.daemon = self.subject(new)
        elif old is self._seen_user:
            self._seen_user = self.subject(new)
        elif self.client.holds(old):
            self.client.replace(old, new)
        else:
            self.server.replace(old, new)

    def as_request(self) -> Request:
        """The request with the texts as they are now."""
        if not self._was_cleaned:
            return self.request
        seen = (
            (Fact.CLIENT_NAME, self.client.seen_name()),
            (Fact.SERVER_NAME, self.server.seen_name()),
            (Fact.CLIENT_USER, self._seen_user),
        )
        return replace(
            self.request,
            daemon=self.daemon.raw,
            client=self.client.endpoint(),
            server=self.server.endpoint(),
            facts={
                **self.request.facts,
                **{fact: text.raw for fact, text in seen if text is not None},
            },
        )
