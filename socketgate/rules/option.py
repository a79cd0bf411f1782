# SPDX-License-Identifier: MIT
"""What a verdict asks to be done (hosts_options(5)). Texts are expanded, in the rule's order."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spawn:
    """Run a shell command beside the connection."""

    command: bytes


@dataclass(frozen=True, slots=True)
class Twist:
    """Run a shell command in place of the daemon; the verdict is DENY."""

    command: bytes


@dataclass(frozen=True, slots=True)
class Severity:
    """Log at this level; with no facility, at the program's own."""

    facility: str | None
    level: str


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Let the kernel probe a silent client."""


@dataclass(frozen=True, slots=True)
class Linger:
    """How long the kernel tries to deliver what is unsent at a close."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Banners:
    """Send DIRECTORY/DAEMON to the client, expanded when it is sent."""

    directory: bytes


@dataclass(frozen=True, slots=True)
class SetEnv:
    """A variable for the program that serves the client."""

    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Umask:
    """The file mode mask of that program."""

    mode: int


@dataclass(frozen=True, slots=True)
class Nice:
    """How much that program's nice value goes up."""

    increment: int


@dataclass(frozen=True, slots=True)
class RunAsUser:
    """Whom that program runs as, and in which group if one is named."""

    user: bytes
    group: bytes | None


@dataclass(frozen=True, slots=True)
class RunAsGroup:
    """The group that program runs in."""

    group: bytes


#: What commands that come later in the rule have, too: libwrap changes its own process.
Inherited = SetEnv | Umask | Nice

Action = (
    Spawn
    | Twist
    | Severity
    | KeepAlive
    | Linger
    | Banners
    | SetEnv
    | Umask
    | Nice
    | RunAsUser
    | RunAsGroup
)
