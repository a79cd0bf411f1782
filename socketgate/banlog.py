# SPDX-License-Identifier: MIT
"""What stands in the file of bans: a header, then a line for each ban and each end of one. Pure.

socketgate-bans 1 ID BASE EARLIER-ID EARLIER-SIZE
+  NET  DAEMON  MADE  UNTIL  ORIGIN  REASON        a ban, fields separated by tabs
-  NET  DAEMON  ORIGIN                             its end

An origin that is empty is written as `-`.
"""

from sys import intern
from typing import NamedTuple

from socketgate.bans import NEVER, Ban, Event, Unban, parse_net

_MAGIC = "socketgate-bans"
MAX_HEADER_BYTES = 128

#: No number here is larger: a time in the year 6325, which can still be shown.
MAX_NUMBER = 1 << 37


class StoreDamaged(Exception):
    """The file's beginning is not that of a store."""


class Header(NamedTuple):
    """A store's first line."""

    id: str
    base: int = 0
    earlier_id: str = "-"
    earlier_size: int = 0

    def encode(self) -> bytes:
        """With its newline; BASE has a fixed width: it counts this line as well."""
        line = f"{_MAGIC} 1 {self.id} {self.base:010d} {self.earlier_id} {self.earlier_size}\n"
        return line.encode()


class Reading(NamedTuple):
    """What a stretch of a store says, and how many lines of it say nothing."""

    events: list[Event]
    bad_count: int


def parse_header(data: bytes) -> Header:
    """Raises StoreDamaged."""
    words = data.partition(b"\n")[0].decode("ascii", "replace").split(" ")
    if len(words) != 6 or words[:2] != [_MAGIC, "1"] or b"\n" not in data or not all(words):
        raise StoreDamaged
    try:
        return Header(words[2], _number(words[3]), words[4], _number(words[5]))
    except ValueError:
        raise StoreDamaged from None


def encode_event(event: Event) -> bytes:
    """A line of the log."""
    origin = event.origin or "-"
    words = ["-", str(event.net), event.daemon, origin]
    if isinstance(event, Ban):
        until = "never" if event.until == NEVER else str(event.until)
        words = ["+", *words[1:3], str(event.made), until, origin, event.reason]
    return ("\t".join(words) + "\n").encode("utf-8", "replace")


def parse_event(line: str) -> Event:
    """Raises ValueError for anything that `encode_event` would not write.

    Of very many bans most have the same words: each is kept once.
    """
    words = line.split("\t")
    if len(words) == 4 and words[0] == "-":
        return Unban(parse_net(words[1]), words[2], "" if words[3] == "-" else words[3])
    if len(words) != 7 or words[0] != "+" or not words[2]:
        raise ValueError(line)
    _, net, daemon, made, until, origin, reason = words
    return Ban(
        net=parse_net(net),
        daemon=intern(daemon),
        made=_number(made),
        until=NEVER if until == "never" else _number(until),
        origin="" if origin == "-" else intern(origin),
        reason=intern(reason),
    )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 12 or int(text) > MAX_NUMBER:
        raise ValueError(text)
    return int(text)


def parse_lines(data: bytes) -> Reading:
    """Every line that can be read counts, whatever stands between them."""
    events: list[Event] = []
    bad_count = 0
    for line in data.decode("utf-8", "replace").split("\n")[:-1]:
        try:
            events.append(parse_event(line))
        except ValueError:
            bad_count += 1
    return Reading(events, bad_count)


def read_log(data: bytes) -> tuple[Reading, bool]:
    """A whole file, and whether anything in it is damaged."""
    try:
        parse_header(data)
    except StoreDamaged:
        return parse_lines(data + b"\n"), True
    body = data[data.index(b"\n") + 1 :]
    reading = parse_lines(body)
    return reading, bool(reading.bad_count) or not data.endswith(b"\n")
