# SPDX-License-Identifier: MIT
"""Random rule sets and requests by a grammar, nasty on purpose.

Small pools of words, so that rules match; odd masks, brackets, EXCEPT nests, options good and bad,
host files that name each other; then bytes are changed, inserted and dropped here and there.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.libwrap import Question

ADDRESSES = (
    b"10.1.2.3", b"10.1.2.4", b"10.1.3.3", b"10.255.0.1", b"192.0.2.7", b"192.0.2.200",
    b"198.51.100.1", b"127.0.0.1", b"0.0.0.0", b"255.255.255.255", b"255.255.255.254", b"::1",
    b"fe80::1", b"2001:db8::1", b"2001:db8:1::2", b"2001:db8:ffff::9", b"ff02::1",
    b"::ffff:10.1.2.3", b"::ffff:192.0.2.7", b"::",
)  # fmt: skip
ODD_ADDRESSES = (
    b"unknown", b"UNKNOWN", b"paranoid", b"010.1.2.3", b"0xa.1.2.3", b"10.1.2",
    b"::FFFF:10.1.2.3", b"0:0:0:0:0:ffff:10.1.2.3", b"2001:DB8::1", b"fe80::1%lo", b"fe80::1%1",
    b"fe80::1%nosuch", b"::ffff:300.1.2.3", b"::ffff:255.255.255.255", b"1.2.3.4.5", b"10",
    b"host", b"a;b",
)  # fmt: skip
NAMES = (
    b"alpha", b"www.example.org", b"a.example.org", b"WWW.Example.ORG", b"b.a.example.org",
    b"example.org", b"unknown", b"paranoid", b"Unknown", b"localhost", b"10.1.2.3.example.net",
    b"x_y.example.com", b"a;b", b"n\xc3\xa9.example.org", b"host.", b".dot", b"a",
)  # fmt: skip
USERS = (b"unknown", b"root", b"bob", b"Bob", b"unknown", b"a b", b"b@c")
DAEMONS = (b"sshd", b"SSHD", b"in.ftpd", b"22", b"x y", b"all", b"unknown", b"vsftpd", b"smtp")
PORTS = (None, 22, 21, 25, 0, 65535)
SEPARATORS = (b" ", b",", b", ", b"\t", b" , ", b",,", b"\r", b" ")
DAEMON_WORDS = (
    b"ALL", b"all", b"sshd", b"Sshd", b"in.ftpd", b"ss?d", b"*ftpd", b"s*", b"in.", b".ftpd",
    b"22", b"022", b"+22", b"-0", b"4294967318", b"65536", b"22x", b"KNOWN", b"unknown", b"LOCAL",
    b"/etc/x", b"@lab", b"vsftpd", b"smtp", b"[x]", b"**", b"s**", b"x",
)  # fmt: skip
USER_WORDS = (
    b"ALL", b"KNOWN", b"UNKNOWN", b"root", b"bob", b"b*", b"?ob", b".b", b"ro.", b"LOCAL",
    b"@lab",
)  # fmt: skip
HOST_WORDS = (
    b"ALL", b"All", b"KNOWN", b"LOCAL", b"UNKNOWN", b"PARANOID", b"unknown", b"@lab", b"@Web",
    b"@web", b"@", b"alpha", b"www.example.org", b".example.org", b".org", b"example.org",
    b"www.", b"*.example.org", b"w?w.*", b"*a*", b"**", b"a**", b"*?", b"?*", b"10.", b"10.1.",
    b"10.1.2.", b"10.1.2.3", b"010.1.2.3", b"10.1", b"10", b"1.", b".2.3", b".3", b"192.0.2.",
    b"192.0.2.7", b"*.2.3", b"10.1.2.*", b"10.0.0.0/8", b"10.1.2.3/8", b"10.1.0.0/16",
    b"10.1.2.0/24", b"10.1.2.2/31", b"10.1.2.3/32", b"10.0.0.0/255.0.0.0",
    b"10.0.2.0/255.0.255.0", b"0.0.0.0/0", b"0.0.0.0/0.0.0.0", b"0.0.0.0/1", b"128.0.0.0/1",
    b"012.0.0.0/8", b"0xa.0.0.0/8", b"10.0.0.0/08", b"10.0.0.0/8x", b"10.0.0.0/+8",
    b"10.0.0.0/ 8", b"10.0.0.0/8/9", b"10.0.0.0/33", b"10.0.0.0/", b"10.0.0.0/255", b"10.0.0/8",
    b"255.255.255.255/32", b"255.255.255.254/31", b"255.0.0.0/8", b"10.0.0.0/4294967304",
    b"10.0.0.0/99999999999999999999", b"10.0.0.0/-1", b"10.0.0.0/0xff.0.0.0", b"[::1]",
    b"[2001:db8::1]", b"[2001:DB8:0::1]", b"[2001:db8::]/32", b"[2001:db8::]/48",
    b"[2001:db8::9]/16", b"[::]/0", b"[::]/", b"[::]/abc", b"[::]/129", b"[::]/-1",
    b"[fe80::]/10", b"[fe80::1%lo]", b"[fe80::1%1]", b"[fe80::1%no]", b"[2001:db8::/32]",
    b"[10.1.2.3]", b"[]", b"[x]", b"[::ffff:10.1.2.3]", b"[::ffff:0:0]/96",
    b"[::ffff:255.255.255.255]", b"[::1", b"::1]", b"[fe80*]", b"{DIR}/one", b"{DIR}/two",
    b"{DIR}/folder", b"{DIR}/none", b"a;b", b"a_b", b"x_y.example.com", b"255.255.255.255",
    b"host.", b"\xe9", b"?\xc3\xa9.example.org", b"1.2.3.4.5",
)  # fmt: skip
OPTIONS = (
    b"allow", b"deny", b"ALLOW", b"Deny", b"allow x", b"deny:", b"", b"#", b"bogus", b"= x",
    b"/bin/x", b"spawn exit 0", b"spawn = x", b"spawn", b"spawn == y", b"twist exit 1", b"twist",
    b"aclexec exit 0", b"aclexec exit 1", b"aclexec exit 1", b"aclexec kill", b"aclexec",
    b"aclexec exit 2 %h %n", b"severity mail.info", b"severity info", b"severity=Kern.ERR",
    b"severity x", b"severity mail.", b"severity .info", b"severity authpriv.info", b"severity",
    b"severity mail . info", b"keepalive", b"keepalive 3", b"linger 10", b"linger -1",
    b"linger x", b"linger 010", b"linger 2147483648", b"linger 99999999999", b"rfc931",
    b"rfc931 5", b"rfc931 0", b"rfc931 5x", b"nice", b"nice 5", b"nice x", b"nice \x0b5",
    b"umask 022", b"umask 0777", b"umask 1777", b"umask 8", b"umask -1", b"umask +22",
    b"setenv A b", b"setenv A=B", b"setenv A", b"setenv %z x", b"setenv N %n %u", b"setenv %h v",
    b"setenv X %a%c%s%d%p%%%", b"user nobody", b"user nosuch", b"user nobody.nogroup",
    b"user nobody.nosuch", b"user .nogroup", b"group nogroup", b"group nosuch", b"group 65534",
    b"banners {DIR}/folder", b"banners", b"spawn a\\:b", b"spawn a\\\\:b", b"spawn %c",
    b"spawn %q", b"severity info\v", b"keepalive\v", b"user nobody\v", b"nice 1\v",
    b"linger 1 \f", b"group nogroup\f", b"spawn \v", b"setenv \v%z", b"setenv A\v \fb", b"\fdeny",
)  # fmt: skip
NASTY = (
    b"\0", b"\\\n", b"\\", b"\r", b"\v", b"\f", b"[", b"]", b":", b"\n", b"@", b"/", b"*", b"?",
    b".", b"\xff", b"#", b" ", b"\\\r\n", b"EXCEPT ", b"\xef\xbb\xbf",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Two files and what may be around them; `{DIR}` in the texts is where host files are."""

    allow: bytes | None
    deny: bytes | None
    host_files: dict[bytes, bytes]

    @property
    def needs_fresh_state(self) -> bool:
        """Whether a decision may spoil the next one in the same process."""
        return b"aclexec" in ((self.allow or b"") + (self.deny or b"")).lower()


class Generator:
    """A stream of rule sets and requests, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  # reproducible, not secret

    def rule_set(self) -> RuleSet:
        """The next rule set."""
        return RuleSet(
            allow=self._file(),
            deny=self._file(),
            host_files={name: self._host_file() for name in (b"one", b"two")},
        )

    def question(self) -> Question:
        """The next request."""
        choose = self._random.choice
        addresses = ODD_ADDRESSES if self._chance(0.15) else ADDRESSES
        return Question(
            daemon=choose(DAEMONS),
            address=choose(addresses),
            name=choose(NAMES),
            user=choose(USERS),
            server_address=choose((*ADDRESSES, b"unknown")),
            server_name=choose(NAMES),
            server_port=choose(PORTS),
        )

    def _chance(self, likelihood: float) -> bool:
        return self._random.random() < likelihood

    def _file(self) -> bytes | None:
        if self._chance(0.05):
            return None
        lines = [self._line() for _ in range(self._random.randint(0, 6))]
        if self._chance(0.3):
            lines.append(b"ALL: ALL")
        text = b"".join(line + b"\n" for line in lines)
        if self._chance(0.03):
            text = text[:-1]
        for _ in range(self._random.choice((0, 0, 0, 0, 1, 2))):
            text = self._spoiled(text)
        return text

    def _spoiled(self, text: bytes) -> bytes:
        at = self._random.randint(0, len(text))
        match self._random.randrange(3):
            case 0:
                return text[:at] + self._random.choice(NASTY) + text[at:]
            case 1:
                return text[:at] + text[at + 1 :]
            case _:
                return text[:at] + b"x" * self._random.choice((1, 2, 2030, 2040, 2050)) + text[at:]

    def _line(self) -> bytes:
        if self._chance(0.04):
            return self._random.choice((b"", b" ", b"# x", b"#\\", b" # x", b"sshd ALL", b"\f"))
        simple = self._chance(0.25)
        daemons = self._random.choice((b"ALL", b"sshd", b"22")) if simple else self._daemons()
        clients = self._random.choice(HOST_WORDS) if simple else self._list(self._client, 4)
        line = daemons + self._random.choice((b":", b": ", b" : ")) + clients
        if self._chance(0.1 if simple else 0.35):
            for _ in range(self._random.choice((1, 1, 1, 2, 3))):
                line += self._random.choice((b":", b" : ")) + self._random.choice(OPTIONS)
        return line

    def _daemons(self) -> bytes:
        return b"ALL" if self._chance(0.4) else self._list(self._daemon, 3)

    def _daemon(self) -> bytes:
        word = self._random.choice(DAEMON_WORDS)
        return word + b"@" + self._host() if self._chance(0.15) else word

    def _client(self) -> bytes:
        host = self._host()
        return self._random.choice(USER_WORDS) + b"@" + host if self._chance(0.12) else host

    def _host(self) -> bytes:
        return self._random.choice(HOST_WORDS)

    def _list(self, word: Callable[[], bytes], most: int) -> bytes:
        text = b""
        for _ in range(self._random.randint(1, most)):
            text += word() + self._random.choice(SEPARATORS)
            if self._chance(0.2):
                text += self._random.choice((b"EXCEPT ", b"except,", b"EXCEPT EXCEPT "))
        return text

    def _host_file(self) -> bytes:
        gaps = (b"\n", b" ", b"\t", b"\v", b"\f\n", b", ")
        words = (self._host() for _ in range(self._random.randint(0, 5)))
        text = b"".join(word + self._random.choice(gaps) for word in words)
        return self._spoiled(text) if self._chance(0.1) else text
