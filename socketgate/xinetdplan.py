# SPDX-License-Identifier: MIT
"""What a service of xinetd becomes behind the gate: units, rules, and what has no counterpart."""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar

from socketgate.errors import ConfigError
from socketgate.unitcheck import (
    NOBODY,
    Listen,
    Reach,
    parse_listen,
    parse_name,
    parse_program,
    parse_user,
)
from socketgate.unitfile import UNITS, Plan, UnitFile, render
from socketgate.unitprograms import PLAIN, find_program
from socketgate.xinetd import Attribute, Service
from socketgate.xinetdaccess import Client, NoPattern, Rules, access_rules, parse_clients
from socketgate.xinetdterms import (
    FLAGS_WITHOUT,
    IMPOSSIBLE,
    IMPOSSIBLE_TYPES,
    NECESSARY,
    NO_COUNTERPART,
    NOTHING_ASKED,
    PLAIN_FLAGS,
    READ,
    SERVICE_SETTINGS,
    SOCKET_FLAGS,
)

T = TypeVar("T")

MAX_PORT = 65535
#: Where host files go that the rules name.
HOST_FILES = "/etc/socketgate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A service behind the gate. `remarks`: a place and what the admin should know, each."""

    service: Service
    plan: Plan
    files: tuple[UnitFile, ...]
    rules: Rules
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """A service that stays where it is, and why, with file and line."""

    service: Service
    reason: str


def import_services(services: Sequence[Service]) -> list[Imported | Left]:
    """Every service, in order. Two that would have the same name get different ones."""
    done: list[Imported | Left] = []
    names: set[str] = set()
    for service in services:
        try:
            one = _import(service, names)
        except ConfigError as error:
            done.append(Left(service, str(error)))
            continue
        names.add(one.plan.name)
        done.append(one)
    return done


def _import(service: Service, names: set[str]) -> Imported:
    if service.faults:
        raise ConfigError("; ".join(service.faults))
    _refuse_what_cannot_be(service)
    remarks = [*service.remarks]
    words = _program(service, remarks)
    name = _name(service, words, names, remarks)
    plan = Plan(
        name=name,
        listens=(_listen(service),),
        words=_at(service, "server", lambda: parse_program(words)),
        program=_at(service, "server", lambda: find_program(words, has_user=True)),
        user=_user(service, name),
    )
    if plan.program is PLAIN and not plan.user:
        remarks.append(f"{_place(service, 'server')}: {words[0]} runs as root, as it did")
    files = [*render(plan), *_drop_ins(service, name, remarks)]
    rules = _rules(service, name, remarks)
    for attribute in service.attributes.values():
        if attribute.words == NOTHING_ASKED.get(attribute.name):
            continue
        if reason := NO_COUNTERPART.get(attribute.name):
            remarks.append(f"{attribute.place}: {attribute.text}: {reason}")
        elif attribute.name not in READ and attribute.name not in SERVICE_SETTINGS:
            remarks.append(f"{attribute.place}: {attribute.text}: unknown to socketgate")
    return Imported(
        service=service, plan=plan, files=tuple(files), rules=rules, remarks=tuple(remarks)
    )


def _refuse_what_cannot_be(service: Service) -> None:
    """Raises ConfigError for what a gate can't stand in front of."""
    types = {word.upper() for word in service.words("type")}
    refused = {
        "disable": service.says("disable"),
        "type": bool(types & IMPOSSIBLE_TYPES),
        "flags": _has_flag(service, "SENSOR"),
        "socket_type": service.word("socket_type") not in ("", "stream"),
        "protocol": service.word("protocol") not in ("", "tcp"),
        "wait": service.says("wait"),
        "redirect": "redirect" in service.attributes,
        "server": not service.word("server"),
    }
    for name, is_refused in refused.items():
        if is_refused:
            attribute = service.attributes.get(name)
            text = f"{attribute.text}: " if attribute else ""
            raise ConfigError(f"{_place(service, name)}: {text}{IMPOSSIBLE[name]}")
    for names in NECESSARY:
        if not any(service.word(name) for name in names):
            missing = " and ".join(names)
            raise ConfigError(f"{service.place}: without {missing} xinetd doesn't start it")
    for flag in service.words("flags"):
        if flag.upper() not in PLAIN_FLAGS | SOCKET_FLAGS.keys() | FLAGS_WITHOUT.keys():
            place = _place(service, "flags")
            raise ConfigError(f"{place}: flags = {flag}: there is no such flag: xinetd starts none")


def _program(service: Service, remarks: list[str]) -> tuple[str, ...]:
    """Program and arguments. tcpd is left out: the gate does what it did, tcpd(8)."""
    server, arguments = service.word("server"), service.words("server_args")
    if not _has_flag(service, "NAMEINARGS"):
        return (server, *arguments)
    if not arguments:
        raise ConfigError(f"{_place(service, 'server')}: NAMEINARGS without server_args")
    if PurePosixPath(server).name == "tcpd":
        program = arguments[0] if arguments[0].startswith("/") else f"/usr/sbin/{arguments[0]}"
        return (program, *arguments[1:])
    if PurePosixPath(arguments[0]).name != PurePosixPath(server).name:
        remarks.append(
            f"{_place(service, 'server_args')}: the program is called by its path, "
            f"not {arguments[0]}"
        )
    return (server, *arguments[1:])


def _name(service: Service, words: Sequence[str], names: set[str], remarks: list[str]) -> str:
    """What rules call it: what xinetd gave to libwrap, so that rules go on counting."""
    usual = service.word("libwrap") or PurePosixPath(words[0]).name
    if usual not in names:
        return _at(service, "server", lambda: parse_name(usual))
    own = _at(service, "id", lambda: parse_name(service.id))
    if own in names:
        raise ConfigError(f"{service.place}: there is a daemon {own} already; give it an id")
    remarks.append(
        f"{service.place}: it is called {own}, for there is a {usual} already: "
        f"where rules say {usual}, add {own}"
    )
    return own


def _user(service: Service, name: str) -> str:
    """The user the program runs as, unless that is root."""
    user = service.word("user")
    if user in NOBODY:
        raise ConfigError(
            f"{_place(service, 'user')}: user = {user}: shares its rights with everything that is"
            f" nobody's; make a user for the program (sysusers.d(5)) and write: user = {name}"
        )
    return "" if user in ("root", "0") else _at(service, "user", lambda: parse_user(user))


def _listen(service: Service) -> Listen:
    """Where it listens: the value of ListenStream=."""
    port = service.word("port") or _port_of(service)
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= MAX_PORT:
        place = _place(service, "port")
        raise ConfigError(f"{place}: port = {port}: write a number from 1 to {MAX_PORT}")
    bind = service.attributes.get("bind")
    if bind is None:
        alone = f"0.0.0.0:{port}" if _has_flag(service, "IPV4") else port
        return parse_listen(f"[::]:{port}" if service.says("v6only") else alone)
    try:
        address = ipaddress.ip_address(bind.words[0])
    except ValueError:
        raise ConfigError(
            f"{bind.place}: {bind.text}: a socket unit takes no names: write the address"
        ) from None
    shown = f"[{address}]" if address.version == 6 else f"{address}"
    return _at(service, "bind", lambda: parse_listen(f"{shown}:{port}"))


def _port_of(service: Service) -> str:
    """The port by the service's name, services(5)."""
    try:
        return str(socket.getservbyname(service.name, "tcp"))
    except OSError:
        raise ConfigError(
            f"{service.place}: no port, and services(5) knows no {service.name}"
        ) from None


def _drop_ins(service: Service, name: str, remarks: list[str]) -> list[UnitFile]:
    """What `socketgate unit` doesn't write, in files of their own."""
    lines = [
        line
        for attribute in service.attributes.values()
        if attribute.name in SERVICE_SETTINGS and attribute.words
        for line in _settings(attribute, name, service)
    ]
    files = []
    if lines:
        path = f"{UNITS}/{name}-gated@.service.d/xinetd.conf"
        files.append(UnitFile(path, "\n".join(["[Service]", *lines, ""])))
    flags = [flag.upper() for flag in service.words("flags")]
    socket_lines = [SOCKET_FLAGS[flag] for flag in flags if flag in SOCKET_FLAGS]
    socket_lines += ["BindIPv6Only=ipv6-only"] if service.says("v6only") else []
    if socket_lines:
        path = f"{UNITS}/socketgate@{name}.socket.d/xinetd.conf"
        files.append(UnitFile(path, "\n".join(["[Socket]", *socket_lines, ""])))
    place = _place(service, "flags")
    remarks += [
        f"{place}: flags = {flag}: {FLAGS_WITHOUT[flag]}" for flag in flags if flag in FLAGS_WITHOUT
    ]
    return files


def _settings(attribute: Attribute, name: str, service: Service) -> list[str]:
    if attribute.name == "group" and service.word("user") in ("", "root"):
        reason = f"# {attribute.place}: with root as the user it is the group of {name}."
        return [reason, *SERVICE_SETTINGS["group"](attribute.words)]
    return SERVICE_SETTINGS[attribute.name](attribute.words)


def _rules(service: Service, name: str, remarks: list[str]) -> Rules:
    only_from = _clients(service, "only_from") if "only_from" in service.attributes else None
    no_access = _clients(service, "no_access")
    for client in [*(only_from or ()), *no_access]:
        if client.net is None and "." not in client.name:
            list_name = "only_from" if client in (only_from or ()) else "no_access"
            remarks.append(
                f"{_place(service, list_name)}: {client.name}: taken for a host; if it is a network"
                " of networks(5), write its number"
            )
    is_dual = _listen(service).reach is not Reach.IPV4
    rules = access_rules(name, only_from, no_access, HOST_FILES, is_dual=is_dual)
    if _has_flag(service, "NOLIBWRAP"):
        # What xinetd lets in, no rule of hosts.allow or hosts.deny keeps out.
        return Rules((*rules.lines, f"{name}: ALL: allow"), rules.files)
    return rules


def _clients(service: Service, name: str) -> list[Client]:
    try:
        return parse_clients(service.words(name))
    except NoPattern as error:
        raise ConfigError(f"{_place(service, name)}: {name}: {error}") from error


def _has_flag(service: Service, flag: str) -> bool:
    return flag in (one.upper() for one in service.words("flags"))


def _place(service: Service, name: str) -> str:
    attribute = service.attributes.get(name)
    return str(attribute.place if attribute else service.place)


def _at(service: Service, name: str, parse: Callable[[], T]) -> T:
    """What it answers; an error gets the attribute's place."""
    try:
        return parse()
    except ConfigError as error:
        raise ConfigError(f"{_place(service, name)}: {error}") from error
