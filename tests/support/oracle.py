# SPDX-License-Identifier: MIT
"""hosts_access(5) read literally: slow, obvious, and apart from the program.

Every rule is tried in turn, every word by itself; nothing is compiled. It knows well-formed files
of addresses, nets, names, EXCEPT, host files, several daemons, and the options allow and deny.
Clients are written as getnameinfo(3) writes them.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who asks."""

    daemon: str
    address: str
    name: str = "unknown"

    @property
    def numeric(self) -> Address:
        """The address; one of IPv4 when it is IPv4-mapped."""
        address = ipaddress.ip_address(self.address)
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return mapped or address


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The rule files' text."""

    allow: str = ""
    deny: str = ""
    host_files: Mapping[str, str] = field(default_factory=dict)


#: allow or deny, then the file and the line that decided.
Answer = tuple[str, str | None, int | None]


def judge(files: Files, client: Client) -> Answer:
    """hosts.allow first, then hosts.deny, else allow."""
    for file, text, verdict in (("allow", files.allow, "allow"), ("deny", files.deny, "deny")):
        for line, rule in enumerate(text.splitlines(), 1):
            if rule.startswith("#") or not rule.strip():
                continue
            daemons, clients, *options = split(rule)
            if not list_matches(daemons, lambda word: daemon_matches(word, client)):
                continue
            if list_matches(clients, lambda word: host_matches(word, client, files)):
                return (options[0].strip() if options else verdict), file, line
    return "allow", None, None


def split(rule: str) -> list[str]:
    """The fields between colons outside brackets."""
    fields, depth = [""], 0
    for letter in rule:
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if letter == ":" and depth == 0:
            fields.append("")
        else:
            fields[-1] += letter
    return fields


def list_matches(text: str, matches: Callable[[str], bool]) -> bool:
    """`words EXCEPT list`: one of the words matches, and the list does not."""
    words = text.replace(",", " ").split()
    if "EXCEPT" not in words:
        return any(matches(word) for word in words)
    at = words.index("EXCEPT")
    if not any(matches(word) for word in words[:at]):
        return False
    return not list_matches(" ".join(words[at + 1 :]), matches)


def daemon_matches(word: str, client: Client) -> bool:
    """A daemon's name."""
    return word == "ALL" or word.lower() == client.daemon.lower()


def host_matches(word: str, client: Client, files: Files) -> bool:
    """A host pattern."""
    if word == "ALL":
        return True
    if word.startswith("/"):
        words = files.host_files.get(word, "").split()
        return any(host_matches(inner, client, files) for inner in words)
    if "/" in word:
        return net_matches(word, client.numeric)
    if word.startswith("["):
        return client.numeric == ipaddress.ip_address(word.strip("[]"))
    address, name = str(client.numeric), client.name.lower()
    if word.startswith("."):
        return name.endswith(word.lower())
    if word.endswith("."):
        return address.startswith(word)
    return word in (address, name)


def net_matches(word: str, address: Address) -> bool:
    """`net/mask`. A net with bits outside its mask has no addresses; 255.255.255.255 is in none."""
    try:
        net = ipaddress.ip_network(word.replace("[", "").replace("]", ""), strict="[" not in word)
    except ValueError:
        return False
    return address in net and str(address) != "255.255.255.255"
