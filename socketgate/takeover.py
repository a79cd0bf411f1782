# SPDX-License-Identifier: MIT
"""Take one client over from the gate and become the program that serves it: `socketgate exec`.

    receive ─▶ find program ─▶ setenv, umask, nice, group, user ─▶ ACK ─▶ execve(2)
                    └─ can't ────────────────────────────────────▶ REFUSE, exit

For a socket unit with Accept=yes: the gate's connection is descriptor 3 (LISTEN_FDS), or 0 with
StandardInput=socket. The acknowledgement is the last thing before the program, so that a client is
refused, and the gate can say so, whatever goes wrong earlier. See program.py on what is imported.
"""

import _signal  # type: ignore[import-not-found]  # signal without its enums: 4 ms less
import _socket
import errno
import os
import sys

from socketgate import program

USAGE = """\
usage: socketgate exec [--stderr=journal|client] [--gate-user=USER]... -- PROGRAM [ARGUMENT]...

Take one connection over from the gate and become PROGRAM, with the client on 0 and 1.
For a .service with Accept=yes in its .socket (see socketgate-backend(7)).

  --stderr=client     the client on 2 as well; else 2 stays what it is, the journal
  --gate-user=USER    a gate may run as USER; root, our own user and socketgate always may
"""

MAX_MESSAGE_BYTES = 65_535
PASSED_FD = 3  # sd_listen_fds(3)
#: A gate sends the client as soon as it has connected.
GATE_PATIENCE_SECONDS = 30
#: Between a process's sockets being closed and its end being seen.
ENDING_PROCESS_SECONDS = 0.2
GATE_USER = "socketgate"

NO_GATE = (
    "no connection from a gate was passed: the .socket unit of this service needs"
    " ListenSequentialPacket=PATH and Accept=yes"
)

WRONG, UNREACHABLE, NOT_PERMITTED = (
    2,
    3,
    4,
)  # socketgate.cli.ExitCode, which costs an import of enum


class Stopped(Exception):
    """We end without becoming the program: what to say, and the exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class Options:
    """What the command line asks for."""

    __slots__ = ("command", "gate_users", "is_stderr_client")

    def __init__(self) -> None:
        self.command: list[bytes] = []
        self.gate_users = [GATE_USER]
        self.is_stderr_client = False


def main(words: list[str]) -> int:
    """Become the program; returns, with an exit code, only when that can't be."""
    if words[:1] in (["--help"], ["-h"]):
        sys.stdout.write(USAGE)
        return 0
    try:
        options = parse_options(words)
        take_over(options)
    except Stopped as stopped:
        sys.stderr.write(f"socketgate exec: {stopped}\n")
        return stopped.code
    return WRONG  # execve(2) returns only by raising


def parse_options(words: list[str]) -> Options:
    """Read the command line without argparse. Raises Stopped."""
    options = Options()
    rest = words.copy()
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if not equals:
            value = rest.pop(0) if rest else ""
        if name == "--stderr" and value in {"client", "journal"}:
            options.is_stderr_client = value == "client"
        elif name == "--gate-user" and value:
            options.gate_users.append(value)
        else:
            raise Stopped(f"don't know {word!r} here\n{USAGE}", WRONG)
    if not rest:
        raise Stopped(f"which program?\n{USAGE}", WRONG)
    options.command = [os.fsencode(word) for word in rest]
    return options


def take_over(options: Options) -> None:
    """Receive the client, acknowledge it, become the program. Raises Stopped."""
    gate = gate_connection()
    check_gate(gate, options.gate_users)
    fields, client = receive_client(gate)
    number = dict(fields).get(b"ID", b"0")
    try:
        base = program.own_environment()
        environment = program.environment_for(fields, base)
        attributes = program.attributes_for(fields)
        program.become(attributes)
        path = program.find_program(options.command[0], base.get(b"PATH", program.DEFAULT_PATH))
    except program.CannotStart as reason:
        answer(gate, b"REFUSE=%b\n" % number)
        raise Stopped(f"refused the client: {reason}", WRONG) from None
    if not answer(gate, b"ACK=%b\n" % number) and not gate_ended(gate):
        raise Stopped("the gate took the client back, leaving it alone", UNREACHABLE)
    gate.close()
    journal = os.dup(2)
    place_descriptors(client, 3 if options.is_stderr_client else 2)
    for ignored in (_signal.SIGPIPE, _signal.SIGXFSZ):  # as every Python does for itself
        _signal.signal(ignored, _signal.SIG_DFL)
    try:
        os.execve(path, options.command, environment)  # noqa: S606  # no shell: that's the point
    except OSError as error:
        os.dup2(journal, 2)
        name = os.fsdecode(path)
        raise Stopped(f"can't start {name!r}, closing: {error.strerror}", WRONG) from None


def gate_connection() -> _socket.socket:
    """The connection systemd accepted for us, on a descriptor above 2. Raises Stopped."""
    passed = is_passed_to_us() and os.environ.get("LISTEN_FDS") == "1"
    try:
        sock = _socket.socket(fileno=PASSED_FD if passed else os.dup(0))
        listens = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN)
    except OSError:
        raise Stopped(NO_GATE, WRONG) from None
    if (sock.family, sock.type, listens) != (_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0):
        raise Stopped(NO_GATE, WRONG)
    return sock


def is_passed_to_us() -> bool:
    """Whether LISTEN_FDS= is meant for this process."""
    return os.environ.get("LISTEN_PID") == str(os.getpid())


def peer(gate: _socket.socket) -> tuple[int, int]:
    """Process and user of the gate (SO_PEERCRED, unix(7))."""
    credentials = gate.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    numbers = memoryview(credentials).cast("I")  # no user's number has a sign
    return numbers[0], numbers[1]


def check_gate(gate: _socket.socket, users: list[str]) -> None:
    """Only root, our own user and those named may hand over clients. Raises Stopped."""
    pid, uid = peer(gate)
    if uid in {0, os.geteuid()}:
        return
    if uid not in {_user_id(user) for user in users}:
        raise Stopped(f"process {pid} of user {uid} may not hand over connections", NOT_PERMITTED)


def receive_client(gate: _socket.socket) -> tuple[program.Fields, int]:
    """What the gate says of the client, and its descriptor. Raises Stopped."""
    gate.settimeout(GATE_PATIENCE_SECONDS)
    try:
        text, ancillary, flags, _ = gate.recvmsg(
            MAX_MESSAGE_BYTES, _socket.CMSG_LEN(4), _socket.MSG_CMSG_CLOEXEC
        )
    except OSError as error:
        raise Stopped(f"the gate handed nothing over: {error}", UNREACHABLE) from None
    if not text:
        raise Stopped("the gate closed before it handed a client over", UNREACHABLE)
    fields = program.parse_fields(text)
    passed = [data for _, kind, data in ancillary if kind == _socket.SCM_RIGHTS]
    descriptors = [fd for data in passed for fd in memoryview(data).cast("i")]
    cut = flags & (_socket.MSG_TRUNC | _socket.MSG_CTRUNC)
    if cut or len(descriptors) != 1 or fields[:1] != ((b"SOCKETGATE", b"1"),):
        for fd in descriptors:
            os.close(fd)
        number = dict(fields).get(b"ID", b"0")
        answer(gate, b"REFUSE=%b\n" % number)
        raise Stopped("not one client with its lines: is the gate of this version?", WRONG)
    return fields, descriptors[0]


def answer(gate: _socket.socket, text: bytes) -> bool:
    """Tell the gate; says whether it could be told."""
    try:
        gate.send(text, _socket.MSG_NOSIGNAL)
    except OSError:
        return False
    return True


def gate_ended(gate: _socket.socket) -> bool:
    """Whether the gate is gone, so that nobody else has the client; see backend.channel."""
    pid, _ = peer(gate)
    try:
        fd = os.pidfd_open(pid)
    except OSError as error:
        return error.errno == errno.ESRCH
    import select

    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(ENDING_PROCESS_SECONDS * 1000))


def place_descriptors(client: int, count: int) -> None:
    """The client on 0, 1 (and 2); of what is open past them, nothing outlives execve(2)."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  # no pathlib: a start of every client
        if int(name) > 2:
            _close_on_exec(int(name))
    for target in range(count):
        os.dup2(client, target)
        os.set_inheritable(target, True)  # noqa: FBT003  # dup2(2) leaves it alone if they are equal


def _close_on_exec(fd: int) -> None:
    try:
        os.set_inheritable(fd, False)  # noqa: FBT003  # positional only
    except OSError:
        return  # the one the listing was read by


def _user_id(name: str) -> int:
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return -1
