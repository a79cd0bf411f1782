# SPDX-License-Identifier: MIT
"""Looks up the names that rules speak of: accounts, netgroups, hosts. Nothing waits for ever.

A host's name in a rule matches only clients whose address leads to that name and back; so a name
whose addresses have another name, or none, never matches.
"""

import asyncio
import socket
import subprocess
from collections.abc import Iterable
from functools import partial

from socketgate.accountcheck import ACCOUNT_CHECKS, Check
from socketgate.lookup_pool import LookupPool
from socketgate.lookup_values import Found, Trouble
from socketgate.resolver import look_up_name
from socketgate.rules.diagnostic import Diagnostic, Severity
from socketgate.rules.names import NameKind, NameUse, first_uses
from socketgate.rules.request import PARANOID, UNKNOWN
from socketgate.rules.text import shown

#: Names that are looked up at once, and in all; how long all of it may take.
MAX_THREADS = 16
MAX_NAMES = 1000
MAX_SECONDS = 20.0
#: Of a host so many addresses are looked at.
MAX_ADDRESSES = 8

NO_SUCH_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})


def name_diagnostics(
    uses: Iterable[NameUse], *, max_seconds: float = MAX_SECONDS
) -> list[Diagnostic]:
    """What is wrong with the names, in their order."""
    wanted = [use for use in first_uses(uses) if use.kind in CHECKS and _is_name(use)]
    checked, left_out = wanted[:MAX_NAMES], wanted[MAX_NAMES:]
    diagnostics = asyncio.run(_look_all_up(checked, max_seconds)) if checked else []
    if left_out:
        message = f"no more than {MAX_NAMES} names are looked up: {len(left_out)} are left out"
        warning = Severity.WARNING
        diagnostics.append(left_out[0].diagnostic(warning, "many-names", message, "see to it"))
    return diagnostics


def _is_name(use: NameUse) -> bool:
    """Not a wildcard, nor a word of what was meant to be a comment: that is said elsewhere."""
    is_comment = b"#" in use.source_line[: use.column]
    return use.name.lower() not in (UNKNOWN, PARANOID) and not is_comment


async def _look_all_up(uses: list[NameUse], max_seconds: float) -> list[Diagnostic]:
    pool = LookupPool("check", max_threads=MAX_THREADS, max_per_network=MAX_THREADS)
    try:
        found = await asyncio.gather(*(_look_up(pool, use, max_seconds) for use in uses))
    finally:
        pool.close()
    return [one for one in found if one is not None]


async def _look_up(pool: LookupPool, use: NameUse, max_seconds: float) -> Diagnostic | None:
    check = CHECKS[use.kind]
    name = shown(use.name)
    key = (use.kind, use.name)
    work = partial(check.look_up, use.name)
    found = await pool.run(key, key, work, timeout_seconds=max_seconds)
    if isinstance(found, Trouble):
        found = Found(None, found.value)
    if found.answer is True:
        return None
    if found.answer is None:
        message = f"{name} can't be looked up now: {found.note}"
        hint = "try again, or leave it with --no-lookups"
        return use.diagnostic(Severity.WARNING, "lookup-failed", message, hint)
    if isinstance(found.answer, bytes):
        message = f"{name}: {found.answer.decode('utf-8', 'replace')}: never matches"
        hint = "give the address a PTR record with this name, or write the address"
        return use.diagnostic(check.severity, "name-without-ptr", message, hint)
    return use.diagnostic(check.severity, check.code, check.message.format(name), check.hint)


def look_up_host(name: bytes) -> Found:
    """Whether an address of the name leads back to the name. Blocks."""
    addresses = _addresses_of(name)
    if isinstance(addresses, Found):
        return addresses
    names = []
    for address in addresses[:MAX_ADDRESSES]:
        found = look_up_name(address, "name").answer
        if isinstance(found, bytes) and found.lower() == name.lower():
            return Found(answer=True)
        names.append(f"{address.decode()} is {_shown(found)}")
    return Found(f"of its addresses, {', '.join(names)}".encode())


def look_up_forward(name: bytes) -> Found:
    """Whether the name has an address. Blocks."""
    addresses = _addresses_of(name)
    return addresses if isinstance(addresses, Found) else Found(answer=True)


def _addresses_of(name: bytes) -> list[bytes] | Found:
    """The name's addresses, or what is to be said in their place. Blocks."""
    try:
        infos = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in NO_SUCH_NAME:
            return Found(answer=False)
        return Found(None, str(error.strerror))
    except (OSError, UnicodeError) as error:
        return Found(None, str(error))
    return list(dict.fromkeys(str(info[4][0]).encode() for info in infos))


def _shown(found: object) -> str:
    if not isinstance(found, bytes) or found == UNKNOWN:
        return "without a name"
    return "PARANOID" if found == PARANOID else shown(found)


def look_up_netgroup(name: bytes) -> Found:
    """Whether a netgroup has anything in it, by getent(1). Blocks."""
    words = [b"getent", b"netgroup", b"--", name]
    try:
        # The name is one word of the command line, whatever is in it.
        result = subprocess.run(  # noqa: S603  # words of ours
            words, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=MAX_SECONDS
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return Found(None, str(error))
    return Found(answer=result.returncode == 0 and b"(" in result.stdout)


CHECKS = {
    **ACCOUNT_CHECKS,
    NameKind.NETGROUP: Check(
        look_up_netgroup,
        Severity.WARNING,
        "unknown-netgroup",
        "{}: unknown or empty netgroup: matches nobody",
        "see the netgroup line of nsswitch.conf(5), and getent(1)",
    ),
    NameKind.HOST: Check(
        look_up_host,
        Severity.WARNING,
        "unknown-host",
        "{}: host not found: never matches",
        "write a name that the DNS or /etc/hosts has",
    ),
    NameKind.FORWARD: Check(
        look_up_forward,
        Severity.WARNING,
        "unknown-host",
        "{}: host not found: matches nobody until it is",
        "write a name that the DNS or /etc/hosts has",
    ),
}
