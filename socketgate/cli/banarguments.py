# SPDX-License-Identifier: MIT
"""What `ban`, `unban` and `bans` have in common: their arguments, and the store.

`ban` is run by other programs for each offender, so nothing is imported here that it doesn't need:
the configuration is read only if it says anything about bans.
"""

import argparse
import contextlib
import errno
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from socketgate.bans import EVERY_DAEMON, Net, parse_address, parse_net, without_brackets
from socketgate.banstore import Store
from socketgate.cli.streams import complain
from socketgate.configfiles import read_files
from socketgate.daemonname import name_problem
from socketgate.errors import ConfigError, NotPermitted

DEFAULT_STORE = Path("/var/lib/socketgate/+bans/bans")

#: Where gates that run have their folders.
GATES = Path("/run/socketgate/gate")

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
MAX_SECONDS = 10 * 366 * 86400
MAX_REASON = 200
#: The length of an IPv6 network that is one address.
SINGLE = 128
_MAX_ANCESTORS = 16
_DURATION = re.compile(r"([0-9]{1,9})([smhdw]?)")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}")


def add_store(parser: argparse.ArgumentParser) -> None:
    """The option that says whose bans."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="instead of /etc/socketgate/socketgate.toml"
    )


def duration(text: str) -> int | None:
    """Seconds: 90, 90s, 10m, 12h, 7d, 2w; -1, as fail2ban has it, is for ever: None."""
    if text == "-1":
        return None
    found = _DURATION.fullmatch(text)
    seconds = int(found[1]) * UNITS[found[2]] if found else 0
    if not 0 < seconds <= MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r}: write a time as 90s, 10m, 12h, 7d or 2w")
    return seconds


def one_line(text: str) -> str:
    """A reason: whatever isn't printable becomes a blank."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:MAX_REASON].strip()


def word(text: str) -> str:
    """An origin, as fail2ban."""
    if not _WORD.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}: write one word of at most 64 letters")
    return text


def daemon_name(text: str) -> str:
    """A daemon's name, or ALL."""
    if text.upper() == EVERY_DAEMON:
        return EVERY_DAEMON
    if problem := name_problem(text):
        raise argparse.ArgumentTypeError(f"{text!r} can't be the name of a daemon: {problem}")
    return text


def nets(texts: Sequence[str], six_length: int | None) -> list[Net]:
    """The networks, IPv6 addresses with as many bits as `--prefix` says; raises ConfigError.

    IPv6 may stand in brackets, as in the rules.
    """
    if six_length is not None and not 1 <= six_length <= SINGLE:
        raise ConfigError(f"--prefix {six_length}: write a number of bits from 1 to {SINGLE}")
    for text in texts:
        if "%" in text:
            raise ConfigError(f"{text!r}: leave the zone out: a ban counts on every link")
    try:
        found = [_net(text, six_length or SINGLE) for text in texts]
    except ValueError as error:
        raise ConfigError(str(error)) from error
    for text, net in zip(texts, found, strict=True):
        if six_length is not None and six_length < net.bits == net.length and "/" not in text:
            raise ConfigError(
                f"--prefix {six_length} is for IPv6 addresses: for IPv4 write {text}/{six_length}"
            )
    return found


def _net(text: str, six_length: int) -> Net:
    address, slash, length = text.partition("/")
    return parse_net(without_brackets(address) + slash + length, six_length)


def own_address() -> str:
    """Where the one who calls has come from by ssh (ssh(1), SSH_CONNECTION); else empty.

    sudo(8) and su(1) take the variable away: then it is that of the session they were called in.
    """
    connection = os.environb.get(b"SSH_CONNECTION") or next(_connections_above(), b"")
    return os.fsdecode(connection.partition(b" ")[0])


def _connections_above() -> Iterator[bytes]:
    """SSH_CONNECTION of each process that this one descends from and whose environment we see."""
    pid = os.getppid()
    for _ in range(_MAX_ANCESTORS):
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            status = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except OSError:
            return
        for variable in environment:
            if variable.startswith(b"SSH_CONNECTION="):
                yield variable.partition(b"=")[2]
        pid = int(status.rpartition(")")[2].split()[1])


def is_own_session(address: str) -> bool:
    """Whether this is the address that who is typing has come from, on the same link."""
    own, _, own_zone = own_address().partition("%")
    other, _, zone = address.partition("%")
    try:
        is_same = parse_address(own) == parse_address(other)
    except ValueError:
        return False
    return is_same and (own_zone == zone or not own_zone or not zone)


def no_session_of_ours(banned: Sequence[Net]) -> None:
    """Raise ConfigError rather than shut out who is typing."""
    try:
        bits, value = parse_address(own_address().partition("%")[0])
    except ValueError:
        return
    for net in banned:
        if net.has(bits, value):
            raise ConfigError(
                f"you are connected from {own_address()}: a ban of {net.name} would keep you "
                "from coming again (--force, if that is what you want)"
            )


def not_spared(arguments: argparse.Namespace, banned: Sequence[Net]) -> None:
    """Say it if a ban will do nothing to some of its addresses."""
    for spared in settings(arguments.config)[1]:
        for net in banned:
            if net.meets(spared):
                complain(
                    f"socketgate: {spared.name} is in never-ban: the ban of {net.name} does not "
                    "count there"
                )


def not_there(daemon: str, gates: Path = GATES) -> str:
    """What to say of a daemon that no socket is named after: it may be misspelt; else empty.

    The unit files are looked at only for one whose gate isn't running.
    """
    if daemon == EVERY_DAEMON or (gates / daemon).exists():
        return ""
    from socketgate.socketunits import socket_names

    if daemon in socket_names():
        return ""
    return f"no socket is called {daemon}: the ban counts once there is one"


def store_of(arguments: argparse.Namespace) -> Store:
    """The store that the configuration names; raises ConfigError."""
    return Store(settings(arguments.config)[0])


@contextlib.contextmanager
def writing(store: Store) -> Iterator[Store]:
    """For changes: errors in words, and what was found wrong with the file."""
    try:
        yield store
    except OSError as error:
        raise _explained(error, store.path) from error
    finally:
        for trouble in store.troubles:
            complain(f"socketgate: {trouble}")


def _explained(error: OSError, path: Path) -> Exception:
    if error.errno in (errno.EACCES, errno.EPERM):
        return NotPermitted(f"{path}: only root and the group socketgate-admin may change bans")
    if error.errno == errno.ENOENT:
        return ConfigError(
            f"{path.parent}: there is no such folder: systemd-tmpfiles --create makes it"
        )
    return ConfigError(f"{path}: {error.strerror}")


def settings(config: Path | None) -> tuple[Path, tuple[Net, ...]]:
    """Where bans are kept, and whom none concerns."""
    texts = [text for _, text in read_files(config)]
    if not any("bans" in text for text in texts):
        return DEFAULT_STORE, ()
    import tomllib

    store = DEFAULT_STORE
    spared: tuple[Net, ...] = ()
    try:
        for text in texts:
            bans = tomllib.loads(text).get("bans", {})
            store = Path(bans.get("store", store))
            spared += tuple(map(parse_net, bans.get("never-ban", ())))
    except (ValueError, TypeError, AttributeError):
        from socketgate.config import load_config

        load_config(config)  # says what is wrong, and where
        raise
    return store, spared
