# SPDX-License-Identifier: MIT
"""What inetd-style programs need of the unit that starts them, and what their admin should know."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from socketgate.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Setting:
    """A line of a unit, and the reason that stands above it."""

    line: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What one program needs.

    `argument` makes it serve the client it was started with instead of listening by itself; it is
    empty where a file can say so as well. `port` is where it listens if nobody says otherwise, and
    `on_port` what its admin should know before a gate listens there.
    """

    argument: str = ""
    port: int = 0
    on_port: str = ""
    unit: tuple[Setting, ...] = ()
    service: tuple[Setting, ...] = ()
    notes: tuple[str, ...] = ()


SHARED_FOLDER = "It belongs to all clients: not gone with the first."

SSHD_LIMITS = (
    "`sshd -i` is one sshd for each client. MaxStartups and PerSourcePenalties of sshd_config have"
    " no effect: they live in the sshd that listens. Who may come, and how often, is up to the"
    " rules and to the gate's limits."
)
SSHD_PORT = (
    "Whoever listens on the port now has to leave it first: `systemctl disable --now ssh.socket"
    " ssh.service` on Debian, sshd.socket and sshd.service elsewhere. Open sessions stay; keep one"
    " until a new one has worked."
)
SSHD = Program(
    argument="-i",
    unit=(Setting("Wants=sshd-keygen.target", "Makes the host keys, where there is such a unit."),),
    service=(
        Setting("RuntimeDirectory=sshd", "sshd's empty folder for the part without privileges."),
        Setting("RuntimeDirectoryPreserve=yes", SHARED_FOLDER),
        Setting(
            "KillMode=process",
            "As in sshd's own unit: what a user left running outlives the connection.",
        ),
        Setting(
            "OOMPolicy=continue",
            "A user's program that ran out of memory doesn't end the whole session.",
        ),
    ),
    port=22,
    on_port=SSHD_PORT,
    notes=(SSHD_LIMITS,),
)

VSFTPD_LISTEN = (
    "vsftpd must not listen by itself: listen=NO and listen_ipv6=NO in its configuration, or after"
    " the file on its command line, as -olisten=NO -olisten_ipv6=NO."
)
VSFTPD_LIMITS = (
    "max_clients and max_per_ip have no effect: vsftpd counts clients only where it listens. Data"
    " connections of passive mode go to vsftpd directly, not through the gate."
)
VSFTPD_PORT = (
    "Whoever listens on the port now has to leave it first:"
    " `systemctl disable --now vsftpd.service`."
)
VSFTPD = Program(
    service=(
        Setting("RuntimeDirectory=vsftpd/empty", "Its secure_chroot_dir on Debian."),
        Setting("RuntimeDirectoryPreserve=yes", SHARED_FOLDER),
    ),
    port=21,
    on_port=VSFTPD_PORT,
    notes=(VSFTPD_LISTEN, VSFTPD_LIMITS),
)

RSYNC_RULES = (
    "`hosts allow` and `hosts deny` of rsyncd.conf go on working, after the gate: rsync sees the"
    " client's own address."
)
RSYNC_PORT = (
    "Whoever listens on the port now has to leave it first: `systemctl disable --now rsync.service`"
    " on Debian, rsyncd.socket and rsyncd.service elsewhere."
)
RSYNC = Program(
    argument="--daemon",
    service=(
        Setting("NoNewPrivileges=yes", "It starts no program that needs more rights than it has."),
        Setting("PrivateDevices=yes", "It serves files, not devices."),
    ),
    port=873,
    on_port=RSYNC_PORT,
    notes=(RSYNC_RULES,),
)

#: By the name of the program's file.
PROGRAMS = {"sshd": SSHD, "vsftpd": VSFTPD, "rsync": RSYNC}

#: Any other program.
PLAIN = Program()


def find_program(words: Sequence[str], *, has_user: bool) -> Program:
    """What is known about a program; raises ConfigError if it would listen by itself."""
    name = PurePosixPath(words[0]).name
    program = PROGRAMS.get(name)
    if program is None:
        return PLAIN if has_user else Program(notes=(_runs_as_root(name),))
    if program.argument and program.argument not in words[1:]:
        raise ConfigError(
            f"{name} must be told to serve one client instead of listening: add {program.argument}"
        )
    return program


def _runs_as_root(name: str) -> str:
    return f"{name} runs as root, as it would under inetd; --user NAME if it can do with less."
