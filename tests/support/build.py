# SPDX-License-Identifier: MIT
"""What the rules are asked and what they are made from, with good defaults."""

from socketgate.rules.request import Endpoint, Request
from socketgate.rules.source import Source, Sources, Text
from socketgate.rules.table import RuleTable, build_table


def text_of(text: str | bytes) -> Text:
    """A rule file that has been read."""
    return Text(text.encode() if isinstance(text, str) else text)


def sources(allow: str = "", deny: str = "", **host_files: str) -> Sources:
    """Two files as they were read; host files by their paths, `/` written as `__`."""
    files: dict[bytes, Source] = {
        path.replace("__", "/").encode(): text_of(text) for path, text in host_files.items()
    }
    return Sources(allow=text_of(allow), deny=text_of(deny), host_files=files)


def table(allow: str = "", deny: str = "", **host_files: str) -> RuleTable:
    """The rules of `sources`."""
    return build_table(sources(allow, deny, **host_files))


def request(
    client: str = "192.0.2.7", *, daemon: str = "sshd", server: str = "198.51.100.1"
) -> Request:
    """A request to a daemon from this address."""
    return Request(
        daemon=daemon.encode(),
        client=Endpoint(client.encode(), 40123),
        server=Endpoint(server.encode(), 22),
    )
