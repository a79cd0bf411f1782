# SPDX-License-Identifier: MIT
"""Rule files as a gate has them compiled: small ones here, but on the way that large ones go."""

from pathlib import Path

from socketgate.compiling import answer_to
from socketgate.config import OnError, RulesConfig
from socketgate.largerules import Order, read_answer
from socketgate.rulefiles import read_sources
from socketgate.rules.source import Sources
from socketgate.tablefile import Prepared

KEY = (b"sshd", 22)

#: Rules of every kind around address rules that overlap.
ALLOW = """\
# one
sshd: 10.1.
sshd: 10.0.0.0/8 EXCEPT 10.2.0.0/16
ALL: 192.0.2.1
sshd: .example.org
"""
DENY = """\
ALL: 192.0.2.0/24
ALL: 192.0.2.7
sshd: 198.51.100.3 : allow
sshd: 198.51.100.0/24
vsftpd: 203.0.113.9
ALL: [2001:db8::7]
ALL: [2001:db8::]/32 : severity local0.info
ALL: KNOWN
sshd: 10.2.3.4
"""
ADDRESSES = (
    "10.1.2.3", "10.2.3.4", "10.3.3.3", "192.0.2.1", "192.0.2.7", "192.0.2.8", "198.51.100.3",
    "198.51.100.4", "203.0.113.9", "203.0.113.10", "2001:db8::7", "2001:db8::8", "2001:db9::",
    "::ffff:192.0.2.7", "203.0.113.200",
)  # fmt: skip


class Files:
    """The two files, and a folder for what is compiled."""

    def __init__(self, folder: Path) -> None:
        self.allow, self.deny = folder / "allow", folder / "deny"
        self.cache = folder / "cache"
        self.cache.mkdir()
        self.last_good = folder / "last-good.tar"
        self.allow.write_text(ALLOW)
        self.deny.write_text(DENY)

    def order(self, on_error: OnError = OnError.KEEP) -> Order:
        config = RulesConfig(allow=self.allow, deny=self.deny, on_error=on_error)
        return Order(config, (KEY,), self.cache, self.last_good)

    def sources(self) -> Sources:
        return read_sources(self.order().config)

    def compile(self, on_error: OnError = OnError.KEEP) -> Prepared:
        """As a child does it."""
        return read_answer(answer_to(self.order(on_error).as_text()).encode())

    def append(self, text: str) -> None:
        with self.deny.open("a") as file:
            file.write(text)
