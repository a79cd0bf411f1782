# SPDX-License-Identifier: MIT
"""Prepare what serves a client as the rules want it; for `socketgate exec` and `launch`.

    lines of a handoff ──▶ environment, Attributes        read and checked while nothing is done yet
                            become(attributes)             umask, nice, group, user, in that order

Its import is part of every connection through `socketgate exec`: it imports only what is built into
the interpreter, and has a plain class where the rest of socketgate has dataclasses, whose import
takes longer than all of `exec`.
"""

import errno
import grp
import os
import pwd

Environment = dict[bytes, bytes]
Fields = tuple[tuple[bytes, bytes], ...]

#: A handoff's key -> the variables programs know it by (systemd.socket(5) Accept=, ucspi-tcp).
VARIABLES = {
    b"REMOTE_ADDR": (b"REMOTE_ADDR", b"TCPREMOTEIP"),
    b"REMOTE_PORT": (b"REMOTE_PORT", b"TCPREMOTEPORT"),
    b"LOCAL_ADDR": (b"TCPLOCALIP",),
    b"LOCAL_PORT": (b"TCPLOCALPORT",),
    b"REMOTE_HOST": (b"REMOTE_HOST", b"TCPREMOTEHOST"),
    b"REMOTE_USER": (b"TCPREMOTEINFO",),
}

#: The keys of what changes the process itself.
ATTRIBUTES = frozenset({b"UMASK", b"NICE", b"GROUP", b"USER"})

#: What is ours and not the program's: the sockets passed to us, and what an earlier client left.
NOT_INHERITED = frozenset(
    {b"LISTEN_PID", b"LISTEN_FDS", b"LISTEN_FDNAMES", b"LISTEN_PIDFDID", b"PROTO", b"TCPLOCALHOST"}
    | {name for names in VARIABLES.values() for name in names}
)

#: Where a program is looked for without PATH (exec(3)).
DEFAULT_PATH = b"/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

#: nice(2): from the one end to the other; larger steps change nothing, and don't fit.
NICE_RANGE = 39

#: setgroups(2), setresuid(2).
NOT_PERMITTED = (errno.EACCES, errno.EPERM)

MAPPED_PREFIX = b"::ffff:"


class CannotStart(Exception):
    """The program can't be started as the rules want it; the text says why, in one line."""


class Attributes:
    """What is to hold for the program. None: as it is for us."""

    __slots__ = ("gid", "groups", "nice", "uid", "umask")

    def __init__(
        self,
        umask: int | None = None,
        nice: int = 0,
        gid: int | None = None,
        uid: int | None = None,
        groups: tuple[int, ...] = (),
    ) -> None:
        self.umask, self.nice, self.gid, self.uid, self.groups = umask, nice, gid, uid, groups


def parse_fields(block: bytes) -> Fields:
    """The lines about one client, as (key, value)."""
    lines = [line.partition(b"=") for line in block.split(b"\n") if line]
    return tuple((key, value) for key, _, value in lines)


def own_environment() -> Environment:
    """The environment we were given, without what is ours alone.

    Under the C locale the interpreter adds LC_CTYPE (PEP 538); that is not the program's.
    """
    environment = {k: v for k, v in os.environb.items() if k not in NOT_INHERITED}
    if b"LC_CTYPE" in environment and b"\0LC_CTYPE=" not in b"\0" + _first_environment():
        del environment[b"LC_CTYPE"]
    return environment


def environment_for(fields: Fields, base: Environment) -> Environment:
    """What the program sees: the connection, then the rules' `setenv`, which has the last word."""
    environment = base.copy()
    for key, value in fields:
        if b"\0" in value:
            raise CannotStart(f"a NUL in {_shown(key)}")
        if names := VARIABLES.get(key):
            shown = _unmapped(value)
            for name in names:
                environment[name] = shown
    if b"REMOTE_ADDR" in environment:
        environment[b"PROTO"] = b"TCP"
    for key, value in fields:
        if key == b"SETENV":
            name, equals, text = value.partition(b"=")
            if not name or not equals:
                raise CannotStart(f"setenv without a name: {_shown(value)}")
            environment[name] = text
    return environment


def attributes_for(fields: Fields) -> Attributes:
    """What the rules' umask, nice, group and user ask for. Raises CannotStart.

    With a user come its groups; a group given, alone or with a user, becomes the main one.
    """
    last = {key: value for key, value in fields if key in ATTRIBUTES}
    if not last:
        return Attributes()
    umask = last.get(b"UMASK")
    nice = sum(_number(value, "nice", base=10) for key, value in fields if key == b"NICE")
    attributes = Attributes(
        umask=None if umask is None else _number(umask, "umask", base=8),
        nice=max(-NICE_RANGE, min(nice, NICE_RANGE)),
    )
    if attributes.umask is not None and not 0 <= attributes.umask <= 0o777:
        raise CannotStart(f"bad umask: {_shown(last[b'UMASK'])}")
    if b"GROUP" in last:
        attributes.gid = _group_id(last[b"GROUP"])
        attributes.groups = (attributes.gid,)
    if b"USER" in last:
        account = _account(last[b"USER"])
        attributes.uid = account.pw_uid
        if attributes.gid is None:
            attributes.gid = account.pw_gid
        attributes.groups = tuple(os.getgrouplist(account.pw_name, attributes.gid))
    return attributes


def become(attributes: Attributes) -> None:
    """Change this process: umask, nice, group, user. Raises CannotStart, with some of it done."""
    if attributes.umask is not None:
        os.umask(attributes.umask)
    if attributes.nice:
        change_nice(attributes.nice)
    try:
        if attributes.gid is not None:
            if set(os.getgroups()) != set(attributes.groups):
                os.setgroups(attributes.groups)
            os.setresgid(attributes.gid, attributes.gid, attributes.gid)
        if attributes.uid is not None:
            os.setresuid(attributes.uid, attributes.uid, attributes.uid)
    except OSError as error:
        raise cannot_become(error) from error


def cannot_become(error: OSError) -> CannotStart:
    """Why the program can't have another group or user."""
    hint = "; that takes root" if error.errno in NOT_PERMITTED else ""
    return CannotStart(f"can't apply group or user: {error.strerror}{hint}")


def change_nice(increment: int) -> None:
    """Change our nice value; one that isn't allowed is left out and said, as by libwrap."""
    try:
        os.nice(increment)
    except OSError as error:
        said = f"socketgate: nice {increment} is left out: {error.strerror}\n"
        try:  # noqa: SIM105  # contextlib isn't built in
            os.write(2, said.encode())
        except OSError:
            pass  # nobody hears it


def find_program(name: bytes, path: bytes = DEFAULT_PATH) -> bytes:
    """Where the program is, as execvp(3) looks for it. Raises CannotStart."""
    folders = [b""] if b"/" in name else [folder or b"." for folder in path.split(b":")]
    for folder in folders:
        candidate = os.path.join(folder, name)  # noqa: PTH118  # pathlib costs 8 ms
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):  # noqa: PTH112  # as above
            return candidate
    raise CannotStart(f"{_shown(name)}: no such program, or it may not be executed")


def _first_environment() -> bytes:
    """The environment the process began with (proc_pid_environ(5)); empty when that isn't shown."""
    try:
        fd = os.open("/proc/self/environ", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        chunks = []
        while chunk := os.read(fd, 65_536):
            chunks.append(chunk)
    finally:
        os.close(fd)
    return b"".join(chunks)


def _unmapped(value: bytes) -> bytes:
    is_mapped = value.startswith(MAPPED_PREFIX) and b"." in value
    return value.removeprefix(MAPPED_PREFIX) if is_mapped else value


def _number(value: bytes, what: str, base: int) -> int:
    try:
        return int(value, base)
    except ValueError:
        raise CannotStart(f"bad {what}: {_shown(value)}") from None


def _account(name: bytes) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(os.fsdecode(name))
    except KeyError:
        raise CannotStart(f"unknown user: {_shown(name)}") from None


def _group_id(name: bytes) -> int:
    try:
        return grp.getgrnam(os.fsdecode(name)).gr_gid
    except KeyError:
        raise CannotStart(f"unknown group: {_shown(name)}") from None


def _shown(value: bytes) -> str:
    return ascii(value.decode(errors="surrogateescape"))
